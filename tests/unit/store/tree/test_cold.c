/* How much is read from the disk of a file that is not in the page cache. */
#include "tests/unit/temp.h"

#include "keytree.h"
#include "store/tree/node.h"
#include "store/commit/txn.h"
#include "store/tree/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
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
	assert_int_equal(kt_open(path, KT_OPTIONS(.flags = KT_CREATE), &store), 0);
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

/* Which pages of a file are in the page cache?
 * ret_cached: a byte for each, to be freed; NULL: not asked for
 * returns how many are */
static size_t list_cached(const char *path, unsigned char **ret_cached)
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
	if (ret_cached != NULL)
		*ret_cached = cached;
	else
		free(cached);
	close(fd);
	return count;
}

static size_t count_cached(const char *path)
{
	return list_cached(path, NULL);
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
	assert_int_equal(kt_open(temp->path, NULL, &store), 0);
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

/* ---- leaves that lie anywhere ---------------------------------------------------------------- */

#define KEYS 30000
#define LEAVES_MAX 4000

/* The leaves of a store in the order of their keys. */
struct leaves {
	size_t count;
	uint64_t pages[LEAVES_MAX];
	unsigned entries[LEAVES_MAX];
};

/* Put keys in an order that looks random, and write all leaves again and again, so that neighbours
 * lie far apart. */
static void make_scattered(const char *path)
{
	struct kt_store *store;
	struct kt_txn *txn;
	char key[16], value[100] = {0};

	assert_int_equal(kt_open(path, KT_OPTIONS(.flags = KT_CREATE), &store), 0);
	for (unsigned i = 0; i < 2 * KEYS; i++) {
		int size = snprintf(key, sizeof(key), "%08u", i * 7919 % KEYS);

		if (i % 500 == 0)
			assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
		assert_int_equal(kt_put(txn, key, (size_t)size, value, sizeof(value)), 0);
		if (i % 500 == 499)
			assert_int_equal(kt_commit(txn, KT_FLUSH), 0);
	}
	assert_int_equal(kt_close(store), 0);
}

static void list_leaves(const char *path, struct leaves *leaves)
{
	struct kt_store *store;
	struct kt_txn *txn;
	struct path at;

	*leaves = (struct leaves){0};
	assert_int_equal(kt_open(path, NULL, &store), 0);
	assert_int_equal(kt_begin(store, KT_READ, &txn), 0);
	assert_int_equal(tree_edge(&txn->txn->pager, &txn->txn->trees[txn->tree], false, &at), 0);
	do {
		assert_true(leaves->count < LEAVES_MAX);
		leaves->pages[leaves->count] = ref_page(at.level[0].ref);
		leaves->entries[leaves->count++] = node_header(at.level[0].node)->count;
		at.level[0].index = node_header(at.level[0].node)->count - 1U;
	} while (tree_next(&txn->txn->pager, &at) == 0);
	kt_abort(txn);
	assert_int_equal(kt_close(store), 0);
}

/* Have nothing of a file in memory.
 * @return false: the file system keeps it, or does not tell what is there */
static bool make_cold(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct iovec part = {&(char){0}, 1};
	bool tells = preadv2(fd, &part, 1, 0, RWF_NOWAIT) >= 0 || errno == EAGAIN;

	close(fd);
	return tells && drop_cached(path);
}

/* A single key of a store that was never read: the way to it, and little around that. */
static void one_get(void **state)
{
	const struct temp *temp = *state;
	struct kt_store *store;
	struct kt_slice value;
	struct kt_txn *txn;
	size_t before;

	make_scattered(temp->path);
	if (!make_cold(temp->path))
		skip();
	assert_int_equal(kt_open(temp->path, NULL, &store), 0);
	before = count_cached(temp->path);
	assert_int_equal(kt_begin(store, KT_READ, &txn), 0);
	assert_int_equal(kt_get(txn, "00012345", 8, &value), 0);
	if (count_cached(temp->path) - before > 3 * 16)
		fail_msg("%zu pages for a get", count_cached(temp->path) - before);
	kt_abort(txn);
	assert_int_equal(kt_close(store), 0);
}

/* Is a page in memory, or soon? There is nothing by which the kernel tells that one has come. */
static bool comes(const char *path, uint64_t page)
{
	for (time_t end = time(NULL) + 10; time(NULL) < end;) {
		unsigned char *cached;
		bool there;

		list_cached(path, &cached);
		there = cached[page] & 1;
		free(cached);
		if (there)
			return true;
	}
	return false;
}

/* How many of some leaves are in memory? */
static size_t count_leaves(const char *path, const struct leaves *leaves, size_t from, size_t to)
{
	unsigned char *cached;
	size_t count = 0;

	list_cached(path, &cached);
	for (size_t i = from; i < to; i++)
		count += cached[leaves->pages[i]] & 1;
	free(cached);
	return count;
}

/* A cursor that goes from leaf to leaf has the next ones brought to memory, also those that lie
 * elsewhere, and not the whole store. */
static void walk_ahead(const struct temp *temp, bool forward)
{
	static struct leaves leaves;
	int (*step)(struct kt_cursor *) = forward ? kt_cursor_next : kt_cursor_prev;
	struct kt_cursor *cursor;
	struct kt_store *store;
	struct kt_txn *txn;
	unsigned steps = 1;
	size_t half;

	make_scattered(temp->path);
	list_leaves(temp->path, &leaves);
	half = leaves.count / 2;
	assert_true(half > 200);
	if (!make_cold(temp->path))
		skip();
	assert_int_equal(kt_open(temp->path, NULL, &store), 0);
	assert_int_equal(kt_begin(store, KT_READ, &txn), 0);
	assert_int_equal(kt_cursor_open(txn, &cursor), 0);
	for (size_t i = 0; i < 2; i++)
		steps += leaves.entries[forward ? i : leaves.count - 1 - i];
	for (unsigned i = 0; i < steps; i++)
		assert_int_equal(step(cursor), 0);
	for (size_t i = 3; i < 8; i++)
		assert_true(comes(temp->path, leaves.pages[forward ? i : leaves.count - 1 - i]));
	assert_true(count_leaves(temp->path, &leaves, forward ? half : 0,
			    forward ? leaves.count : half) < half / 2);
	kt_cursor_close(cursor);
	kt_abort(txn);
	assert_int_equal(kt_close(store), 0);
}

static void scan_forward(void **state)
{
	walk_ahead(*state, true);
}

static void scan_backward(void **state)
{
	walk_ahead(*state, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_access, setup, teardown),
		cmocka_unit_test_setup_teardown(one_get, setup, teardown),
		cmocka_unit_test_setup_teardown(scan_forward, setup, teardown),
		cmocka_unit_test_setup_teardown(scan_backward, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
