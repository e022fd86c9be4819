/* Two mounts whose clients exchange directories, and an application that changes 50 keys a commit,
 * without pause: what others change is told in bounded time, memory and space.
 *
 * While the load lasts, the application counts up in one key, and each mount is asked for it: that
 * is how long a change takes to be seen. The file, the readers and the errors that clients get are
 * looked at, then how long it takes until a last change is seen once the clients rest, and how long
 * umount takes.
 *
 * KEYTREE_SECONDS says how long the load lasts.
 */
#include "support.h"

#include "keytree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOUNTS 2
#define CLIENTS 2 /* of each mount */
#define DIRS 8
#define FILES 10
#define KEYS 2000 /* of the application */
#define KEYS_A_COMMIT 50

/* Limits: far above what is reached on a machine that does nothing else. */
#define REST_MS 5000
#define UMOUNT_MS 5000
#define READERS_MAX 64
#define FILE_MAX (200u << 20u)

static unsigned seconds = 5;

/* What the processes share. */
struct shared {
	atomic_bool stop;
	atomic_uint count;  /* that the application has committed */
	atomic_ulong since; /* when, in milliseconds */
	atomic_ulong commits, exchanges, errors;
	atomic_int error; /* one of them */
	atomic_ulong worst_ms[MOUNTS];
	atomic_ulong seen[MOUNTS];
};

static unsigned long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long)now.tv_sec * 1000 + (unsigned long)now.tv_nsec / 1000000;
}

/* ---- the application ------------------------------------------------------------------------- */

static void put_count(struct kt_store *store, struct shared *shared, unsigned count)
{
	struct kt_txn *txn;
	char text[16], key[32];

	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	for (int i = 0; i < KEYS_A_COMMIT; i++) {
		snprintf(key, sizeof(key), "app/%04d", rand() % KEYS);
		assert_int_equal(kt_put(txn, key, strlen(key), key, sizeof(key)), 0);
	}
	snprintf(text, sizeof(text), "%08u", count);
	assert_int_equal(kt_put(txn, "count", 5, text, 8), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	atomic_store(&shared->since, now_ms());
	atomic_store(&shared->count, count);
	atomic_fetch_add(&shared->commits, 1);
}

static void run_application(const char *path, struct shared *shared)
{
	struct kt_store *store;

	assert_int_equal(kt_open(path, NULL, &store), 0);
	for (unsigned count = 1; !atomic_load(&shared->stop); count++)
		put_count(store, shared, count);
	kt_close(store);
}

/* ---- clients --------------------------------------------------------------------------------- */

static void note(struct shared *shared, bool ok)
{
	int error = errno;

	if (ok)
		return;
	atomic_store(&shared->error, error);
	atomic_fetch_add(&shared->errors, 1);
}

static void use_dir(struct shared *shared, const char *path)
{
	char file[160], text[64];
	DIR *dir = opendir(path);
	int fd;

	note(shared, dir != NULL);
	if (dir != NULL) {
		while (readdir(dir) != NULL)
			;
		closedir(dir);
	}
	for (int i = 0; i < FILES; i += 3) {
		snprintf(file, sizeof(file), "%s/f%d", path, i);
		fd = open(file, O_RDONLY | O_CLOEXEC);
		/* another client may have exchanged the directory after the file was found */
		note(shared, fd >= 0 || errno == ESTALE);
		if (fd < 0)
			continue;
		note(shared, read(fd, text, sizeof(text)) >= 0 || errno == ESTALE);
		close(fd);
	}
}

static void run_client(const char *mount, struct shared *shared)
{
	char from[120], to[120];

	while (!atomic_load(&shared->stop)) {
		int a = rand() % DIRS, b = (a + 1 + rand() % (DIRS - 1)) % DIRS;

		snprintf(from, sizeof(from), "%s/d%d", mount, a);
		snprintf(to, sizeof(to), "%s/d%d", mount, b);
		note(shared,
			syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) == 0);
		atomic_fetch_add(&shared->exchanges, 1);
		use_dir(shared, from);
	}
}

static unsigned read_count(const char *mount)
{
	char path[120], text[16] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/count", mount);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, text, 8) < 0)
		text[0] = '\0';
	close(fd);
	return (unsigned)strtoul(text, NULL, 10);
}

/* See how long a commit takes to be seen. */
static void run_watcher(const char *mount, struct shared *shared, int index)
{
	while (!atomic_load(&shared->stop)) {
		unsigned long since = now_ms(), took;
		unsigned count = atomic_load(&shared->count);

		while (read_count(mount) < count && !atomic_load(&shared->stop))
			;
		took = now_ms() - since;
		if (took > atomic_load(&shared->worst_ms[index]))
			atomic_store(&shared->worst_ms[index], took);
		atomic_fetch_add(&shared->seen[index], 1);
	}
}

/* ---- the test -------------------------------------------------------------------------------- */

