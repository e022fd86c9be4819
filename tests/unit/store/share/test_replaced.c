/* What the name of a store leads to: another file while the old one is open, the same file under
 * other names, a backup that takes the name. And what a user can do who may only read the store. */
#include "keytree.h"

#include "tests/unit/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	struct temp temp;
	char lock[160];
	struct kt_store *store;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (temp_make(&f->temp) != 0)
		return -1;
	snprintf(f->lock, sizeof(f->lock), "%s-lock", f->temp.path);
	return kt_open(f->temp.path, KT_OPTIONS(.flags = KT_CREATE), &f->store);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(kt_close(f->store), 0);
	temp_remove(&f->temp);
	free(f);
	return 0;
}

static void put(struct kt_store *store, const char *value)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_put(txn, "k", 1, value, strlen(value)), 0);
	assert_int_equal(kt_commit(txn, KT_FLUSH), 0);
}

static void assert_value(struct kt_store *store, const char *value)
{
	struct kt_slice got;
	struct kt_txn *txn;

	assert_int_equal(kt_begin(store, KT_READ, &txn), 0);
	assert_int_equal(kt_get(txn, "k", 1, &got), 0);
	assert_int_equal(got.size, strlen(value));
	assert_memory_equal(got.data, value, got.size);
	kt_abort(txn);
}

static void assert_sound(struct kt_store *store)
{
	uint64_t findings = 1;

	assert_int_equal(kt_check(store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 0);
}

static void backup(struct fixture *f, const char *path)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(f->store, KT_READ, &txn), 0);
	assert_int_equal(kt_backup(txn, path, 0, NULL, NULL), 0);
	kt_abort(txn);
}

static void assert_stale(struct fixture *f)
{
	struct kt_store *second;

	assert_int_equal(kt_open(f->temp.path, NULL, &second), -ESTALE);
	assert_non_null(strstr(kt_strerror(NULL, -ESTALE), "had this name before"));
}

/* ---- another file under the name ------------------------------------------------------------- */

/* A copy takes the name of the store while the store is open. It is refused until the old one is
 * closed, and both keep what they have. */
static void copy_moved_over(void **state)
{
	struct fixture *f = *state;
	struct kt_store *second;

	put(f->store, "old");
	backup(f, f->temp.copy);
	put(f->store, "new");
	assert_int_equal(rename(f->temp.copy, f->temp.path), 0);
	assert_stale(f);
	put(f->store, "newer");
	assert_value(f->store, "newer");
	/* A reader needs no lock file: it sees the file that has the name. */
	assert_int_equal(kt_open(f->temp.path, KT_OPTIONS(.flags = KT_READONLY), &second), 0);
	assert_value(second, "old");
	put(f->store, "newest");
	assert_value(second, "old");
	assert_int_equal(kt_close(second), 0);
	assert_sound(f->store);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open(f->temp.path, NULL, &f->store), 0);
	assert_value(f->store, "old");
	put(f->store, "after");
	assert_sound(f->store);
}

/* The store is moved away, and a new one is made under its name; the old one is no stranger under its
 * new name. */
static void moved_away(void **state)
{
	struct fixture *f = *state;
	struct kt_store *second;

	put(f->store, "old");
	assert_int_equal(rename(f->temp.path, f->temp.copy), 0);
	assert_int_equal(kt_open(f->temp.path, KT_OPTIONS(.flags = KT_CREATE), &second), -ESTALE);
	assert_int_equal(kt_open(f->temp.copy, NULL, &second), -EBUSY);
	assert_non_null(strstr(kt_strerror(NULL, -EBUSY), "another name"));
	put(f->store, "still");
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open(f->temp.copy, NULL, &second), 0);
	assert_value(second, "still");
	assert_int_equal(kt_close(second), 0);
	assert_int_equal(kt_open(f->temp.path, NULL, &f->store), 0);
	put(f->store, "fresh");
	assert_sound(f->store);
}

/* The opener dies: the name is free for the other file. */
static void opener_dies(void **state)
{
	struct fixture *f = *state;
	int status, ready[2];
	char byte;
	pid_t pid;

	put(f->store, "old");
	backup(f, f->temp.copy);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (kt_open(f->temp.path, NULL, &f->store) != 0)
			_exit(1);
		put(f->store, "child");
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(rename(f->temp.copy, f->temp.path), 0);
	assert_stale(f);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(kt_open(f->temp.path, NULL, &f->store), 0);
	assert_value(f->store, "old");
	put(f->store, "new");
	assert_sound(f->store);
	close(ready[0]);
	close(ready[1]);
}

