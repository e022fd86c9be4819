/* The program under test is run as a user runs it. */
#include "support.h"

#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int run(char **argv)
{
	pid_t pid;
	int status;

	assert_int_equal(posix_spawn(&pid, getenv("KEYTREE"), NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int support_keytree(const char *command, const char *arg1, const char *arg2)
{
	char *argv[] = {"keytree", (char *)command, (char *)arg1, (char *)arg2, NULL};

	return run(argv);
}

void support_wait_told(const char *mount_dir, uint64_t commit, time_t limit_s)
{
	time_t begin = time(NULL);
	char text[32];

	for (;;) {
		ssize_t size = getxattr(mount_dir, "user.keytree.told", text, sizeof(text) - 1);

		assert_true(size > 0);
		text[size] = '\0';
		if (strtoull(text, NULL, 10) >= commit)
			return;
		if (time(NULL) > begin + limit_s)
			fail_msg("after %ld s %s was told of commit %s, not of %llu", (long)limit_s,
				mount_dir, text, (unsigned long long)commit);
		sched_yield();
	}
}

unsigned long support_operations(unsigned long count)
{
	const char *wanted = getenv("KEYTREE_OPS");

	if (wanted != NULL)
		return strtoul(wanted, NULL, 10);
	return getenv("KEYTREE_BRIEF") != NULL ? count / 4 : count;
}

int support_setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	const char *seed = getenv("KEYTREE_SEED");

	assert_non_null(fixture);
	fixture->random = seed != NULL ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
	print_message("KEYTREE_SEED=%llu\n", (unsigned long long)fixture->random);
	strcpy(fixture->dir, "/tmp/keytree-test.XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	snprintf(fixture->store_path, sizeof(fixture->store_path), "%s/s.kt", fixture->dir);
	snprintf(fixture->mount_dir, sizeof(fixture->mount_dir), "%s/m", fixture->dir);
	assert_int_equal(mkdir(fixture->mount_dir, 0700), 0);
	assert_int_equal(support_keytree("create", fixture->store_path, NULL), 0);
	*state = fixture;
	return 0;
}

int support_teardown(void **state)
{
	struct fixture *fixture = *state;
	char command[320];

	assert_int_equal(chdir("/"), 0);
	close_range(STDERR_FILENO + 1, ~0u, 0); /* what a failed test has left open */
	snprintf(command, sizeof(command), "! mountpoint -q %s || %s umount %s; rm -rf %s",
		fixture->mount_dir, getenv("KEYTREE"), fixture->mount_dir, fixture->dir);
	assert_int_equal(system(command), 0);
	free(fixture);
	return 0;
}

void support_mount_with(const struct fixture *fixture, const char *options)
{
	char *argv[] = {"keytree", "mount", "-o", (char *)options, (char *)fixture->store_path,
		(char *)fixture->mount_dir, NULL};

	assert_int_equal(run(argv), 0);
}

/* Any name is a key's: there are no scratch files. */
void support_mount(const struct fixture *fixture)
{
	support_mount_with(fixture, "scratch=");
}

void support_unmount(const struct fixture *fixture)
{
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(support_keytree("umount", fixture->mount_dir, NULL), 0);
}

uint32_t support_random(struct fixture *fixture, uint32_t limit)
{
	fixture->random = fixture->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(fixture->random >> 33) % limit;
}

bool support_has_fuse(void)
{
	if (access("/dev/fuse", F_OK) == 0)
		return true;
	puts("skipped: there is no /dev/fuse");
	return false;
}
