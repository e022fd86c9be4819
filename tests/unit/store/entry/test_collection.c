/* Collections, on a file and in memory. */
#include "keytree_fs.h"
#include "tests/unit/fixture.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* ---- helpers --------------------------------------------------------------------------------- */

static struct kt_collection *open_collection(struct fixture *f, const char *name, unsigned flags)
{
	struct kt_collection *collection;

	assert_int_equal(kt_collection_open(f->store, name, strlen(name), flags, &collection), 0);
	return collection;
}

static struct kt_txn *begin(struct kt_collection *collection, unsigned flags)
{
	struct kt_txn *txn;

	assert_int_equal(kt_collection_begin(collection, flags, &txn), 0);
	return txn;
}

static int put(struct kt_txn *txn, const char *key, const char *value)
{
	return kt_put(txn, key, strlen(key), value, strlen(value));
}

/* Put keys of the whole store, each with its own name as value. */
static void put_keys(struct fixture *f, const char *const *keys)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	for (; *keys != NULL; keys++)
		assert_int_equal(put(txn, *keys, *keys), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
}

static void assert_value(struct kt_txn *txn, const char *key, const char *expected)
{
	struct kt_slice value;
	int err = kt_get(txn, key, strlen(key), &value);

	if (expected == NULL) {
		assert_int_equal(err, -ENOENT);
		return;
	}
	assert_int_equal(err, 0);
	assert_int_equal(value.size, strlen(expected));
	assert_memory_equal(value.data, expected, value.size);
}

/* The keys a cursor passes, each followed by a blank. */
static const char *scan(struct kt_cursor *cursor, int (*step)(struct kt_cursor *))
{
	static char text[1024];
	size_t size = 0;
	int err;

	while ((err = step(cursor)) == 0) {
		struct kt_slice key = kt_cursor_key(cursor);

		assert_true(size + key.size + 2 < sizeof(text));
		memcpy(text + size, key.data, key.size);
		size += key.size;
		text[size++] = ' ';
	}
	assert_int_equal(err, -ENOENT);
	text[size] = '\0';
	return text;
}

static int add_name(void *arg, const struct kt_slice *name)
{
	char *text = arg;
	size_t size = strlen(text);

	memcpy(text + size, name->data, name->size);
	strcpy(text + size + name->size, " ");
	return 0;
}

/* The names of all collections, each followed by a blank. */
static const char *list(struct fixture *f)
{
	static char text[1024];
	struct kt_txn *txn;

	text[0] = '\0';
	assert_int_equal(kt_begin(f->store, KT_READ, &txn), 0);
	assert_int_equal(kt_collection_list(txn, add_name, text), 0);
	kt_abort(txn);
	return text;
}