/* ---- a backup that takes the name ------------------------------------------------------------ */

struct intruder {
	const char *path;
	struct kt_store *store;
};

static int intrude(void *arg, uint64_t done, uint64_t total)
{
	struct intruder *intruder = arg;

	(void)total;
	if (done > 0 && intruder->store == NULL) {
		assert_int_equal(kt_open(intruder->path, NULL, &intruder->store), 0);
		put(intruder->store, "mine");
	}
	return 0;
}

/* A store that is opened while it is about to be replaced by a backup is not replaced. */
static void backup_replaces(void **state)
{
	struct fixture *f = *state;
	struct intruder intruder = {.path = f->temp.copy};
	struct kt_txn *txn;

	put(f->store, "v");
	backup(f, f->temp.copy);
	assert_int_equal(kt_begin(f->store, KT_READ, &txn), 0);
	assert_int_equal(
		kt_backup(txn, f->temp.copy, KT_BACKUP_REPLACE, intrude, &intruder), -EBUSY);
	put(intruder.store, "mine too");
	assert_int_equal(kt_backup(txn, f->temp.copy, KT_BACKUP_REPLACE, NULL, NULL), -EBUSY);
	assert_int_equal(kt_backup(txn, f->temp.path, KT_BACKUP_REPLACE, NULL, NULL), -EBUSY);
	assert_int_equal(kt_close(intruder.store), 0);
	assert_int_equal(kt_open(f->temp.copy, NULL, &intruder.store), 0);
	assert_value(intruder.store, "mine too");
	assert_int_equal(kt_close(intruder.store), 0);
	assert_int_equal(kt_backup(txn, f->temp.copy, KT_BACKUP_REPLACE, NULL, NULL), 0);
	kt_abort(txn);
	assert_int_equal(kt_open(f->temp.copy, NULL, &intruder.store), 0);
	assert_value(intruder.store, "v");
	put(intruder.store, "w");
	assert_int_equal(kt_close(intruder.store), 0);
}

/* Several processes open, change and close a store that backups replace all the time. Each finds a
 * whole store, and what it has flushed while it was open. */
static void replaced_again_and_again(void **state)
{
	enum { PROCESSES = 2, REPLACED = 10, TRIES = 100000 };
	struct fixture *f = *state;
	_Atomic bool *stop =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[PROCESSES];
	unsigned replaced = 0;
	int status;

	put(f->store, "v");
	backup(f, f->temp.copy);
	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		for (int n = 0; pids[i] == 0 && !atomic_load(stop); n++) {
			struct kt_store *store;
			uint64_t findings = 1;
			char text[16];
			struct kt_txn *txn;
			struct kt_slice got;

			snprintf(text, sizeof(text), "%d %d", i, n);
			if (kt_open(f->temp.copy, NULL, &store) != 0 ||
				kt_begin(store, KT_WRITE, &txn) != 0 ||
				kt_put(txn, text, 1, text, strlen(text)) != 0 ||
				kt_commit(txn, KT_FLUSH) != 0 ||
				kt_begin(store, KT_READ, &txn) != 0 ||
				kt_get(txn, text, 1, &got) != 0 || got.size != strlen(text) ||
				memcmp(got.data, text, got.size) != 0)
				_exit(1);
			kt_abort(txn);
			if (kt_check(store, NULL, NULL, &findings) != 0 || findings != 0 ||
				kt_close(store) != 0)
				_exit(2);
			usleep(5000); /* nobody has it open for a while */
		}
		if (pids[i] == 0)
			_exit(0);
	}
	for (int n = 0; replaced < REPLACED && n < TRIES; n++) {
		struct kt_txn *txn;
		int err;

		assert_int_equal(kt_begin(f->store, KT_READ, &txn), 0);
		err = kt_backup(txn, f->temp.copy, KT_BACKUP_REPLACE, NULL, NULL);
		kt_abort(txn);
		assert_true(err == 0 || err == -EBUSY);
		replaced += err == 0;
	}
	atomic_store(stop, true);
	for (int i = 0; i < PROCESSES; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(replaced, REPLACED);
	munmap((void *)stop, 4096);
}

/* ---- the same file under another name -------------------------------------------------------- */

/* One file that is mounted at another path, as containers do, is the same store with another lock
 * file. */
