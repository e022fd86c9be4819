/* A store that was written once, tests/data/format-1.kt, is read by every later version, and its
 * bytes are what keytree.5 says: a change of the format that is not meant does not go unseen.
 *
 * When a change is meant, before the format has users:
 *     build/tests/unit/test_golden make tests/data/format-1.kt
 */
#include "tests/unit/temp.h"

#include "keytree_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE 4096
#define USERS 200
#define HOLES_AT 1000000
#define LAST_TXN 6 /* creation, entries, users, three pieces */
#define MTIME_NS INT64_C(1234567890123456789)

static const char *golden_path;

/* One of each kind of entry: where key, value and attributes are kept differs. */
static const struct entry {
	enum kt_tree_id tree;
	const char *key;
	size_t key_size; /* what the text is repeated to */
	size_t value_size;
	size_t attr_size;
} entries[] = {
	{KT_ENTRIES, "", 0, 9, 0},
	{KT_ENTRIES, "a", 1, 1, 0},
	{KT_ENTRIES, "a/b", 3, 0, 0},
	{KT_ENTRIES, "\0\xff", 2, 2, 0},
	{KT_ENTRIES, "long/", 700, 10, 0},
	{KT_ENTRIES, "longest/", KT_KEY_MAX, 10, 0},
	{KT_ENTRIES, "value/inline", 12, 1024, 0},
	{KT_ENTRIES, "value/block", 11, 1025, 0},
	{KT_ENTRIES, "value/extent", 12, 3 * PAGE + 5, 0},
	{KT_ENTRIES, "attr/short", 10, 3, 30},
	{KT_ENTRIES, "attr/long", 9, 3, 5000},
	{KT_DIRECTORIES, "made/", 5, 0, 30},
	{KT_NAMELESS, "\0\0\0\0\0\0\0\1", 8, 100, 0},
};

#define ENTRIES (sizeof(entries) / sizeof(entries[0]))

/* Bytes that look like nothing else. */
static void fill(void *buf, size_t size, unsigned seed)
{
	unsigned char *bytes = buf;

	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(seed * 31 + i * 7 + i / 251);
}

static void key_of(const struct entry *entry, char *ret_key)
{
	size_t text = strlen(entry->key);

	for (size_t i = 0; i < entry->key_size; i++)
		ret_key[i] = entry->key[text > 0 ? i % text : i];
}

/* ---- making it ------------------------------------------------------------------------------- */

static void put_entries(struct kt_txn *txn)
{
	static char key[KT_KEY_MAX], value[4 * PAGE], attr[5000];

	for (unsigned i = 0; i < ENTRIES; i++) {
		const struct entry *entry = &entries[i];

		key_of(entry, key);
		fill(value, entry->value_size, i);
		fill(attr, entry->attr_size, i + 100);
		assert_int_equal(
			kt_put_entry(kt_tree(txn, entry->tree), key, entry->key_size, value,
				entry->value_size, attr, entry->attr_size, MTIME_NS + i),
			0);
	}
}

/* Enough keys for a branch, some of them deleted again, and a value of several extents and holes.
 */
static void put_more(struct kt_store *store)
{
	char key[32], block[PAGE];
	struct kt_txn *txn;

	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	for (unsigned i = 0; i < USERS; i++) {
		snprintf(key, sizeof(key), "user/%04u", i);
		assert_int_equal(kt_put(txn, key, 9, key, 9), 0);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
		fill(block, sizeof(block), i);
		assert_int_equal(
			kt_write(txn, "holes", 5, (uint64_t)i * HOLES_AT, block, sizeof(block)), 0);
		snprintf(key, sizeof(key), "user/%04u", i);
		assert_int_equal(kt_delete(txn, key, 9, 0), 0);
		assert_int_equal(kt_commit(txn, KT_FLUSH), 0);
	}
}

static int make(const char *path)
{
	struct kt_store *store;
	struct kt_txn *txn;
	uint64_t id;

	unlink(path);
	assert_int_equal(kt_open(path, KT_OPTIONS(.flags = KT_CREATE), &store), 0);
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	put_entries(txn);
	assert_int_equal(kt_new_id(txn, &id), 0);
	assert_int_equal(kt_commit(txn, KT_FLUSH), 0);
	put_more(store);
	assert_int_equal(kt_close(store), 0);
	return 0;
}

/* ---- reading it ------------------------------------------------------------------------------ */

