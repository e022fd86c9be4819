/* How much is read from the disk of a file that is not in the page cache. */
#include "temp.h"

#include "store/keytree.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define BLOCK 4096
#define VALUE_SIZE ((size_t)64 << 20)
#define CHUNK ((size_t)1 << 20)

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct temp));
	return temp_make(*state);
}

static int teardown(void **state)
{
	temp_remove_dir(((struct temp *)*state)->dir);
	free(*state);
	return 0;
}

/* Make a store with a large value, written piece by piece as through a mount. */
static void make(const char *path)
{
	char *piece = malloc(CHUNK);
	struct kt_store *store;
	struct kt_txn *txn;

	assert_non_null(piece);
	assert_int_equal(kt_open(path, KT_CREATE, &store), 0);
	for (size_t at = 0; at < VALUE_SIZE; at += CHUNK) {
		memset(piece, (int)(at / CHUNK) + 1, CHUNK);
		assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
		if (at == 0)
			assert_int_equal(kt_put(txn, "large", 5, NULL, 0), 0);
		assert_int_equal(kt_write(txn, "large", 5, at, piece, CHUNK), 0);
		assert_int_equal(kt_commit(txn, 0), 0);
	}
	assert_int_equal(kt_close(store), 0);
	free(piece);
}

/* How many pages of a file are in the page cache? */
static size_t count_cached(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned char *cached;
	struct stat stat;
	size_t pages, count = 0;
	void *map;

	assert_true(fd >= 0 && fstat(fd, &stat) == 0);
	pages = ((size_t)stat.st_size + BLOCK - 1) / BLOCK;
	cached = malloc(pages);
	map = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(cached != NULL && map != MAP_FAILED);
	assert_int_equal(mincore(map, (size_t)stat.st_size, cached), 0);
	for (size_t i = 0; i < pages; i++)
		count += cached[i] & 1;
	munmap(map, (size_t)stat.st_size);
	free(cached);
	close(fd);
	return count;
}

/* @return false: the file system keeps them */
static bool drop_cached(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fsync(fd), 0);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
	return count_cached(path) < 100;
}

/* Of a large value, a random access reads what it asks for, and the page that says where that is;
 * not what is around them, which is more of the value. */
static void random_access(void **state)
{
	const struct temp *temp = *state;
	struct kt_store *store;
	struct kt_txn *txn;
	size_t before, after, got, reads = 0;
	char block[BLOCK];

	make(temp->path);
	if (!drop_cached(temp->path))
		skip();
	assert_int_equal(kt_open(temp->path, 0, &store), 0);
	assert_int_equal(kt_begin(store, KT_READ, &txn), 0);
	assert_int_equal(kt_read(txn, "large", 5, 0, block, 1, &got), 0);
	before = count_cached(temp->path);
	for (size_t i = 1; i < VALUE_SIZE / CHUNK; i += 3, reads++) {
		size_t at = i * CHUNK + i * 13 % 200 * BLOCK;

		assert_int_equal(kt_read(txn, "large", 5, at, block, BLOCK, &got), 0);
		assert_int_equal(got, BLOCK);
		assert_int_equal(block[17], (int)i + 1);
	}
	after = count_cached(temp->path);
	if (after - before > 3 * reads)
		fail_msg("%zu pages for %zu blocks", after - before, reads);
	kt_abort(txn);
	assert_int_equal(kt_close(store), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_access, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
