/* The system calls under the I/O table: done in parts, interrupted, failing; and their order when a
 * file is made (I7). The program is linked so that the calls come here first. */
#include "tests/unit/temp.h"

#include "store/io/io.h"

#include "keytree.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char dir[64];
	char path[128];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/keytree-calls-XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/a.kt", f->dir);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	temp_remove_dir(f->dir);
	free(f);
	return 0;
}

/* ---- the calls ------------------------------------------------------------------------------- */

static char calls[400];	 /* letters: w write, b begin to write to the disk, s sync, f fsync, r
			    rename,  l link */
static bool troubled;	 /* every second call is interrupted, the others do a part */
static bool no_tmpfile;	 /* the file system has no files without a name */
static unsigned counter; /* of troubled calls */
static int sync_errno;	 /* what fdatasync() fails with; 0: it does not */
static int begin_errno;	 /* the same for sync_file_range() */
static off_t begun;	 /* bytes that it was called for */

static void note(char letter)
{
	size_t size = strlen(calls);

	if (size + 1 < sizeof(calls)) {
		calls[size] = letter;
		calls[size + 1] = '\0';
	}
}

static bool interrupted(void)
{
	if (!troubled || counter++ % 2 != 0)
		return false;
	errno = EINTR;
	return true;
}

/* A part of size: at least 1. */
static size_t part_of(size_t size)
{
	return troubled && size > 1 ? 1 + counter * 977 % (size - 1) : size;
}

ssize_t __real_pwritev64(int fd, const struct iovec *parts, int count, off_t offset);
ssize_t __wrap_pwritev64(int fd, const struct iovec *parts, int count, off_t offset);
ssize_t __real_pwrite64(int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t offset);
ssize_t __real_pread64(int fd, void *data, size_t size, off_t offset);
ssize_t __wrap_pread64(int fd, void *data, size_t size, off_t offset);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_sync_file_range(int fd, off_t offset, off_t size, unsigned flags);
int __wrap_sync_file_range(int fd, off_t offset, off_t size, unsigned flags);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_openat64(int dir, const char *name, int flags, mode_t mode);
int __wrap_openat64(int dir, const char *name, int flags, mode_t mode);
int __real_linkat(int from, const char *name, int to, const char *new, int flags);
int __wrap_linkat(int from, const char *name, int to, const char *new, int flags);
int __real_renameat2(int from, const char *name, int to, const char *new, unsigned flags);
int __wrap_renameat2(int from, const char *name, int to, const char *new, unsigned flags);

ssize_t __wrap_pwritev64(int fd, const struct iovec *parts, int count, off_t offset)
{
	note('w');
	if (interrupted())
		return -1;
	if (!troubled)
		return __real_pwritev64(fd, parts, count, offset);
	return __real_pwrite64(fd, parts->iov_base, part_of(parts->iov_len), offset);
}

ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t offset)
{
	note('w');
	return interrupted() ? -1 : __real_pwrite64(fd, data, part_of(size), offset);
}

ssize_t __wrap_pread64(int fd, void *data, size_t size, off_t offset)
{
	return interrupted() ? -1 : __real_pread64(fd, data, part_of(size), offset);
}

int __wrap_fdatasync(int fd)
{
	note('s');
	errno = sync_errno;
	return sync_errno != 0 ? -1 : __real_fdatasync(fd);
}

int __wrap_sync_file_range(int fd, off_t offset, off_t size, unsigned flags)
{
	assert_int_equal(flags, SYNC_FILE_RANGE_WRITE); /* anything else would take an error away */
	note('b');
	begun += size;
	errno = begin_errno;
	return begin_errno != 0 ? -1 : __real_sync_file_range(fd, offset, size, flags);
}

int __wrap_fsync(int fd)
{
	note('f');
	return __real_fsync(fd);
}

int __wrap_renameat2(int from, const char *name, int to, const char *new, unsigned flags)
{
	note('r');
	return __real_renameat2(from, name, to, new, flags);
}