static uint64_t count(struct kt_txn *txn)
{
	struct kt_counts count;

	assert_int_equal(kt_count(txn, &count), 0);
	return count.entries;
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* What is put into a collection stands in the store under NAME/, and the other way round. */
static void keys_are_those_of_the_store(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *cells = open_collection(f, "cells", KT_CREATE);
	bool contains;

	put_keys(f, (const char *const[]){"cells/a", "cellsa", "other/a", NULL});
	f->txn = begin(cells, KT_WRITE);
	assert_value(f->txn, "a", "cells/a");
	assert_int_equal(put(f->txn, "b", "new"), 0);
	assert_int_equal(put(f->txn, "", "the empty key"), 0);
	assert_value(kt_tree(f->txn, KT_ENTRIES), "cells/b", "new");
	assert_value(kt_tree(f->txn, KT_ENTRIES), "cells/", "the empty key");
	assert_int_equal(kt_contains(f->txn, "a", 1, &contains), 0);
	assert_true(contains);
	assert_int_equal(kt_delete(f->txn, "a", 1, 0), 0);
	assert_int_equal(kt_delete(f->txn, "a", 1, 0), -ENOENT);
	assert_value(kt_tree(f->txn, KT_ENTRIES), "cells/a", NULL);
	assert_int_equal(kt_commit(f->txn, 0), 0);
	f->txn = begin(cells, KT_READ);
	assert_value(f->txn, "b", "new");
	assert_int_equal(count(f->txn), 2);
	kt_collection_close(cells); /* the transaction does not need it */
	assert_value(f->txn, "", "the empty key");
}

/* Every other call on keys takes them without the name too. */
static void all_calls_on_keys(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *c = open_collection(f, "c", KT_CREATE);
	struct kt_slice value;
	struct kt_entry_info stat;
	uint64_t number, begins, ends;
	char buf[8];
	size_t got;

	f->txn = begin(c, KT_WRITE);
	assert_int_equal(kt_get_or_insert(f->txn, "k", 1, "first", 5, &value), 0);
	assert_int_equal(kt_write(f->txn, "k", 1, 5, "er", 2), 0);
	assert_int_equal(kt_read(f->txn, "k", 1, 1, buf, 3, &got), 0);
	assert_memory_equal(buf, "irs", 3);
	assert_int_equal(kt_truncate(f->txn, "k", 1, 6), 0);
	assert_int_equal(kt_punch(f->txn, "k", 1, 0, 1), 0);
	assert_int_equal(kt_next_data(f->txn, "k", 1, 0, &begins, &ends), 0);
	assert_int_equal(kt_set_attr(f->txn, "k", 1, "blob", 4), 0);
	assert_int_equal(kt_set_mtime(f->txn, "k", 1, 77), 0);
	assert_int_equal(kt_stat(f->txn, "k", 1, &stat), 0);
	assert_int_equal(stat.size, 6);
	assert_int_equal(stat.mtime_ns, 77);
	assert_int_equal(kt_move(f->txn, "k", 1, f->txn, "k", 1), 0);
	assert_int_equal(kt_move(f->txn, "k", 1, f->txn, "moved", 5), 0);
	assert_int_equal(kt_move(f->txn, "moved", 5, kt_tree(f->txn, KT_ENTRIES), "out", 3), 0);
	assert_int_equal(kt_stat(kt_tree(f->txn, KT_ENTRIES), "out", 3, &stat), 0);
	assert_int_equal(stat.attr.size, 4);
	assert_int_equal(kt_put_uint(f->txn, "n", 1, 4, 42), 0);
	assert_int_equal(kt_get_uint(kt_tree(f->txn, KT_ENTRIES), "c/n", 3, 4, &number), 0);
	assert_int_equal(number, 42);
	kt_collection_close(c);
}

/* The longest key of a collection is as much shorter as its name and '/' are long. */
static void longest_key(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *c = open_collection(f, "name", KT_CREATE);
	struct kt_cursor *cursor;
	char key[KT_KEY_MAX + 10];
	bool contains = true;

	memset(key, 'k', sizeof(key));
	f->txn = begin(c, KT_WRITE);
	assert_int_equal(kt_put(f->txn, key, KT_KEY_MAX - 5, "v", 1), 0);
	assert_int_equal(kt_put(f->txn, key, KT_KEY_MAX - 4, "v", 1), -ENAMETOOLONG);
	assert_int_equal(kt_put(f->txn, key, SIZE_MAX, "v", 1), -ENAMETOOLONG);
	assert_int_equal(kt_contains(f->txn, key, KT_KEY_MAX - 4, &contains), 0);
	assert_false(contains);
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	assert_int_equal(kt_cursor_seek(cursor, key, KT_KEY_MAX - 5), 0);
	assert_int_equal(kt_cursor_key(cursor).size, KT_KEY_MAX - 5);
	assert_int_equal(kt_cursor_seek(cursor, key, KT_KEY_MAX + 10), -ENOENT);
	key[0] = 'j';
	assert_int_equal(kt_cursor_seek(cursor, key, KT_KEY_MAX + 10), 0);
	kt_cursor_close(cursor);
	kt_collection_close(c);
}

/* ---- cursors --------------------------------------------------------------------------------- */

/* Cursors see the collection alone, in both directions and within bounds. */
static void scans(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *c = open_collection(f, "c", KT_CREATE);
	struct kt_cursor *cursor;

	put_keys(f, (const char *const[]){"b/z", "c", "c-/a", "c/a", "c/aa", "c/ab", "c/b", "c/b/c",
			    "c0", "d/a", NULL});
	f->txn = begin(c, KT_READ);
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	assert_string_equal(scan(cursor, kt_cursor_next), "a aa ab b b/c ");
	assert_string_equal(scan(cursor, kt_cursor_prev), "b/c b ab aa a ");
	assert_int_equal(kt_cursor_set_prefix(cursor, "a", 1), 0);
	assert_string_equal(scan(cursor, kt_cursor_next), "a aa ab ");
	assert_int_equal(kt_cursor_set_range(cursor, "aa", 2, "b", 1), 0);
	assert_string_equal(scan(cursor, kt_cursor_next), "aa ab ");
	assert_int_equal(kt_cursor_set_range(cursor, NULL, 0, "ab", 2), 0);
	assert_string_equal(scan(cursor, kt_cursor_next), "a aa ");
	assert_int_equal(kt_cursor_set_range(cursor, "ab", 2, NULL, 0), 0);
	assert_string_equal(scan(cursor, kt_cursor_prev), "b/c b ab ");
	assert_int_equal(kt_cursor_set_prefix(cursor, "", 0), 0);
	assert_int_equal(kt_cursor_seek(cursor, "", 0), 0);
	assert_memory_equal(kt_cursor_key(cursor).data, "a", 1);
	assert_int_equal(kt_cursor_last(cursor), 0);
	assert_memory_equal(kt_cursor_key(cursor).data, "b/c", 3);
	assert_int_equal(kt_cursor_seek(cursor, "c", 1), -ENOENT);
	kt_cursor_close(cursor);
	kt_collection_close(c);
}

/* A cursor finds its place again when the same transaction deletes what it stands on. */
static void scan_while_deleting(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *c = open_collection(f, "c", KT_CREATE);
	struct kt_cursor *cursor;
	unsigned deleted = 0;

	put_keys(f, (const char *const[]){"b/a", "c/a", "c/b", "c/c", "d/a", NULL});
	f->txn = begin(c, KT_WRITE);
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	while (kt_cursor_next(cursor) == 0) {
		struct kt_slice key = kt_cursor_key(cursor);

		assert_int_equal(kt_delete(f->txn, key.data, key.size, 0), 0);
		deleted++;
	}
	kt_cursor_close(cursor);
	assert_int_equal(deleted, 3);
	assert_int_equal(count(kt_tree(f->txn, KT_ENTRIES)), 2);
	kt_collection_close(c);
}

/* ---- being there ----------------------------------------------------------------------------- */

/* A collection that was made is there while it is empty, also when the store is opened again; one
 * that was not is there as long as it has keys. */
static void empty_ones_persist(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *c;
	struct kt_cursor *cursor;

	put_keys(f, (const char *const[]){"implied/a", NULL});
	kt_collection_close(open_collection(f, "made", KT_CREATE));
	if (!f->memory) {
		assert_int_equal(kt_close(f->store), 0);
		assert_int_equal(kt_open(f->temp.path, NULL, &f->store), 0);
	}
	assert_string_equal(list(f), "implied made ");
	c = open_collection(f, "made", 0);
	f->txn = begin(c, KT_READ);
	assert_int_equal(count(f->txn), 0);
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	assert_int_equal(kt_cursor_first(cursor), -ENOENT);
	kt_cursor_close(cursor);
	kt_abort(f->txn);
	kt_collection_close(c);
	c = open_collection(f, "implied", 0);
	f->txn = begin(c, KT_WRITE);
	assert_int_equal(kt_delete(f->txn, "a", 1, 0), 0);
	assert_int_equal(kt_commit(f->txn, 0), 0);
	f->txn = NULL;
	kt_collection_close(c);
	assert_string_equal(list(f), "made ");
	assert_int_equal(kt_collection_open(f->store, "implied", 7, 0, &c), -ENOENT);
}

/* Making one that is there opens it; exclusively, it fails. Nothing is written for one there is. */
static void make_and_open(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *c = NULL;
	struct kt_store_info before, after;

	assert_int_equal(kt_collection_open(f->store, "c", 1, 0, &c), -ENOENT);
	kt_collection_close(open_collection(f, "c", KT_CREATE | KT_EXCLUSIVE));
	assert_int_equal(kt_info(f->store, &before), 0);
	kt_collection_close(open_collection(f, "c", KT_CREATE));
	kt_collection_close(open_collection(f, "c", 0));
	assert_int_equal(
		kt_collection_open(f->store, "c", 1, KT_CREATE | KT_EXCLUSIVE, &c), -EEXIST);
	put_keys(f, (const char *const[]){"d/a", NULL});
	assert_int_equal(
		kt_collection_open(f->store, "d", 1, KT_CREATE | KT_EXCLUSIVE, &c), -EEXIST);
	assert_int_equal(kt_info(f->store, &after), 0);
	assert_int_equal(after.txn, before.txn + 1);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &f->txn), 0);
	assert_int_equal(kt_collection_open(f->store, "new", 3, KT_CREATE, &c), -EDEADLK);
	assert_null(c);
}

