/* The names of collections: making, opening, listing, deleting. */
#include "tests/unit/fixture.h"
#include "tests/unit/store/entry/collection_world.h"

#include "keytree_fs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* A collection that was made is there while it is empty, also when the store is opened again; one
 * that was not is there as long as it has keys. */
static void empty_ones_persist(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *c;
	struct kt_cursor *cursor;

	collection_test_put_keys(f, (const char *const[]){"implied/a", NULL});
	kt_collection_close(collection_test_open(f, "made", KT_CREATE));
	if (!f->memory) {
		assert_int_equal(kt_close(f->store), 0);
		assert_int_equal(kt_open(f->temp.path, NULL, &f->store), 0);
	}
	assert_string_equal(collection_test_list(f), "implied made ");
	c = collection_test_open(f, "made", 0);
	f->txn = collection_test_begin(c, KT_READ);
	assert_int_equal(collection_test_count(f->txn), 0);
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	assert_int_equal(kt_cursor_first(cursor), -ENOENT);
	kt_cursor_close(cursor);
	kt_abort(f->txn);
	kt_collection_close(c);
	c = collection_test_open(f, "implied", 0);
	f->txn = collection_test_begin(c, KT_WRITE);
	assert_int_equal(kt_delete(f->txn, "a", 1, 0), 0);
	assert_int_equal(kt_commit(f->txn, 0), 0);
	f->txn = NULL;
	kt_collection_close(c);
	assert_string_equal(collection_test_list(f), "made ");
	assert_int_equal(kt_collection_open(f->store, "implied", 7, 0, &c), -ENOENT);
}

/* Making one that is there opens it; exclusively, it fails. Nothing is written for one there is. */
static void make_and_open(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *c = NULL;
	struct kt_store_info before, after;

	assert_int_equal(kt_collection_open(f->store, "c", 1, 0, &c), -ENOENT);
	kt_collection_close(collection_test_open(f, "c", KT_CREATE | KT_EXCLUSIVE));
	assert_int_equal(kt_info(f->store, &before), 0);
	kt_collection_close(collection_test_open(f, "c", KT_CREATE));
	kt_collection_close(collection_test_open(f, "c", 0));
	assert_int_equal(
		kt_collection_open(f->store, "c", 1, KT_CREATE | KT_EXCLUSIVE, &c), -EEXIST);
	collection_test_put_keys(f, (const char *const[]){"d/a", NULL});
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
	f->txn = collection_test_begin(c, KT_WRITE);
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

	assert_string_equal(collection_test_list(f), "");
	collection_test_put_keys(f, (const char *const[]){"", "/", "/a/b", "a", "a-", "b-/x", "b/",
					    "b/y/z", "b0", "c", "e/1", "e/2", "e/3", NULL});
	kt_collection_close(collection_test_open(f, "a", KT_CREATE));
	kt_collection_close(collection_test_open(f, "b", KT_CREATE));
	kt_collection_close(collection_test_open(f, "d", KT_CREATE));
	assert_string_equal(collection_test_list(f), "a b- b d e ");
	c = collection_test_open(f, "b", 0);
	f->txn = collection_test_begin(c, KT_WRITE);
	assert_int_equal(collection_test_put(kt_tree(f->txn, KT_DIRECTORIES), "b/sub/", ""), 0);
	assert_int_equal(collection_test_put(kt_tree(f->txn, KT_DIRECTORIES), "f/sub/", ""), 0);
	assert_int_equal(kt_commit(f->txn, 0), 0);
	f->txn = NULL;
	kt_collection_close(c);
	assert_string_equal(collection_test_list(f), "a b- b d e f ");
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

	collection_test_put_keys(f, (const char *const[]){"a/1", "b/1", NULL});
	assert_int_equal(kt_begin(f->store, KT_READ, &f->txn), 0);
	assert_int_equal(kt_collection_list(f->txn, stop_at_first, &calls), 5);
	assert_int_equal(calls, 1);
}

/* Clearing empties one collection and leaves it there; deleting takes it away with directories that
 * were made in it. Others are untouched, and sums stay right. */
static void clear_and_delete(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *c = collection_test_open(f, "c", KT_CREATE);
	struct kt_counts sums;
	char key[16];

	collection_test_put_keys(f, (const char *const[]){"c", "c-/a", "c0", NULL});
	f->txn = collection_test_begin(c, KT_WRITE);
	for (int i = 0; i < 3000; i++) {
		snprintf(key, sizeof(key), "%d", i * 7);
		assert_int_equal(collection_test_put(f->txn, key, "some value"), 0);
	}
	assert_int_equal(kt_commit(f->txn, 0), 0);
	f->txn = collection_test_begin(c, KT_WRITE);
	assert_int_equal(collection_test_count(f->txn), 3000);
	assert_int_equal(kt_clear(f->txn), 0);
	assert_int_equal(collection_test_count(f->txn), 0);
	assert_int_equal(collection_test_put(f->txn, "k", "v"), 0);
	assert_int_equal(collection_test_put(kt_tree(f->txn, KT_DIRECTORIES), "c/sub/", ""), 0);
	assert_int_equal(kt_commit(f->txn, 0), 0);
	assert_string_equal(collection_test_list(f), "c- c ");
	fixture_assert_sound(f->store);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &f->txn), 0);
	assert_int_equal(kt_collection_delete(f->txn, "c", 1), 0);
	assert_int_equal(kt_collection_delete(f->txn, "c", 1), -ENOENT);
	assert_int_equal(kt_collection_delete(f->txn, "", 0), -EINVAL);
	assert_int_equal(kt_count(f->txn, &sums), 0);
	assert_int_equal(sums.entries, 3);
	assert_int_equal(sums.key_bytes, 7);
	assert_int_equal(sums.value_bytes, 7);
	assert_int_equal(collection_test_count(kt_tree(f->txn, KT_DIRECTORIES)), 0);
	assert_int_equal(kt_commit(f->txn, 0), 0);
	f->txn = NULL;
	assert_string_equal(collection_test_list(f), "c- ");
	fixture_assert_sound(f->store);
	assert_int_equal(kt_begin(f->store, KT_READ, &f->txn), 0);
	assert_int_equal(kt_collection_delete(f->txn, "c-", 2), -EROFS);
	kt_collection_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_BOTH(empty_ones_persist),
		FIXTURE_BOTH(make_and_open),
		FIXTURE_BOTH(names),
		FIXTURE_BOTH(listing),
		FIXTURE_BOTH(listing_stops),
		FIXTURE_BOTH(clear_and_delete),
	};

	return cmocka_run_group_tests_name("collection_names", tests, NULL, NULL);
}
