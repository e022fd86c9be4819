/* What may stand under the name of a store's lock file, and what may be in it. */
#include "store/share/lockarea.h"

#include "keytree.h"

#include "tests/unit/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	struct temp temp;
	char lock[160];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct kt_store *store;

	*state = f;
	if (temp_make(&f->temp) != 0)
		return -1;
	snprintf(f->lock, sizeof(f->lock), "%s-lock", f->temp.path);
	assert_int_equal(kt_open(f->temp.path, KT_OPTIONS(.flags = KT_CREATE), &store), 0);
	assert_int_equal(kt_close(store), 0);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	temp_remove(&f->temp);
	free(f);
	return 0;
}

static int put(struct kt_store *store, const void *value, size_t size, unsigned flags)
{
	struct kt_txn *txn;
	int err = kt_begin(store, KT_WRITE, &txn);

	if (!err)
		err = kt_put(txn, "k", 1, value, size);
	return err ? err : kt_commit(txn, flags);
}

/* The store is refused for writing, with a reason, and can be read all the same. */
static void assert_refused(struct fixture *f, const char *why)
{
	struct kt_store *store;

	assert_int_equal(kt_open(f->temp.path, NULL, &store), -EACCES);
	assert_non_null(strstr(kt_strerror(NULL, -EACCES), why));
	assert_int_equal(kt_open(f->temp.path, KT_OPTIONS(.flags = KT_READONLY), &store), 0);
	assert_int_equal(kt_close(store), 0);
}

static void assert_works(struct fixture *f)
{
	struct kt_store *store;

	assert_int_equal(kt_open(f->temp.path, NULL, &store), 0);
	assert_int_equal(put(store, "v", 1, KT_FLUSH), 0);
	assert_int_equal(kt_close(store), 0);
}

/* A hard link would have another file filled with zeros; so would a file that is no lock file. */
static void test_foreign(void **state)
{
	struct fixture *f = *state;
	char other[160], text[] = "a letter, and no lock file", got[sizeof(text)];
	int fd;

	snprintf(other, sizeof(other), "%s-other", f->temp.path);
	fd = open(other, O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
	assert_int_equal(unlink(f->lock), 0);
	assert_int_equal(link(other, f->lock), 0);
	assert_refused(f, "another name");
	assert_int_equal(unlink(f->lock), 0);
	assert_int_equal(rename(other, f->lock), 0);
	assert_refused(f, "another file");
	assert_int_equal(pread(fd, got, sizeof(got), 0), sizeof(got));
	assert_memory_equal(got, text, sizeof(text));
	assert_int_equal(lseek(fd, 0, SEEK_END), sizeof(text));
	close(fd);
	assert_int_equal(unlink(f->lock), 0);
	assert_int_equal(mkdir(f->lock, 0700), 0);
	assert_int_not_equal(kt_open(f->temp.path, NULL, &(struct kt_store *){NULL}), 0);
	assert_int_equal(rmdir(f->lock), 0);
	assert_int_equal(mkfifo(f->lock, 0600), 0);
	assert_refused(f, "not a regular file");
	assert_int_equal(unlink(f->lock), 0);
	assert_works(f);
}

/* A lock file that is empty, left over, or that came along with a copy of another store. */
static void test_left(void **state)
{
	struct fixture *f = *state;
	char command[640];

	assert_works(f);
	assert_int_equal(truncate(f->lock, 0), 0);
	assert_works(f);
	snprintf(command, sizeof(command), "cp '%s' '%s' && cp '%s' '%s-lock'", f->temp.path,
		f->temp.copy, f->lock, f->temp.copy);
	assert_int_equal(system(command), 0);
	snprintf(f->temp.path, sizeof(f->temp.path), "%s", f->temp.copy);
	assert_works(f);
}

/* A process that may write the lock area writes nonsense into it: the list of unsynced pages is not
 * believed. Commits go on or fail in words, within bounds of memory and time. */
static void test_nonsense(void **state)
{
	static char large[100000];
	struct fixture *f = *state;

	for (unsigned mode = 0; mode < 4; mode++) {
		struct kt_store *store;
		struct lockarea *area;
		uint64_t findings = 1;
		int fd;

		assert_int_equal(kt_open(f->temp.path, NULL, &store), 0);
		assert_int_equal(put(store, "v", 1, 0), 0);
		fd = open(f->lock, O_RDWR);
		area = mmap(NULL, sizeof(*area), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		assert_ptr_not_equal(area, MAP_FAILED);
		for (unsigned i = 0; i < UNSYNCED_CAPACITY; i++) {
			area->unsynced.pages[i].page =
				mode == 3 ? 1000000 + i : (8 + i) | UNSYNCED_BLOCK;
			area->unsynced.pages[i].sum = 0x4141414141414141;
		}
		if (mode == 2)
			area->unsynced.pages[5].page = (UINT64_C(1) << 40) - 1;
		area->unsynced.count = mode == 1 ? 1000 : 1;
		area->unsynced.overflow = false;
		alarm(30); /* a search that does not end */
		assert_int_equal(put(store, large, sizeof(large), 0), 0);
		assert_int_equal(put(store, large, sizeof(large), KT_FLUSH), 0);
		alarm(0);
		assert_int_equal(kt_check(store, NULL, NULL, &findings), 0);
		assert_int_equal(findings, 0);
		munmap(area, sizeof(*area));
		close(fd);
		assert_int_equal(kt_close(store), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
		cmocka_unit_test_setup_teardown(test_left, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nonsense, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
