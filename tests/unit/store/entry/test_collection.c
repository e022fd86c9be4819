/* Collections, on a file and in memory: keys, cursors and transactions. */
#include "tests/unit/fixture.h"
#include "tests/unit/store/entry/collection_world.h"

#include "keytree_fs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* ---- keys ------------------------------------------------------------------------------------ */

/* What is put into a collection stands in the store under NAME/, and the other way round. */
static void keys_are_those_of_the_store(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *cells = collection_test_open(f, "cells", KT_CREATE);
	bool contains;

	collection_test_put_keys(f, (const char *const[]){"cells/a", "cellsa", "other/a", NULL});
	f->txn = collection_test_begin(cells, KT_WRITE);
	collection_assert_value(f->txn, "a", "cells/a");
	assert_int_equal(collection_test_put(f->txn, "b", "new"), 0);
	assert_int_equal(collection_test_put(f->txn, "", "the empty key"), 0);
	collection_assert_value(kt_tree(f->txn, KT_ENTRIES), "cells/b", "new");
	collection_assert_value(kt_tree(f->txn, KT_ENTRIES), "cells/", "the empty key");
	assert_int_equal(kt_contains(f->txn, "a", 1, &contains), 0);
	assert_true(contains);
	assert_int_equal(kt_delete(f->txn, "a", 1, 0), 0);
	assert_int_equal(kt_delete(f->txn, "a", 1, 0), -ENOENT);
	collection_assert_value(kt_tree(f->txn, KT_ENTRIES), "cells/a", NULL);
	assert_int_equal(kt_commit(f->txn, 0), 0);
	f->txn = collection_test_begin(cells, KT_READ);
	collection_assert_value(f->txn, "b", "new");
	assert_int_equal(collection_test_count(f->txn), 2);
	kt_collection_close(cells); /* the transaction does not need it */
	collection_assert_value(f->txn, "", "the empty key");
}

/* Every other call on keys takes them without the name too. */
static void all_calls_on_keys(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *c = collection_test_open(f, "c", KT_CREATE);
	struct kt_slice value;
	struct kt_entry_info stat;
	uint64_t number, begins, ends;
	char buf[8];
	size_t got;

	f->txn = collection_test_begin(c, KT_WRITE);
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
	struct kt_collection *c = collection_test_open(f, "name", KT_CREATE);
	struct kt_cursor *cursor;
	char key[KT_KEY_MAX + 10];
	bool contains = true;

	memset(key, 'k', sizeof(key));
	f->txn = collection_test_begin(c, KT_WRITE);
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
	struct kt_collection *c = collection_test_open(f, "c", KT_CREATE);
	struct kt_cursor *cursor;

	collection_test_put_keys(f, (const char *const[]){"b/z", "c", "c-/a", "c/a", "c/aa", "c/ab",
					    "c/b", "c/b/c", "c0", "d/a", NULL});
	f->txn = collection_test_begin(c, KT_READ);
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	assert_string_equal(collection_scan(cursor, kt_cursor_next), "a aa ab b b/c ");
	assert_string_equal(collection_scan(cursor, kt_cursor_prev), "b/c b ab aa a ");
	assert_int_equal(kt_cursor_set_prefix(cursor, "a", 1), 0);
	assert_string_equal(collection_scan(cursor, kt_cursor_next), "a aa ab ");
	assert_int_equal(kt_cursor_set_range(cursor, "aa", 2, "b", 1), 0);
	assert_string_equal(collection_scan(cursor, kt_cursor_next), "aa ab ");
	assert_int_equal(kt_cursor_set_range(cursor, NULL, 0, "ab", 2), 0);
	assert_string_equal(collection_scan(cursor, kt_cursor_next), "a aa ");
	assert_int_equal(kt_cursor_set_range(cursor, "ab", 2, NULL, 0), 0);
	assert_string_equal(collection_scan(cursor, kt_cursor_prev), "b/c b ab ");
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
	struct kt_collection *c = collection_test_open(f, "c", KT_CREATE);
	struct kt_cursor *cursor;
	unsigned deleted = 0;

	collection_test_put_keys(f, (const char *const[]){"b/a", "c/a", "c/b", "c/c", "d/a", NULL});
	f->txn = collection_test_begin(c, KT_WRITE);
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	while (kt_cursor_next(cursor) == 0) {
		struct kt_slice key = kt_cursor_key(cursor);

		assert_int_equal(kt_delete(f->txn, key.data, key.size, 0), 0);
		deleted++;
	}
	kt_cursor_close(cursor);
	assert_int_equal(deleted, 3);
	assert_int_equal(collection_test_count(kt_tree(f->txn, KT_ENTRIES)), 2);
	kt_collection_close(c);
}