/* A name is one component of a key: any bytes but '/', and not none. */
static void names(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *c = NULL;
	char name[KT_KEY_MAX];

	memset(name, 'n', sizeof(name));
	assert_int_equal(kt_collection_open(f->store, "", 0, KT_CREATE, &c), -EINVAL);
	assert_int_equal(kt_collection_open(f->store, "a/b", 3, KT_CREATE, &c), -EINVAL);
	assert_int_equal(
		kt_collection_open(f->store, name, KT_KEY_MAX, KT_CREATE, &c), -ENAMETOOLONG);
	assert_int_equal(kt_collection_open(f->store, name, KT_KEY_MAX - 1, KT_CREATE, &c), 0);
	f->txn = begin(c, KT_WRITE);
	assert_int_equal(kt_put(f->txn, "", 0, "v", 1), 0);
	assert_int_equal(kt_put(f->txn, "k", 1, "v", 1), -ENAMETOOLONG);
	kt_collection_close(c);
	kt_abort(f->txn);
	f->txn = NULL;
	assert_int_equal(kt_collection_open(f->store, ".", 1, KT_CREATE, &c), 0);
	kt_collection_close(c);
	assert_int_equal(kt_collection_open(f->store, "a\0b\xff", 4, KT_CREATE, &c), 0);
	kt_collection_close(c);
}

