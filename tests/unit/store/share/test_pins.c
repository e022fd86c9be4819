/* Pins of readers without write permission, which are locks of bytes of the store's file. */
#include "keytree.h"

#include "tests/unit/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SIZE (400 * 1024)

/* Where readers lock: share/lockarea.h. */
#define LOCK_PIN ((UINT64_C(1) << 62) + (UINT64_C(1) << 50))

struct fixture {
	struct temp temp;
	struct kt_store *writer;
	struct kt_store *readers[2]; /* opened while there was no lock file: they may write none */
};

static void put(struct fixture *f, int byte)
{
	static unsigned char value[SIZE];
	struct kt_txn *txn;

	memset(value, byte, SIZE);
	assert_int_equal(kt_begin(f->writer, KT_WRITE, &txn), 0);
	assert_int_equal(kt_put(txn, "k", 1, value, SIZE), 0);
	assert_int_equal(kt_commit(txn, KT_FLUSH), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char lock[160];

	*state = f;
	if (temp_make(&f->temp) != 0)
		return -1;
	snprintf(lock, sizeof(lock), "%s-lock", f->temp.path);
	assert_int_equal(kt_open(f->temp.path, KT_OPTIONS(.flags = KT_CREATE), &f->writer), 0);
	put(f, '0');
	assert_int_equal(kt_close(f->writer), 0);
	unlink(lock);
	for (int i = 0; i < 2; i++)
		assert_int_equal(
			kt_open(f->temp.path, KT_OPTIONS(.flags = KT_READONLY), &f->readers[i]), 0);
	assert_int_equal(kt_open(f->temp.path, NULL, &f->writer), 0);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++)
		assert_int_equal(kt_close(f->readers[i]), 0);
	assert_int_equal(kt_close(f->writer), 0);
	temp_remove(&f->temp);
	free(f);
	return 0;
}

/* Commit until pages that were freed would be used again; the view must not change. */
static void assert_view_stays(struct fixture *f, struct kt_txn *reader, int byte)
{
	struct kt_slice view;

	assert_int_equal(kt_get(reader, "k", 1, &view), 0);
	for (int i = 0; i < 6; i++)
		put(f, 'A' + i);
	assert_int_equal(view.size, SIZE);
	for (size_t i = 0; i < SIZE; i++)
		assert_int_equal(((const unsigned char *)view.data)[i], byte);
}

/* The kernel merges neighbouring locks of one opener. A reader that begins the next transaction
 * before it ends the last keeps the old pin, with another reader at the newer one. */
static void test_neighbours(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *first, *old, *next, *same;

	put(f, 'a');
	assert_int_equal(kt_begin(f->readers[0], KT_READ, &first), 0);
	put(f, 'b');
	put(f, 'c');
	assert_int_equal(kt_begin(f->readers[1], KT_READ, &old), 0);
	put(f, 'd');
	assert_int_equal(kt_begin(f->readers[0], KT_READ, &next), 0);
	kt_abort(first);
	assert_int_equal(kt_begin(f->readers[1], KT_READ, &same), 0);
	assert_view_stays(f, old, 'c');
	kt_abort(same);
	kt_abort(next);
	kt_abort(old);
}

/* Lock bytes as a program may that can only read the file. */
static int lock_bytes(const char *path, uint64_t start, uint64_t count)
{
	struct flock lock = {.l_type = F_RDLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)start,
		.l_len = (off_t)count};
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	return fd;
}

/* A program that locks everything, or far more than a reader would, hides no reader. */
static void test_hidden(void **state)
{
	const struct range {
		uint64_t start, count;
	} cases[] = {{LOCK_PIN - 1, 0}, {LOCK_PIN, 0}, {LOCK_PIN + 1, UINT64_C(1) << 40}};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = lock_bytes(f->temp.path, cases[i].start, cases[i].count);
		struct kt_txn *old;

		put(f, 'x');
		assert_int_equal(kt_begin(f->readers[0], KT_READ, &old), 0);
		assert_view_stays(f, old, 'x');
		kt_abort(old);
		close(fd);
	}
}

/* Hundreds of locks, each below the last, cost a writer a bounded number of questions, and count as
 * the oldest pin there can be. */
static void test_many(void **state)
{
	enum { COUNT = 900 }; /* below the usual limit of descriptors */
	struct fixture *f = *state;
	static int fds[COUNT];
	struct kt_txn *old;

	put(f, 'y');
	assert_int_equal(kt_begin(f->readers[0], KT_READ, &old), 0);
	for (int i = 0; i < COUNT; i++)
		fds[i] = lock_bytes(f->temp.path, LOCK_PIN + 2000 - 2 * (uint64_t)i, 1);
	assert_view_stays(f, old, 'y');
	kt_abort(old);
	for (int i = 0; i < COUNT; i++)
		close(fds[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_neighbours, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hidden, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