/* ---- transactions ---------------------------------------------------------------------------- */

/* One transaction changes two collections; one that is aborted changes none. */
static void several_in_one_transaction(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *a = collection_test_open(f, "a", KT_CREATE);
	struct kt_collection *b = collection_test_open(f, "b", KT_CREATE);
	struct kt_store *other;
	struct kt_txn *view, *strange;

	f->txn = collection_test_begin(a, KT_WRITE);
	assert_int_equal(kt_collection_view(b, f->txn, &view), 0);
	assert_int_equal(collection_test_put(f->txn, "k", "of a"), 0);
	assert_int_equal(kt_move(f->txn, "k", 1, view, "k", 1), 0);
	collection_assert_value(f->txn, "k", NULL);
	collection_assert_value(view, "k", "of a");
	kt_abort(f->txn);
	f->txn = collection_test_begin(b, KT_READ);
	collection_assert_value(f->txn, "k", NULL);
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
	return collection_add_name(arg, key);
}

/* A collection is seen in a snapshot, and the difference of two points in time is that of the
 * collection alone. */
static void snapshots_and_differences(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *c = collection_test_open(f, "c", KT_CREATE);
	struct kt_txn *then, *now, *old;
	char text[64] = "";
	char key[16];

	collection_test_put_keys(f, (const char *const[]){"b/a", "c/a", "c/b", "d/a", NULL});
	f->txn = collection_test_begin(c, KT_WRITE);
	for (int i = 0; i < 2000; i++) {
		snprintf(key, sizeof(key), "same/%d", i);
		assert_int_equal(collection_test_put(f->txn, key, "same"), 0);
	}
	assert_int_equal(kt_commit(f->txn, 0), 0);
	assert_int_equal(kt_snapshot_create(f->store, "s"), 0);
	collection_test_put_keys(
		f, (const char *const[]){"a/new", "c/b", "c/c", "c/z", "d/a", "d/b", NULL});
	f->txn = collection_test_begin(c, KT_WRITE);
	assert_int_equal(kt_delete(f->txn, "a", 1, 0), 0);
	assert_int_equal(kt_commit(f->txn, 0), 0);
	assert_int_equal(kt_snapshot_open(f->store, "s", &f->txn), 0);
	assert_int_equal(kt_collection_view(c, f->txn, &then), 0);
	now = collection_test_begin(c, KT_READ);
	collection_assert_value(then, "a", "c/a");
	collection_assert_value(now, "a", NULL);
	assert_int_equal(kt_diff(then, now, add_key, text), 0);
	assert_string_equal(text, "a b c z ");
	assert_int_equal(kt_diff(then, f->txn, add_key, text), -EINVAL);
	kt_collection_close(c);
	c = collection_test_open(f, "zz", KT_CREATE);
	assert_int_equal(kt_collection_view(c, f->txn, &old), 0);
	assert_int_equal(kt_diff(old, now, add_key, text), -EINVAL);
	kt_abort(now);
	now = collection_test_begin(c, KT_READ);
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
	collection_test_put_keys(f, (const char *const[]){"implied/a", NULL});
	kt_collection_close(collection_test_open(f, "made", KT_CREATE));
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open(f->temp.path, KT_OPTIONS(.flags = KT_READONLY), &f->store), 0);
	kt_collection_close(collection_test_open(f, "made", KT_CREATE));
	kt_collection_close(collection_test_open(f, "implied", KT_CREATE));
	assert_int_equal(kt_collection_open(f->store, "new", 3, KT_CREATE, &c), -EROFS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_BOTH(keys_are_those_of_the_store),
		FIXTURE_BOTH(all_calls_on_keys),
		FIXTURE_BOTH(longest_key),
		FIXTURE_BOTH(scans),
		FIXTURE_BOTH(scan_while_deleting),
		FIXTURE_BOTH(several_in_one_transaction),
		FIXTURE_BOTH(snapshots_and_differences),
		FIXTURE_BOTH(read_only),
	};

	return cmocka_run_group_tests_name("collection", tests, NULL, NULL);
}