struct fixture {
	char dir[64];
	char path[128];
	unsigned char *bytes; /* of the file */
	size_t size;
};

static void read_all(const char *path, unsigned char **ret_bytes, size_t *ret_size)
{
	FILE *file = fopen(path, "rb");
	struct stat st;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	*ret_size = (size_t)st.st_size;
	*ret_bytes = malloc(*ret_size);
	assert_non_null(*ret_bytes);
	assert_int_equal(fread(*ret_bytes, 1, *ret_size, file), *ret_size);
	fclose(file);
}

/* A copy of the store, to open. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	FILE *copy;

	assert_non_null(f);
	strcpy(f->dir, "/tmp/keytree-golden-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/a.kt", f->dir);
	read_all(golden_path, &f->bytes, &f->size);
	copy = fopen(f->path, "wb");
	assert_non_null(copy);
	assert_int_equal(fwrite(f->bytes, 1, f->size, copy), f->size);
	assert_int_equal(fclose(copy), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	temp_remove_dir(f->dir);
	free(f->bytes);
	free(f);
	return 0;
}

static void check_entry(struct kt_txn *txn, unsigned number)
{
	static char key[KT_KEY_MAX], value[4 * PAGE], attr[5000];
	const struct entry *entry = &entries[number];
	struct kt_txn *tree = kt_tree(txn, entry->tree);
	struct kt_slice found;
	struct kt_entry_info st;

	key_of(entry, key);
	fill(value, entry->value_size, number);
	fill(attr, entry->attr_size, number + 100);
	assert_int_equal(kt_get(tree, key, entry->key_size, &found), 0);
	assert_int_equal(found.size, entry->value_size);
	if (found.size > 0)
		assert_memory_equal(found.data, value, found.size);
	assert_int_equal(kt_stat(tree, key, entry->key_size, &st), 0);
	assert_int_equal(st.mtime_ns, MTIME_NS + number);
	assert_int_equal(st.version, 2);
	assert_int_equal(st.attr.size, entry->attr_size);
	if (st.attr.size > 0)
		assert_memory_equal(st.attr.data, attr, st.attr.size);
}

static void check_holes(struct kt_txn *txn)
{
	char expected[PAGE], block[PAGE];
	struct kt_entry_info st;
	size_t got;

	assert_int_equal(kt_stat(txn, "holes", 5, &st), 0);
	assert_int_equal(st.size, 2 * HOLES_AT + PAGE);
	assert_true(st.stored <= 5 * PAGE);
	for (unsigned i = 0; i < 3; i++) {
		fill(expected, sizeof(expected), i);
		assert_int_equal(kt_read(txn, "holes", 5, (uint64_t)i * HOLES_AT, block,
					 sizeof(block), &got),
			0);
		assert_int_equal(got, sizeof(block));
		assert_memory_equal(block, expected, sizeof(block));
	}
	memset(expected, 0, sizeof(expected));
	assert_int_equal(kt_read(txn, "holes", 5, HOLES_AT / 2, block, sizeof(block), &got), 0);
	assert_memory_equal(block, expected, sizeof(block));
}

static void check_content(struct kt_store *store)
{
	struct kt_store_info info;
	struct kt_txn *txn;
	uint64_t findings;
	bool contains;

	assert_int_equal(kt_begin(store, KT_READ, &txn), 0);
	assert_int_equal(kt_txn_id(txn), LAST_TXN);
	for (unsigned i = 0; i < ENTRIES; i++)
		check_entry(txn, i);
	check_holes(txn);
	assert_int_equal(kt_contains(txn, "user/0002", 9, &contains), 0);
	assert_false(contains);
	assert_int_equal(kt_contains(txn, "user/0003", 9, &contains), 0);
	assert_true(contains);
	kt_abort(txn);

	assert_int_equal(kt_info(store, &info), 0);
	assert_int_equal(info.entries, ENTRIES - 2 + 1 + USERS - 3);
	assert_int_equal(kt_check(store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 0);
}

/* Everything is found, and a store opened for reading only keeps every byte. */
static void test_read(void **state)
{
	struct fixture *f = *state;
	struct kt_store *store;
	unsigned char *bytes;
	size_t size;

	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_READONLY), &store), 0);
	check_content(store);
	assert_int_equal(kt_close(store), 0);
	read_all(f->path, &bytes, &size);
	assert_int_equal(size, f->size);
	assert_memory_equal(bytes, f->bytes, size);
	free(bytes);
}