static void mounted_file(void **state)
{
	struct fixture *f = *state;
	int status, fd;
	pid_t pid;

	if (getuid() != 0)
		skip();
	put(f->store, "v");
	fd = open(f->temp.copy, O_CREAT | O_WRONLY, 0600);
	close(fd);
	pid = fork();
	if (pid == 0) {
		struct kt_store *second;

		if (unshare(CLONE_NEWNS) != 0 ||
			mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
			mount(f->temp.path, f->temp.copy, NULL, MS_BIND, NULL) != 0)
			_exit(0);
		if (kt_open(f->temp.copy, NULL, &second) != -EBUSY ||
			strstr(kt_strerror(NULL, -EBUSY), "another name") == NULL)
			_exit(1);
		if (kt_open(f->temp.copy, KT_OPTIONS(.flags = KT_READONLY), &second) != 0)
			_exit(2);
		assert_value(second, "v");
		_exit(kt_close(second) == 0 ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	put(f->store, "w");
}

/* A reader that shares the lock area is not overlooked when the lock file is removed. */
static void reader_without_lock_file(void **state)
{
	struct fixture *f = *state;
	struct kt_store *reader, *second;

	put(f->store, "v");
	assert_int_equal(kt_open(f->temp.path, KT_OPTIONS(.flags = KT_READONLY), &reader), 0);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(unlink(f->lock), 0);
	assert_int_equal(kt_open(f->temp.path, NULL, &second), -EBUSY);
	assert_value(reader, "v");
	assert_int_equal(kt_close(reader), 0);
	assert_int_equal(kt_open(f->temp.path, NULL, &f->store), 0);
	put(f->store, "w");
}

/* ---- a user who may only read ---------------------------------------------------------------- */

/* Run as another user, who may read the store. @return what the function returned */
static int as_reader(struct fixture *f, int (*act)(struct fixture *f))
{
	int status;
	pid_t pid;

	assert_int_equal(chmod(f->temp.dir, 0755), 0);
	assert_int_equal(chmod(f->temp.path, 0644), 0);
	pid = fork();
	if (pid == 0)
		_exit(setgid(65534) == 0 && setuid(65534) == 0 ? act(f) : 99);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int open_lock_file(struct fixture *f)
{
	return open(f->lock, O_RDONLY) < 0 && errno == EACCES ? 0 : 1;
}

static int keep_from_writing(struct fixture *f)
{
	struct kt_store *store;

	return -kt_open(f->temp.path, KT_OPTIONS(.flags = KT_READONLY | KT_ALONE), &store);
}

/* The lock file is closed to those who may only read the store. */
static void reader_locks_nothing(void **state)
{
	struct fixture *f = *state;

	if (getuid() != 0)
		skip();
	assert_int_equal(as_reader(f, open_lock_file), 0);
	assert_int_equal(as_reader(f, keep_from_writing), EACCES);
	/* One that was made by an older version, or when the store had another mode. */
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(chmod(f->lock, 0644), 0);
	assert_int_equal(kt_open(f->temp.path, NULL, &f->store), 0);
	assert_int_equal(as_reader(f, open_lock_file), 0);
}

/* A read lock of all bytes keeps nobody from opening, writing, closing and replacing the store. */
static void reader_locks_all(void **state)
{
	struct fixture *f = *state;
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	struct kt_store *second;
	struct kt_txn *txn;
	int fd;

	assert_int_equal(kt_close(f->store), 0);
	fd = open(f->temp.path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	alarm(60); /* a lock that is waited for */
	assert_int_equal(kt_open(f->temp.path, NULL, &f->store), 0);
	put(f->store, "a");
	assert_int_equal(kt_open(f->temp.path, NULL, &second), 0);
	put(second, "b");
	put(f->store, "c");
	assert_value(second, "c");
	assert_int_equal(kt_close(second), 0);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open(f->temp.path, NULL, &f->store), 0);
	put(f->store, "d");
	assert_sound(f->store);
	close(fd);
	backup(f, f->temp.copy);
	fd = open(f->temp.copy, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	assert_int_equal(kt_begin(f->store, KT_READ, &txn), 0);
	assert_int_equal(kt_backup(txn, f->temp.copy, KT_BACKUP_REPLACE, NULL, NULL), 0);
	kt_abort(txn);
	alarm(0);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(copy_moved_over),
		TEST(moved_away),
		TEST(opener_dies),
		TEST(backup_replaces),
		TEST(replaced_again_and_again),
		TEST(mounted_file),
		TEST(reader_without_lock_file),
		TEST(reader_locks_nothing),
		TEST(reader_locks_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