int __wrap_openat64(int dir, const char *name, int flags, mode_t mode)
{
	if (no_tmpfile && (flags & O_TMPFILE) == O_TMPFILE) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return __real_openat64(dir, name, flags, mode);
}

int __wrap_linkat(int from, const char *name, int to, const char *new, int flags)
{
	note('l');
	return __real_linkat(from, name, to, new, flags);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void put(struct kt_store *store, const char *key, size_t size)
{
	static unsigned char value[1000000];
	struct kt_txn *txn;

	for (size_t i = 0; i < size; i++)
		value[i] = (unsigned char)(i * 7 + size);
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_put(txn, key, strlen(key), value, size), 0);
	assert_int_equal(kt_commit(txn, KT_FLUSH), 0);
}

/* The calls of a creation; what is written behind is the lock file. */
static void expect_calls(const char *expected)
{
	size_t size = strlen(expected);

	assert_memory_equal(calls, expected, size);
	assert_int_equal(strspn(calls + size, "w"), strlen(calls + size));
}

/* A new store is written, synced, named, and its directory synced, in this order (I7). */
static void creation_in_order(void **state)
{
	struct fixture *f = *state;
	struct kt_store *store;

	calls[0] = '\0';
	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_CREATE), &store), 0);
	expect_calls("wflf");
	assert_int_equal(kt_close(store), 0);
}

static int fill_fails(void *arg, struct io *io)
{
	(void)arg;
	(void)io;
	return -ENOSPC;
}

static int fill_nothing(void *arg, struct io *io)
{
	(void)arg;
	(void)io;
	return 0;
}

/* The same where a file cannot be without a name: it has a hidden one before, and none if the
 * creation fails. */
static void creation_under_a_hidden_name(void **state)
{
	struct fixture *f = *state;
	struct kt_store *store;
	struct io *io;

	no_tmpfile = true;
	calls[0] = '\0';
	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_CREATE), &store), 0);
	expect_calls("wfrf");
	assert_int_equal(kt_close(store), 0);
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(io_file_create(f->path, 0600, fill_fails, NULL, &io), -ENOSPC);
	strcat(f->path, "-lock");
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(io_file_replace(f->path, 0600, fill_nothing, NULL, &io), 0);
	io_close(io);
	assert_int_equal(io_file_replace(f->path, 0600, fill_nothing, NULL, &io), 0);
	io_close(io);
	assert_int_equal(io_file_replace(f->path, 0600, fill_fails, NULL, &io), -ENOSPC);
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(rmdir(f->dir), 0); /* there is no other name */
	no_tmpfile = false;
}

/* A small flushed commit is writes and one sync behind them (I3). */
static void one_sync_for_a_commit(void **state)
{
	struct fixture *f = *state;
	struct kt_store *store;

	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_CREATE), &store), 0);
	put(store, "first", 10);
	calls[0] = '\0';
	put(store, "second", 10);
	assert_non_null(strchr(calls, 's'));
	assert_string_equal(strchr(calls, 's'), "s");
	assert_true(strlen(calls) >= 3);
	assert_int_equal(kt_close(store), 0);
}

/* A large value is on its way to the disk while the rest of it is written. That this fails says
 * nothing: the sync will tell. */
static void large_values_begin_early(void **state)
{
	struct fixture *f = *state;
	struct kt_store *store;
	const char *at;
	uint64_t findings;

	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_CREATE), &store), 0);
	put(store, "first", 10);
	for (int i = 0; i < 2; i++) {
		begin_errno = i == 0 ? 0 : EIO;
		begun = 0;
		calls[0] = '\0';
		put(store, "large", 1000000);
		assert_true(begun >= 800000 && begun <= 1200000);
		at = strchr(calls, 'b');
		assert_non_null(at);
		assert_non_null(strchr(at, 'w'));
		assert_string_equal(strchr(calls, 's'), "s");
	}
	begin_errno = 0;
	begun = 0;
	put(store, "small", 1000);
	assert_int_equal(begun, 0);
	assert_int_equal(kt_check(store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 0);
	assert_int_equal(kt_close(store), 0);
}