/* It can be written on: what was there stays, ids and transactions go on where they were. */
static void test_write(void **state)
{
	struct fixture *f = *state;
	struct kt_store *store;
	struct kt_txn *txn;
	uint64_t id, findings;

	assert_int_equal(kt_open(f->path, NULL, &store), 0);
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_txn_id(txn), LAST_TXN + 1);
	assert_int_equal(kt_new_id(txn, &id), 0);
	assert_int_equal(id, 2);
	for (unsigned i = 0; i < ENTRIES; i++)
		check_entry(txn, i);
	assert_int_equal(kt_put(txn, "new", 3, "value", 5), 0);
	assert_int_equal(kt_commit(txn, KT_FLUSH), 0);
	assert_int_equal(kt_check(store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 0);
	assert_int_equal(kt_close(store), 0);
}

/* ---- its bytes ------------------------------------------------------------------------------- */

static uint64_t number_at(const struct fixture *f, size_t offset, size_t size)
{
	uint64_t number = 0;

	assert_true(offset + size <= f->size);
	for (size_t i = 0; i < size; i++)
		number |= (uint64_t)f->bytes[offset + i] << (8 * i);
	return number;
}

/* The newest slot: its page's offset. */
static size_t newest_slot(const struct fixture *f)
{
	size_t newest = PAGE;

	for (size_t page = 1; page <= 2; page++) {
		assert_int_equal(number_at(f, page * PAGE + 8, 8), page);
		if (number_at(f, page * PAGE + 16, 8) > number_at(f, newest + 16, 8))
			newest = page * PAGE;
	}
	return newest;
}

/* Header, slot and root are where keytree.5 says: these offsets are those of its tables. */
static void test_bytes(void **state)
{
	struct fixture *f = *state;
	size_t slot = newest_slot(f), tree = slot + 144, root;
	uint64_t reference = number_at(f, tree, 8);

	assert_memory_equal(f->bytes + 8, "\x89keytree\r\n\x1a\n\0\0\0", 16);
	assert_int_equal(number_at(f, 24, 4), 1);
	assert_int_equal(number_at(f, 28, 4), PAGE);
	assert_int_equal(number_at(f, 32, 8), 0);
	assert_int_equal(number_at(f, 40, 8), 0);

	assert_int_equal(number_at(f, slot + 16, 8), LAST_TXN);
	assert_int_equal(number_at(f, slot + 64, 8), 2);
	assert_int_equal(number_at(f, tree + 8, 8), ENTRIES - 2 + 1 + USERS - 3);
	assert_int_equal(number_at(f, tree + 32, 4), 2);
	assert_int_equal(number_at(f, tree + 40 + 8, 8), 1);
	assert_int_equal(number_at(f, tree + 80 + 8, 8), 1);

	root = (size_t)(reference & ((UINT64_C(1) << 40) - 1)) * PAGE;
	assert_int_equal(number_at(f, root, 3), reference >> 40);
	assert_int_equal(number_at(f, root + 8, 8), root / PAGE);
	assert_int_equal(number_at(f, root + 24, 1), 2);
	assert_int_equal(number_at(f, root + 25, 1), 1);
}

/* The newest slot's digest covers the root that it wrote: with one byte of that changed, the store
 * opens as it was one commit before, and is sound. */
static void test_digest(void **state)
{
	struct fixture *f = *state;
	uint64_t reference = number_at(f, newest_slot(f) + 144, 8), findings;
	off_t root = (off_t)(reference & ((UINT64_C(1) << 40) - 1)) * PAGE;
	int fd = open(f->path, O_WRONLY);
	struct kt_store *store;
	struct kt_txn *txn;
	bool contains;

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "\xaa", 1, root + PAGE - 1), 1);
	close(fd);
	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_READONLY), &store), 0);
	assert_int_equal(kt_begin(store, KT_READ, &txn), 0);
	assert_int_equal(kt_txn_id(txn), LAST_TXN - 1);
	assert_int_equal(kt_contains(txn, "user/0002", 9, &contains), 0);
	assert_true(contains);
	kt_abort(txn);
	assert_int_equal(kt_check(store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 0);
	assert_int_equal(kt_close(store), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_write, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_digest, setup, teardown),
	};

	if (argc == 3 && strcmp(argv[1], "make") == 0)
		return make(argv[2]);
	if (argc != 2) {
		fprintf(stderr, "usage: test_golden STORE | make STORE\n");
		return 2;
	}
	golden_path = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
