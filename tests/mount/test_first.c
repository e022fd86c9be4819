/* The first look at a mount, by another user, while an application writes to the store without pause:
 * the root can be searched as soon as mount returns. */
#include "support.h"

#include "keytree.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOUNTS 15
#define NOBODY 65534

struct writer {
	struct kt_store *store;
	atomic_bool stop;
};

static void *write_on(void *arg)
{
	struct writer *writer = arg;

	while (!atomic_load(&writer->stop)) {
		struct kt_txn *txn;

		assert_int_equal(kt_begin(writer->store, KT_WRITE, &txn), 0);
		assert_int_equal(kt_put(txn, "other", 5, "value", 5), 0);
		assert_int_equal(kt_commit(txn, 0), 0);
	}
	return NULL;
}

/* Look at a file as another user. @return 0 or errno */
static int look(const char *path)
{
	pid_t pid = fork();
	struct stat stat_;
	int status;

	if (pid == 0) {
		if (setuid(NOBODY) != 0)
			_exit(1);
		_exit(stat(path, &stat_) == 0 ? 0 : errno);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_root_can_be_searched(void **state)
{
	struct fixture *fixture = *state;
	struct writer writer = {.stop = false};
	struct kt_txn *txn;
	pthread_t thread;
	char path[120];

	if (getuid() != 0) {
		skip();
		return;
	}
	assert_int_equal(chmod(fixture->dir, 0711), 0);
	assert_int_equal(kt_open(fixture->store_path, NULL, &writer.store), 0);
	assert_int_equal(kt_begin(writer.store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_put(txn, "key", 3, "value", 5), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, write_on, &writer), 0);
	snprintf(path, sizeof(path), "%s/key", fixture->mount_dir);
	for (int i = 0; i < MOUNTS; i++) {
		support_mount_with(fixture, "allow_other");
		assert_int_equal(look(path), 0);
		support_unmount(fixture);
	}
	atomic_store(&writer.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(kt_close(writer.store), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_root_can_be_searched, support_setup, support_teardown),
	};

	return support_has_fuse() ? cmocka_run_group_tests(tests, NULL, NULL) : SUPPORT_SKIPPED;
}