struct load {
	struct fixture *fixture;
	struct kt_store *store;
	struct shared *shared;
	char mounts[MOUNTS][100];
	pid_t processes[MOUNTS * (CLIENTS + 1) + 1];
	size_t process_count;
};

static bool load_fork(struct load *l)
{
	pid_t process = fork();

	assert_true(process >= 0);
	if (process == 0)
		srand((unsigned)getpid());
	else
		l->processes[l->process_count++] = process;
	return process == 0;
}

static void load_fill(struct load *l)
{
	struct kt_txn *txn;
	char key[32];

	assert_int_equal(kt_begin(l->store, KT_WRITE, &txn), 0);
	for (int i = 0; i < DIRS * FILES; i++) {
		snprintf(key, sizeof(key), "d%d/f%d", i / FILES, i % FILES);
		assert_int_equal(kt_put(txn, key, strlen(key), key, strlen(key)), 0);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
}

static void load_start(struct load *l)
{
	for (int mount = 0; mount < MOUNTS; mount++) {
		snprintf(l->mounts[mount], sizeof(l->mounts[mount]), "%s%d", l->fixture->mount_dir,
			mount);
		assert_int_equal(mkdir(l->mounts[mount], 0700), 0);
		assert_int_equal(
			support_keytree("mount", l->fixture->store_path, l->mounts[mount]), 0);
		for (int client = 0; client < CLIENTS; client++)
			if (load_fork(l)) {
				run_client(l->mounts[mount], l->shared);
				_exit(0);
			}
		if (load_fork(l)) {
			run_watcher(l->mounts[mount], l->shared, mount);
			_exit(0);
		}
	}
	if (load_fork(l)) {
		run_application(l->fixture->store_path, l->shared);
		_exit(0);
	}
}

/* @return the most readers that were seen */
static unsigned load_watch(struct load *l)
{
	unsigned long end = now_ms() + 1000ul * seconds;
	unsigned readers = 0;

	while (now_ms() < end) {
		struct kt_store_info info;

		assert_int_equal(kt_info(l->store, &info), 0);
		if (info.readers > readers)
			readers = (unsigned)info.readers;
		usleep(20000);
	}
	atomic_store(&l->shared->stop, true);
	for (size_t i = 0; i < l->process_count; i++)
		waitpid(l->processes[i], NULL, 0);
	return readers;
}

/* The clients rest. */
static unsigned long load_rest(struct load *l)
{
	unsigned count = atomic_load(&l->shared->count) + 1;
	unsigned long since = now_ms();

	put_count(l->store, l->shared, count);
	for (int mount = 0; mount < MOUNTS; mount++)
		while (read_count(l->mounts[mount]) != count)
			if (now_ms() - since > 60000)
				fail_msg("a change was not seen in a minute");
	return now_ms() - since;
}

static unsigned long load_umount(struct load *l)
{
	unsigned long worst = 0;

	for (int mount = 0; mount < MOUNTS; mount++) {
		unsigned long since = now_ms();

		assert_int_equal(support_keytree("umount", l->mounts[mount], NULL), 0);
		if (now_ms() - since > worst)
			worst = now_ms() - since;
	}
	return worst;
}

static void test_bounded(void **state)
{
	struct load l = {.fixture = *state};
	struct shared *shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned long rest, umount;
	unsigned readers;
	struct stat file;

	assert_ptr_not_equal(shared, MAP_FAILED);
	l.shared = shared;
	assert_int_equal(kt_open(l.fixture->store_path, NULL, &l.store), 0);
	load_fill(&l);
	load_start(&l);
	readers = load_watch(&l);
	rest = load_rest(&l);
	assert_int_equal(stat(l.fixture->store_path, &file), 0);
	umount = load_umount(&l);
	print_message(
		"%lu commits, %lu exchanges, %lu errors (%d), %u readers, %lld MB, seen %lu and "
		"%lu times, after %lu and %lu ms at worst, %lu ms when clients rest, umount "
		"%lu ms\n",
		atomic_load(&shared->commits), atomic_load(&shared->exchanges),
		atomic_load(&shared->errors), atomic_load(&shared->error), readers,
		(long long)file.st_size >> 20, atomic_load(&shared->seen[0]),
		atomic_load(&shared->seen[1]), atomic_load(&shared->worst_ms[0]),
		atomic_load(&shared->worst_ms[1]), rest, umount);
	assert_int_equal(kt_close(l.store), 0);
	assert_int_equal(atomic_load(&shared->errors), 0);
	assert_true(readers <= READERS_MAX);
	assert_true(file.st_size < FILE_MAX);
	assert_true(rest < REST_MS);
	assert_true(umount < UMOUNT_MS);
	munmap(shared, sizeof(*shared));
}

int main(void)
{
	const char *text = getenv("KEYTREE_SECONDS");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bounded, support_setup, support_teardown),
	};

	if (!support_has_fuse())
		return SUPPORT_SKIPPED;
	if (text != NULL)
		seconds = (unsigned)strtoul(text, NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
