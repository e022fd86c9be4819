/* Ranges and prefixes: deleting, visiting, going from name to name, and changing at a cursor; on a
 * file and in memory, of the whole store and of a collection. */
#include "tests/unit/fixture.h"

#include "keytree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int setup_file(void **state)
{
	int err = fixture_setup_file(state);
	struct fixture *f = *state;

	return err != 0 ? err : kt_begin(f->store, KT_WRITE, &f->txn);
}

static int setup_memory(void **state)
{
	int err = fixture_setup_memory(state);
	struct fixture *f = *state;

	return err != 0 ? err : kt_begin(f->store, KT_WRITE, &f->txn);
}

/* The write transaction becomes one that sees the collection "c" only. */
static int setup_collection(void **state)
{
	int err = setup_memory(state);
	struct fixture *f = *state;
	struct kt_collection *collection = NULL;

	if (!err)
		err = kt_put(f->txn, KT_STR("b"), KT_STR("outside"));
	if (!err)
		err = kt_put(f->txn, KT_STR("c0"), KT_STR("outside"));
	if (!err)
		err = kt_put(f->txn, KT_STR("c/"), KT_STR(""));
	if (!err)
		err = kt_commit(f->txn, 0);
	f->txn = NULL;
	if (!err)
		err = kt_collection_open(f->store, KT_STR("c"), 0, &collection);
	if (!err)
		err = kt_collection_begin(collection, KT_WRITE, &f->txn);
	kt_collection_close(collection);
	return err != 0 ? err : kt_delete(f->txn, KT_STR(""), 0);
}

/* Put the keys, which are separated by spaces; each is its own value. */
static void put_all(struct fixture *f, const char *keys)
{
	while (*keys != '\0') {
		size_t size = strcspn(keys, " ");

		assert_int_equal(kt_put(f->txn, keys, size, keys, size), 0);
		keys += size + (keys[size] == ' ');
	}
}

static int add_key(void *arg, const struct kt_slice *key, const struct kt_slice *value)
{
	char *text = arg;

	(void)value;
	sprintf(text + strlen(text), "%s%.*s", *text != '\0' ? " " : "", (int)key->size,
		(const char *)key->data);
	return 0;
}

static void assert_keys(struct fixture *f, const char *expected)
{
	char text[4096] = "";

	assert_int_equal(kt_each(f->txn, NULL, 0, add_key, text), 0);
	assert_string_equal(text, expected);
}