/* The list has made and implied ones once each; keys that are in none are passed over, and so are
 * directories further down. */
static void listing(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *c;

	assert_string_equal(list(f), "");
	put_keys(f, (const char *const[]){"", "/", "/a/b", "a", "a-", "b-/x", "b/", "b/y/z", "b0",
			    "c", "e/1", "e/2", "e/3", NULL});
	kt_collection_close(open_collection(f, "a", KT_CREATE));
	kt_collection_close(open_collection(f, "b", KT_CREATE));
	kt_collection_close(open_collection(f, "d", KT_CREATE));
	assert_string_equal(list(f), "a b- b d e ");
	c = open_collection(f, "b", 0);
	f->txn = begin(c, KT_WRITE);
	assert_int_equal(put(kt_tree(f->txn, KT_DIRECTORIES), "b/sub/", ""), 0);
	assert_int_equal(put(kt_tree(f->txn, KT_DIRECTORIES), "f/sub/", ""), 0);
	assert_int_equal(kt_commit(f->txn, 0), 0);
	f->txn = NULL;
	kt_collection_close(c);
	assert_string_equal(list(f), "a b- b d e f ");
}

static int stop_at_first(void *arg, const struct kt_slice *name)
{
	(void)name;
	++*(unsigned *)arg;
	return 5;
}

/* What the callback returns ends the list. */
static void listing_stops(void **state)
{
	struct fixture *f = *state;
	unsigned calls = 0;

	put_keys(f, (const char *const[]){"a/1", "b/1", NULL});
	assert_int_equal(kt_begin(f->store, KT_READ, &f->txn), 0);
	assert_int_equal(kt_collection_list(f->txn, stop_at_first, &calls), 5);
	assert_int_equal(calls, 1);
}

/* Clearing empties one collection and leaves it there; deleting takes it away with directories that
 * were made in it. Others are untouched, and sums stay right. */