/* Calls that are interrupted or do only a part are gone on with: all arrives. */
static void calls_in_parts(void **state)
{
	struct fixture *f = *state;
	struct kt_store *store;
	uint64_t findings;

	troubled = true;
	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_CREATE), &store), 0);
	for (int i = 0; i < 20; i++) {
		char key[20];

		snprintf(key, sizeof(key), "key %d", i);
		put(store, key, (size_t)i * 5000);
	}
	assert_int_equal(kt_close(store), 0);
	assert_int_equal(kt_open(f->path, NULL, &store), 0);
	troubled = false;
	assert_int_equal(kt_check(store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 0);
	assert_int_equal(kt_close(store), 0);
}

/* A sync that fails is the error of the commit; it is not tried again, nor anything written, until
 * the store is opened anew (I6). */
static void failed_sync(void **state)
{
	struct fixture *f = *state;
	struct kt_store *store;
	struct kt_txn *txn;

	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_CREATE), &store), 0);
	put(store, "kept", 10);
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_put(txn, "lost", 4, "x", 1), 0);
	sync_errno = EIO;
	assert_int_equal(kt_commit(txn, KT_FLUSH), -EIO);
	sync_errno = 0;
	calls[0] = '\0';
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), -EIO);
	assert_non_null(strstr(kt_strerror(store, -EIO), "open the store again"));
	assert_int_equal(kt_flush(store), -EIO);
	assert_int_equal(kt_close(store), -EIO);
	assert_string_equal(calls, "");
	assert_int_equal(kt_open(f->path, NULL, &store), 0);
	put(store, "again", 10);
	assert_int_equal(kt_close(store), 0);
}

/* After a sync that failed nobody writes any more, through whatever handle, until all have closed
 * the store; who has it open can read what was there (P6). */
static void failed_sync_of_another(void **state)
{
	struct fixture *f = *state;
	struct kt_store *one, *two, *three;
	struct kt_txn *txn;
	struct kt_slice value;

	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_CREATE), &one), 0);
	assert_int_equal(kt_open(f->path, NULL, &two), 0);
	put(one, "kept", 10);
	put(two, "kept too", 10);
	assert_int_equal(kt_begin(one, KT_WRITE, &txn), 0);
	assert_int_equal(kt_put(txn, "lost", 4, "x", 1), 0);
	sync_errno = EIO;
	assert_int_equal(kt_commit(txn, KT_FLUSH), -EIO);
	sync_errno = 0;
	assert_int_equal(kt_begin(two, KT_WRITE, &txn), -EIO);
	assert_int_equal(kt_flush(two), -EIO);
	assert_int_equal(kt_open(f->path, NULL, &three), -EIO);
	assert_int_equal(kt_begin(two, KT_READ, &txn), 0);
	assert_int_equal(kt_get(txn, "kept too", 8, &value), 0);
	assert_int_equal(kt_get(txn, "lost", 4, &value), -ENOENT);
	kt_abort(txn);
	assert_int_equal(kt_close(one), -EIO);
	assert_int_equal(kt_begin(two, KT_WRITE, &txn), -EIO);
	assert_int_equal(kt_close(two), -EIO);
	assert_int_equal(kt_open(f->path, NULL, &three), 0);
	put(three, "again", 10);
	assert_int_equal(kt_begin(three, KT_READ, &txn), 0);
	assert_int_equal(kt_get(txn, "kept too", 8, &value), 0);
	kt_abort(txn);
	assert_int_equal(kt_close(three), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(creation_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(creation_under_a_hidden_name, setup, teardown),
		cmocka_unit_test_setup_teardown(one_sync_for_a_commit, setup, teardown),
		cmocka_unit_test_setup_teardown(large_values_begin_early, setup, teardown),
		cmocka_unit_test_setup_teardown(calls_in_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(failed_sync, setup, teardown),
		cmocka_unit_test_setup_teardown(failed_sync_of_another, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