/* A range is half-open, and each end may be left out. */
static void delete_range(void **state)
{
	struct fixture *f = *state;
	uint64_t count = 99;

	put_all(f, "a b c d e f g h");
	assert_int_equal(kt_delete_range(f->txn, KT_STR("b"), KT_STR("d"), &count), 0);
	assert_int_equal(count, 2);
	assert_keys(f, "a d e f g h");
	assert_int_equal(kt_delete_range(f->txn, KT_STR("b"), KT_STR("d"), &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(kt_delete_range(f->txn, NULL, 0, KT_STR("dd"), &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(kt_delete_range(f->txn, KT_STR("g"), NULL, 0, NULL), 0);
	assert_keys(f, "e f");
	assert_int_equal(kt_delete_range(f->txn, KT_STR("f"), KT_STR("e"), &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(kt_delete_range(f->txn, NULL, 0, NULL, 0, &count), 0);
	assert_int_equal(count, 2);
	assert_keys(f, "");
}

static void delete_prefix(void **state)
{
	struct fixture *f = *state;
	uint64_t count;

	put_all(f, "a a/ a/b a/c a0 b \xff \xff\xff \xff\xff\x01");
	assert_int_equal(kt_delete_prefix(f->txn, KT_STR("a/"), &count), 0);
	assert_int_equal(count, 3);
	assert_keys(f, "a a0 b \xff \xff\xff \xff\xff\x01");
	assert_int_equal(kt_delete_prefix(f->txn, KT_STR("\xff\xff"), &count), 0);
	assert_int_equal(count, 2);
	assert_keys(f, "a a0 b \xff");
	assert_int_equal(kt_delete_prefix(f->txn, KT_STR("none"), NULL), 0);
	assert_int_equal(kt_delete_prefix(f->txn, NULL, 0, &count), 0);
	assert_int_equal(count, 4);
	assert_keys(f, "");
}

/* Thousands of entries, some large, are deleted from the middle, and the store is sound. */
static void delete_many(void **state)
{
	static char large[100000];
	struct fixture *f = *state;
	struct kt_counts left;
	uint64_t count;
	char key[32];

	for (int i = 0; i < 3000; i++) {
		sprintf(key, "%05d", i);
		assert_int_equal(
			kt_put(f->txn, key, 5, large, i % 500 == 0 ? sizeof(large) : 100), 0);
	}
	assert_int_equal(kt_commit(f->txn, 0), 0);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &f->txn), 0);
	assert_int_equal(kt_delete_range(f->txn, KT_STR("00100"), KT_STR("02900"), &count), 0);
	assert_int_equal(count, 2800);
	assert_int_equal(kt_count(f->txn, &left), 0);
	assert_int_equal(left.entries, 200);
	assert_int_equal(kt_commit(f->txn, 0), 0);
	f->txn = NULL;
	fixture_assert_sound(f->store);
}

/* In a read transaction nothing is deleted. */
static void read_only(void **state)
{
	struct fixture *f = *state;
	struct kt_cursor *cursor;
	uint64_t count;

	put_all(f, "a b");
	assert_int_equal(kt_commit(f->txn, 0), 0);
	assert_int_equal(kt_begin(f->store, KT_READ, &f->txn), 0);
	assert_int_equal(kt_delete_range(f->txn, NULL, 0, NULL, 0, &count), -EROFS);
	assert_int_equal(kt_delete_prefix(f->txn, NULL, 0, &count), -EROFS);
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	assert_int_equal(kt_cursor_first(cursor), 0);
	assert_int_equal(kt_cursor_put(cursor, KT_STR("x")), -EROFS);
	assert_int_equal(kt_cursor_delete(cursor), -EROFS);
	kt_cursor_close(cursor);
	assert_keys(f, "a b");
}

static int stop_at_b(void *arg, const struct kt_slice *key, const struct kt_slice *value)
{
	assert_int_equal(key->size, value->size);
	assert_memory_equal(key->data, value->data, key->size);
	(*(int *)arg)++;
	return memcmp(key->data, "p/b", key->size) == 0 ? 7 : 0;
}

static int delete_it(void *arg, const struct kt_slice *key, const struct kt_slice *value)
{
	(void)value;
	return kt_delete(arg, key->data, key->size, 0);
}

/* Visiting ends when the callback says so, and goes on when it deletes what it is given. */
static void each(void **state)
{
	struct fixture *f = *state;
	int calls = 0;
	char text[100] = "";

	put_all(f, "o p p/a p/b p/c p0");
	assert_int_equal(kt_each(f->txn, KT_STR("p/"), stop_at_b, &calls), 7);
	assert_int_equal(calls, 2);
	assert_int_equal(kt_each(f->txn, KT_STR("p/"), add_key, text), 0);
	assert_string_equal(text, "p/a p/b p/c");
	assert_int_equal(kt_each(f->txn, KT_STR("q"), stop_at_b, &calls), 0);
	assert_int_equal(calls, 2);
	assert_int_equal(kt_each(f->txn, KT_STR("p/"), delete_it, f->txn), 0);
	assert_keys(f, "o p p0");
}

/* ---- cursors --------------------------------------------------------------------------------- */

static void assert_at(struct kt_cursor *cursor, const char *expected)
{
	struct kt_slice key = kt_cursor_key(cursor);

	assert_int_equal(key.size, strlen(expected));
	assert_memory_equal(key.data, expected, key.size);
}

/* The last key that is not greater, within the range. */
static void seek_backward(void **state)
{
	struct fixture *f = *state;
	struct kt_cursor *cursor;
	struct kt_slice own;
	static char long_key[KT_KEY_MAX + 100];

	put_all(f, "b d f");
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	assert_int_equal(kt_cursor_seek_le(cursor, KT_STR("d")), 0);
	assert_at(cursor, "d");
	assert_int_equal(kt_cursor_seek_le(cursor, KT_STR("e")), 0);
	assert_at(cursor, "d");
	assert_int_equal(kt_cursor_seek_le(cursor, KT_STR("z")), 0);
	assert_at(cursor, "f");
	assert_int_equal(kt_cursor_seek_le(cursor, KT_STR("a")), -ENOENT);
	assert_int_equal(kt_cursor_next(cursor), 0);
	assert_at(cursor, "b");
	memset(long_key, 'd', sizeof(long_key));
	assert_int_equal(kt_cursor_seek_le(cursor, long_key, sizeof(long_key)), 0);
	assert_at(cursor, "d");
	own = kt_cursor_key(cursor);
	assert_int_equal(kt_delete(f->txn, KT_STR("d"), 0), 0);
	assert_int_equal(kt_cursor_seek_le(cursor, own.data, own.size), 0);
	assert_at(cursor, "b");
	put_all(f, "d");
	assert_int_equal(kt_cursor_set_range(cursor, KT_STR("c"), KT_STR("f")), 0);
	assert_int_equal(kt_cursor_seek_le(cursor, KT_STR("z")), 0);
	assert_at(cursor, "d");
	assert_int_equal(kt_cursor_seek_le(cursor, KT_STR("c")), -ENOENT);
	assert_int_equal(kt_cursor_set_range(cursor, KT_STR("g"), KT_STR("h")), 0);
	assert_int_equal(kt_cursor_seek_le(cursor, KT_STR("z")), -ENOENT);
	kt_cursor_close(cursor);
}

/* It finds what a search through all keys finds, on several levels of the tree. */
static void seek_backward_among_many(void **state)
{
	struct fixture *f = *state;
	struct kt_cursor *cursor;
	char key[32], expected[32];

	for (int i = 10; i < 4000; i += 10) {
		sprintf(key, "%06d", i);
		assert_int_equal(kt_put(f->txn, key, 6, KT_STR("some value of some length")), 0);
	}
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	for (int i = 0; i < 4100; i += 3) {
		int below = i >= 3990 ? 3990 : i / 10 * 10;

		sprintf(key, "%06d", i);
		assert_int_equal(kt_cursor_seek_le(cursor, key, 6), i < 10 ? -ENOENT : 0);
		if (i < 10)
			continue;
		sprintf(expected, "%06d", below);
		assert_at(cursor, expected);
	}
	kt_cursor_close(cursor);
}

/* What is put at a cursor replaces the value under its key, and the walk goes on. */
static void change_at_cursor(void **state)
{
	struct fixture *f = *state;
	struct kt_cursor *cursor;
	struct kt_slice value;

	put_all(f, "a b c d");
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	assert_int_equal(kt_cursor_put(cursor, KT_STR("x")), -ENOENT);
	assert_int_equal(kt_cursor_delete(cursor), -ENOENT);
	assert_int_equal(kt_cursor_seek(cursor, KT_STR("b")), 0);
	assert_int_equal(kt_cursor_put(cursor, KT_STR("new")), 0);
	assert_at(cursor, "b");
	assert_int_equal(kt_cursor_value(cursor, &value), 0);
	assert_memory_equal(value.data, "new", 3);
	assert_int_equal(kt_cursor_next(cursor), 0);
	assert_at(cursor, "c");
	assert_int_equal(kt_cursor_delete(cursor), 0);
	assert_int_equal(kt_cursor_delete(cursor), -ENOENT);
	assert_int_equal(kt_cursor_put(cursor, KT_STR("x")), -ENOENT);
	assert_int_equal(kt_cursor_next(cursor), 0);
	assert_at(cursor, "d");
	assert_int_equal(kt_cursor_next(cursor), -ENOENT);
	assert_int_equal(kt_cursor_delete(cursor), -ENOENT);
	kt_cursor_close(cursor);
	assert_keys(f, "a b d");
}

static void assert_names(struct kt_cursor *cursor, size_t skip, const char *expected)
{
	char text[1000] = "";
	struct kt_slice name;
	int err;

	while ((err = kt_cursor_next_name(cursor, skip, &name)) == 0)
		add_key(text, &name, NULL);
	assert_int_equal(err, -ENOENT);
	assert_string_equal(text, expected);
}

/* Each component is told once, and what lies below it is passed over. */
static void names(void **state)
{
	struct fixture *f = *state;
	struct kt_cursor *cursor;
	struct kt_slice name;

	put_all(f, "a a- a/b/c a/d a0 b/ c//x d/e/f d/e/g d/h");
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	assert_names(cursor, 0, "a a- a/ a0 b/ c/ d/");
	assert_int_equal(kt_cursor_set_prefix(cursor, KT_STR("a/")), 0);
	assert_names(cursor, 2, "b/ d");
	assert_int_equal(kt_cursor_set_prefix(cursor, KT_STR("d/")), 0);
	assert_names(cursor, 2, "e/ h");
	assert_int_equal(kt_cursor_set_prefix(cursor, KT_STR("b/")), 0);
	assert_names(cursor, 2, "");
	assert_int_equal(kt_cursor_set_prefix(cursor, KT_STR("c/")), 0);
	assert_names(cursor, 2, "/");
	assert_int_equal(kt_cursor_set_prefix(cursor, KT_STR("none/")), 0);
	assert_names(cursor, 5, "");
	assert_int_equal(kt_cursor_set_prefix(cursor, NULL, 0), 0);
	assert_int_equal(kt_cursor_next_name(cursor, 2, &name), -EINVAL);
	kt_cursor_close(cursor);
}

/* Names are found while the entries are deleted. */
static void names_while_deleting(void **state)
{
	struct fixture *f = *state;
	struct kt_cursor *cursor;
	struct kt_slice name;
	char prefix[10], text[100] = "";

	put_all(f, "a/1 a/2 b c/1 c/2 d/1");
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	while (kt_cursor_next_name(cursor, 0, &name) == 0) {
		add_key(text, &name, NULL);
		memcpy(prefix, name.data, name.size);
		assert_int_equal(kt_delete_prefix(f->txn, prefix, name.size, NULL), 0);
	}
	kt_cursor_close(cursor);
	assert_string_equal(text, "a/ b c/ d/");
	assert_keys(f, "");
}

#define FILE(test) cmocka_unit_test_setup_teardown(test, setup_file, fixture_teardown)
#define BOTH(test) FILE(test), cmocka_unit_test_setup_teardown(test, setup_memory, fixture_teardown)
#define ALL(test)                                                                                  \
	BOTH(test), cmocka_unit_test_setup_teardown(test, setup_collection, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALL(delete_range),
		ALL(delete_prefix),
		BOTH(delete_many),
		BOTH(read_only),
		ALL(each),
		ALL(seek_backward),
		ALL(seek_backward_among_many),
		ALL(change_at_cursor),
		ALL(names),
		ALL(names_while_deleting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