static void clear_and_delete(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *c = open_collection(f, "c", KT_CREATE);
	struct kt_counts sums;
	char key[16];

	put_keys(f, (const char *const[]){"c", "c-/a", "c0", NULL});
	f->txn = begin(c, KT_WRITE);
	for (int i = 0; i < 3000; i++) {
		snprintf(key, sizeof(key), "%d", i * 7);
		assert_int_equal(put(f->txn, key, "some value"), 0);
	}
	assert_int_equal(kt_commit(f->txn, 0), 0);
	f->txn = begin(c, KT_WRITE);
	assert_int_equal(count(f->txn), 3000);
	assert_int_equal(kt_clear(f->txn), 0);
	assert_int_equal(count(f->txn), 0);
	assert_int_equal(put(f->txn, "k", "v"), 0);
	assert_int_equal(put(kt_tree(f->txn, KT_DIRECTORIES), "c/sub/", ""), 0);
	assert_int_equal(kt_commit(f->txn, 0), 0);
	assert_string_equal(list(f), "c- c ");
	fixture_assert_sound(f->store);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &f->txn), 0);
	assert_int_equal(kt_collection_delete(f->txn, "c", 1), 0);
	assert_int_equal(kt_collection_delete(f->txn, "c", 1), -ENOENT);
	assert_int_equal(kt_collection_delete(f->txn, "", 0), -EINVAL);
	assert_int_equal(kt_count(f->txn, &sums), 0);
	assert_int_equal(sums.entries, 3);
	assert_int_equal(sums.key_bytes, 7);
	assert_int_equal(sums.value_bytes, 7);
	assert_int_equal(count(kt_tree(f->txn, KT_DIRECTORIES)), 0);
	assert_int_equal(kt_commit(f->txn, 0), 0);
	f->txn = NULL;
	assert_string_equal(list(f), "c- ");
	fixture_assert_sound(f->store);
	assert_int_equal(kt_begin(f->store, KT_READ, &f->txn), 0);
	assert_int_equal(kt_collection_delete(f->txn, "c-", 2), -EROFS);
	kt_collection_close(c);
}

/* ---- transactions ---------------------------------------------------------------------------- */

/* One transaction changes two collections; one that is aborted changes none. */
static void several_in_one_transaction(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *a = open_collection(f, "a", KT_CREATE);
	struct kt_collection *b = open_collection(f, "b", KT_CREATE);
	struct kt_store *other;
	struct kt_txn *view, *strange;

	f->txn = begin(a, KT_WRITE);
	assert_int_equal(kt_collection_view(b, f->txn, &view), 0);
	assert_int_equal(put(f->txn, "k", "of a"), 0);
	assert_int_equal(kt_move(f->txn, "k", 1, view, "k", 1), 0);
	assert_value(f->txn, "k", NULL);
	assert_value(view, "k", "of a");
	kt_abort(f->txn);
	f->txn = begin(b, KT_READ);
	assert_value(f->txn, "k", NULL);
	assert_int_equal(kt_open_memory("other", &other), 0);
	assert_int_equal(kt_begin(other, KT_READ, &strange), 0);
	assert_int_equal(kt_collection_view(a, strange, &view), -EINVAL);
	kt_abort(strange);
	kt_close(other);
	kt_collection_close(a);
	kt_collection_close(b);
}

static int add_key(void *arg, const struct kt_slice *key, const struct kt_entry_info *from,
	const struct kt_entry_info *to)
{
	(void)from;
	(void)to;
	return add_name(arg, key);
}

/* A collection is seen in a snapshot, and the difference of two points in time is that of the
 * collection alone. */
static void snapshots_and_differences(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *c = open_collection(f, "c", KT_CREATE);
	struct kt_txn *then, *now, *old;
	char text[64] = "";
	char key[16];

	put_keys(f, (const char *const[]){"b/a", "c/a", "c/b", "d/a", NULL});
	f->txn = begin(c, KT_WRITE);
	for (int i = 0; i < 2000; i++) {
		snprintf(key, sizeof(key), "same/%d", i);
		assert_int_equal(put(f->txn, key, "same"), 0);
	}
	assert_int_equal(kt_commit(f->txn, 0), 0);
	assert_int_equal(kt_snapshot_create(f->store, "s"), 0);
	put_keys(f, (const char *const[]){"a/new", "c/b", "c/c", "c/z", "d/a", "d/b", NULL});
	f->txn = begin(c, KT_WRITE);
	assert_int_equal(kt_delete(f->txn, "a", 1, 0), 0);
	assert_int_equal(kt_commit(f->txn, 0), 0);
	assert_int_equal(kt_snapshot_open(f->store, "s", &f->txn), 0);
	assert_int_equal(kt_collection_view(c, f->txn, &then), 0);
	now = begin(c, KT_READ);
	assert_value(then, "a", "c/a");
	assert_value(now, "a", NULL);
	assert_int_equal(kt_diff(then, now, add_key, text), 0);
	assert_string_equal(text, "a b c z ");
	assert_int_equal(kt_diff(then, f->txn, add_key, text), -EINVAL);
	kt_collection_close(c);
	c = open_collection(f, "zz", KT_CREATE);
	assert_int_equal(kt_collection_view(c, f->txn, &old), 0);
	assert_int_equal(kt_diff(old, now, add_key, text), -EINVAL);
	kt_abort(now);
	now = begin(c, KT_READ);
	text[0] = '\0';
	assert_int_equal(kt_diff(old, now, add_key, text), 0);
	assert_string_equal(text, "");
	kt_abort(now);
	kt_collection_close(c);
}

/* A store that is open for reading only has its collections, and makes none. */
static void read_only(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *c;

	if (f->memory)
		return;
	put_keys(f, (const char *const[]){"implied/a", NULL});
	kt_collection_close(open_collection(f, "made", KT_CREATE));
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open(f->temp.path, KT_OPTIONS(.flags = KT_READONLY), &f->store), 0);
	kt_collection_close(open_collection(f, "made", KT_CREATE));
	kt_collection_close(open_collection(f, "implied", KT_CREATE));
	assert_int_equal(kt_collection_open(f->store, "new", 3, KT_CREATE, &c), -EROFS);
}

/* ---- threads --------------------------------------------------------------------------------- */

#define THREADS 4
#define ROUNDS 200

struct worker {
	struct kt_collection *shared;
	struct kt_store *store;
	unsigned number;
	int err;
};

static int increment(void *arg, const struct kt_slice *old, struct kt_slice *ret_new)
{
	uint64_t *number = arg;

	*number = 0;
	if (old != NULL)
		memcpy(number, old->data, sizeof(*number));
	++*number;
	*ret_new = (struct kt_slice){number, sizeof(*number)};
	return KT_REPLACE;
}

static int count_up(struct kt_collection *collection)
{
	struct kt_txn *txn;
	uint64_t number;
	int err = kt_collection_begin(collection, KT_WRITE, &txn);

	if (err != 0)
		return err;
	err = kt_update(txn, "sum", 3, increment, &number);
	if (!err)
		return kt_commit(txn, 0);
	kt_abort(txn);
	return err;
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	char name[16];

	snprintf(name, sizeof(name), "own%u", worker->number);
	for (int i = 0; !worker->err && i < ROUNDS; i++) {
		struct kt_collection *own;

		worker->err = count_up(worker->shared);
		if (!worker->err)
			worker->err = kt_collection_open(
				worker->store, name, strlen(name), KT_CREATE, &own);
		if (!worker->err) {
			worker->err = count_up(own);
			kt_collection_close(own);
		}
	}
	return NULL;
}

static void assert_sum(struct kt_collection *collection, uint64_t expected)
{
	struct kt_txn *txn = begin(collection, KT_READ);
	uint64_t number;

	assert_int_equal(kt_get_uint(txn, "sum", 3, 8, &number), 0);
	assert_int_equal(number, expected);
	kt_abort(txn);
}

/* One handle serves many threads at once; each also makes and opens a collection of its own. */
static void threads(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *shared = open_collection(f, "shared", KT_CREATE);
	struct worker workers[THREADS];
	pthread_t ids[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){shared, f->store, i, 0};
		assert_int_equal(pthread_create(&ids[i], NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(ids[i], NULL);
		assert_int_equal(workers[i].err, 0);
	}
	assert_sum(shared, THREADS * ROUNDS);
	kt_collection_close(shared);
	shared = open_collection(f, "own0", 0);
	assert_sum(shared, ROUNDS);
	kt_collection_close(shared);
	assert_string_equal(list(f), "own0 own1 own2 own3 shared ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_BOTH(keys_are_those_of_the_store),
		FIXTURE_BOTH(all_calls_on_keys),
		FIXTURE_BOTH(longest_key),
		FIXTURE_BOTH(scans),
		FIXTURE_BOTH(scan_while_deleting),
		FIXTURE_BOTH(empty_ones_persist),
		FIXTURE_BOTH(make_and_open),
		FIXTURE_BOTH(names),
		FIXTURE_BOTH(listing),
		FIXTURE_BOTH(listing_stops),
		FIXTURE_BOTH(clear_and_delete),
		FIXTURE_BOTH(several_in_one_transaction),
		FIXTURE_BOTH(snapshots_and_differences),
		FIXTURE_BOTH(read_only),
		FIXTURE_BOTH(threads),
	};

	return cmocka_run_group_tests_name("collection", tests, NULL, NULL);
}
