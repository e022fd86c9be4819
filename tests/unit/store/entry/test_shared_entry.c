/* Keys that share an entry: each call on them. */
#include "tests/unit/store/entry/sharing_world.h"

#include "keytree_fs.h"

#include "store/commit/txn.h"
#include "store/entry/shared_entry.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Each key shows the entry in all calls, and keys that are not linked show that they are not. */
static void linked(void **state)
{
	struct sharing_world *f = *state;
	struct kt_cursor *cursor;
	struct kt_slice value;
	struct kt_entry_info a, c;
	uint64_t from, to;
	bool contains;

	sharing_begin(f, KT_WRITE);
	assert_int_equal(kt_put_entry(f->txn, "a", 1, "value", 5, "blob", 4, 77), 0);
	assert_int_equal(sharing_put(f->txn, "b", "other"), 0);
	sharing_commit(f);
	sharing_begin(f, KT_WRITE);
	assert_int_equal(sharing_link(f->txn, "a", "c"), 0);
	sharing_commit(f);
	sharing_begin(f, KT_READ);
	sharing_assert_value(f->txn, "a", "value");
	sharing_assert_value(f->txn, "c", "value");
	a = sharing_stat(f->txn, "a");
	c = sharing_stat(f->txn, "c");
	assert_true(a.shared != 0 && a.shared == c.shared);
	assert_int_equal(a.keys, 2);
	assert_int_equal(c.keys, 2);
	assert_int_equal(c.mtime_ns, 77);
	assert_int_equal(c.version, 3);
	assert_int_equal(c.attr.size, 4);
	assert_memory_equal(c.attr.data, "blob", 4);
	assert_int_equal(sharing_stat(f->txn, "b").keys, 1);
	assert_int_equal(sharing_stat(f->txn, "b").shared, 0);
	assert_int_equal(kt_contains(f->txn, "c", 1, &contains), 0);
	assert_true(contains);
	assert_int_equal(kt_next_data(f->txn, "c", 1, 0, &from, &to), 0);
	assert_int_equal(to, 5);
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	assert_int_equal(kt_cursor_last(cursor), 0);
	assert_int_equal(kt_cursor_value(cursor, &value), 0);
	assert_memory_equal(value.data, "value", 5);
	assert_int_equal(kt_cursor_stat(cursor, &c), 0);
	assert_int_equal(c.shared, a.shared);
	kt_cursor_close(cursor);
	sharing_end(f);
	sharing_assert_sound(f);
}

/* What changes a part of an entry is seen under each of its keys. */
static void changed_in_part(void **state)
{
	struct sharing_world *f = *state;

	sharing_begin(f, KT_WRITE);
	assert_int_equal(sharing_put(f->txn, "a", "0123456789"), 0);
	assert_int_equal(sharing_link(f->txn, "a", "b"), 0);
	sharing_commit(f);
	sharing_begin(f, KT_WRITE);
	assert_int_equal(kt_write(f->txn, "b", 1, 3, "xyz", 3), 0);
	sharing_assert_value(f->txn, "a", "012xyz6789");
	assert_int_equal(kt_truncate(f->txn, "a", 1, 7), 0);
	sharing_assert_value(f->txn, "b", "012xyz6");
	assert_int_equal(kt_set_attr(f->txn, "b", 1, "new", 3), 0);
	assert_int_equal(sharing_stat(f->txn, "a").attr.size, 3);
	assert_int_equal(kt_set_mtime(f->txn, "a", 1, 99), 0);
	assert_int_equal(sharing_stat(f->txn, "b").mtime_ns, 99);
	assert_int_equal(kt_punch(f->txn, "b", 1, 0, 1), 0);
	assert_int_equal(kt_truncate(f->txn, "b", 1, 2), 0);
	sharing_commit(f);
	sharing_begin(f, KT_READ);
	assert_int_equal(sharing_stat(f->txn, "a").size, 2);
	assert_int_equal(sharing_stat(f->txn, "a").version, 3);
	sharing_end(f);
	sharing_assert_sound(f);
}

/* What replaces an entry gives its key one of its own, and the others keep theirs. The blob is
 * copied, and kt_stat() says so until there is another. */
static void replaced(void **state)
{
	struct sharing_world *f = *state;

	sharing_begin(f, KT_WRITE);
	assert_int_equal(kt_put_entry(f->txn, "a", 1, "value", 5, "blob", 4, 77), 0);
	assert_int_equal(sharing_link(f->txn, "a", "b"), 0);
	assert_int_equal(sharing_link(f->txn, "b", "c"), 0);
	assert_int_equal(sharing_stat(f->txn, "a").keys, 3);
	assert_int_equal(sharing_put(f->txn, "b", "own"), 0);
	sharing_assert_value(f->txn, "b", "own");
	sharing_assert_value(f->txn, "a", "value");
	assert_int_equal(sharing_stat(f->txn, "a").keys, 2);
	assert_int_equal(sharing_stat(f->txn, "b").keys, 1);
	assert_int_equal(sharing_stat(f->txn, "b").shared, 0);
	assert_int_equal(sharing_stat(f->txn, "b").attr.size, 4);
	assert_true(sharing_stat(f->txn, "b").flags & KT_ATTR_COPIED);
	assert_false(sharing_stat(f->txn, "a").flags & KT_ATTR_COPIED);
	assert_int_equal(sharing_put(f->txn, "b", "again"), 0);
	assert_true(sharing_stat(f->txn, "b").flags & KT_ATTR_COPIED);
	assert_int_equal(kt_set_attr(f->txn, "b", 1, "mine", 4), 0);
	assert_false(sharing_stat(f->txn, "b").flags & KT_ATTR_COPIED);
	assert_int_equal(kt_put_entry(f->txn, "c", 1, "", 0, "x", 1, 1), 0);
	assert_false(sharing_stat(f->txn, "c").flags & KT_ATTR_COPIED);
	assert_int_equal(sharing_stat(f->txn, "c").attr.size, 1);
	assert_int_equal(sharing_stat(f->txn, "a").keys, 1);
	assert_int_equal(sharing_put(f->txn, "a", "alone"), 0); /* nobody else has its blob */
	assert_false(sharing_stat(f->txn, "a").flags & KT_ATTR_COPIED);
	sharing_assert_value(f->txn, "a", "alone");
	sharing_commit(f);
	sharing_assert_sound(f);
}

/* Each delete takes one key, the last one the entry with all it holds. */
static void deleted(void **state)
{
	static char large[100000];
	struct sharing_world *f = *state;
	struct kt_store_info info;

	memset(large, 'L', sizeof(large));
	sharing_begin(f, KT_WRITE);
	assert_int_equal(kt_put(f->txn, "a", 1, large, sizeof(large)), 0);
	assert_int_equal(sharing_link(f->txn, "a", "b"), 0);
	sharing_commit(f);
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.entries, 2);
	assert_int_equal(info.value_bytes, sizeof(large));
	sharing_begin(f, KT_WRITE);
	assert_int_equal(sharing_drop_key(f->txn, "a"), 0);
	assert_int_equal(sharing_drop_key(f->txn, "a"), -ENOENT);
	assert_int_equal(sharing_stat(f->txn, "b").keys, 1);
	assert_int_equal(sharing_stat(f->txn, "b").size, sizeof(large));
	sharing_commit(f);
	sharing_begin(f, KT_WRITE);
	assert_int_equal(sharing_drop_key(f->txn, "b"), 0);
	assert_int_equal(f->txn->txn->trees[TREE_SHARED].root, 0);
	sharing_commit(f);
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.entries, 0);
	assert_int_equal(info.value_bytes, 0);
	sharing_assert_sound(f);
}

/* A key moves with its link, also onto another key of the entry; the last one takes the entry to
 * another tree; kt_clear() leaves nothing. */
static void moved(void **state)
{
	struct sharing_world *f = *state;
	uint64_t id;

	sharing_begin(f, KT_WRITE);
	assert_int_equal(sharing_put(f->txn, "a", "value"), 0);
	assert_int_equal(sharing_put(f->txn, "plain", "plain"), 0);
	assert_int_equal(sharing_link(f->txn, "a", "b"), 0);
	assert_int_equal(sharing_link(f->txn, "a", "c"), 0);
	assert_int_equal(kt_move(f->txn, "b", 1, f->txn, "moved", 5), 0);
	sharing_assert_value(f->txn, "moved", "value");
	assert_int_equal(sharing_stat(f->txn, "a").keys, 3);
	assert_int_equal(kt_move(f->txn, "moved", 5, f->txn, "c", 1), 0);
	assert_int_equal(sharing_stat(f->txn, "a").keys, 2);
	assert_int_equal(kt_nameless_take(f->txn, "a", 1, &id), -EMLINK);
	assert_int_equal(kt_move(f->txn, "plain", 5, f->txn, "a", 1), 0);
	sharing_assert_value(f->txn, "a", "plain");
	sharing_assert_value(f->txn, "c", "value");
	assert_int_equal(kt_nameless_take(f->txn, "c", 1, &id), 0);
	assert_int_equal(f->txn->txn->trees[TREE_SHARED].root, 0);
	assert_int_equal(kt_nameless_link(f->txn, id, "back", 4), 0);
	sharing_assert_value(f->txn, "back", "value");
	assert_int_equal(sharing_stat(f->txn, "back").shared, 0);
	assert_int_equal(sharing_link(f->txn, "back", "twice"), 0);
	sharing_commit(f);
	sharing_assert_sound(f);
	sharing_begin(f, KT_WRITE);
	assert_int_equal(kt_clear(f->txn), 0);
	assert_int_equal(f->txn->txn->trees[TREE_SHARED].root, 0);
	sharing_commit(f);
	sharing_assert_sound(f);
}

/* Through KT_SHARED an entry is replaced for all of its keys, and nothing is made or deleted. */
static void replaced_for_all(void **state)
{
	struct sharing_world *f = *state;
	struct kt_txn *shared;
	unsigned char key[KT_ID_KEY_SIZE], none[KT_ID_KEY_SIZE];
	struct kt_slice value;
	uint64_t id, nameless;

	sharing_begin(f, KT_WRITE);
	shared = kt_tree(f->txn, KT_SHARED);
	assert_int_equal(sharing_put(f->txn, "a", "value"), 0);
	assert_int_equal(sharing_link(f->txn, "a", "b"), 0);
	id = sharing_stat(f->txn, "a").shared;
	kt_id_key(id, key);
	kt_id_key(id + 1000, none);
	assert_int_equal(kt_put_entry(shared, key, sizeof(key), "all", 3, "blob", 4, 5), 0);
	sharing_assert_value(f->txn, "a", "all");
	sharing_assert_value(f->txn, "b", "all");
	assert_int_equal(sharing_stat(f->txn, "b").keys, 2);
	assert_int_equal(kt_link(shared, key, sizeof(key), f->txn, "c", 1), 0);
	assert_int_equal(sharing_stat(f->txn, "b").keys, 3);
	assert_int_equal(kt_put(f->txn, "new", 3, "moved here", 10), 0);
	assert_int_equal(kt_nameless_take(f->txn, "new", 3, &nameless), 0);
	assert_int_equal(
		kt_nameless_link(kt_tree(f->txn, KT_SHARED), nameless, key, sizeof(key)), 0);
	sharing_assert_value(f->txn, "a", "moved here");
	sharing_assert_value(f->txn, "c", "moved here");
	assert_int_equal(sharing_stat(f->txn, "a").keys, 3);
	assert_int_equal(kt_put(shared, none, sizeof(none), "", 0), -ENOENT);
	assert_int_equal(kt_write(shared, none, sizeof(none), 0, "x", 1), -ENOENT);
	assert_int_equal(kt_put(shared, "", 0, "", 0), -ENOENT);
	assert_int_equal(kt_move(f->txn, "c", 1, shared, key, sizeof(key)), -EINVAL);
	assert_int_equal(kt_move(shared, key, sizeof(key), f->txn, "d", 1), -EINVAL);
	assert_int_equal(kt_put(f->txn, "d", 1, "", 0), 0);
	assert_int_equal(kt_move(f->txn, "d", 1, shared, none, sizeof(none)), -ENOENT);
	assert_int_equal(kt_delete(shared, key, sizeof(key), 0), -EINVAL);
	assert_int_equal(kt_clear(shared), -EINVAL);
	assert_int_equal(kt_get(shared, key, sizeof(key), &value), 0);
	sharing_commit(f);
	sharing_assert_sound(f);
}

/* What cannot be linked says why, and changes nothing. */
static void refused(void **state)
{
	static char too_long[KT_KEY_MAX + 1];
	struct sharing_world *f = *state;
	struct kt_txn *directories;

	sharing_begin(f, KT_WRITE);
	directories = kt_tree(f->txn, KT_DIRECTORIES);
	assert_int_equal(sharing_put(f->txn, "a", "value"), 0);
	assert_int_equal(sharing_put(f->txn, "b", "value"), 0);
	assert_int_equal(sharing_link(f->txn, "missing", "c"), -ENOENT);
	assert_int_equal(sharing_link(f->txn, "a", "b"), -EEXIST);
	assert_int_equal(sharing_link(f->txn, "a", "a"), -EEXIST);
	assert_int_equal(
		kt_link(f->txn, "a", 1, f->txn, too_long, sizeof(too_long)), -ENAMETOOLONG);
	assert_int_equal(kt_link(f->txn, "a", 1, directories, "c", 1), -EINVAL);
	assert_int_equal(kt_link(directories, "a", 1, f->txn, "c", 1), -EINVAL);
	assert_int_equal(sharing_stat(f->txn, "a").shared, 0);
	sharing_commit(f);
	sharing_begin(f, KT_READ);
	assert_int_equal(sharing_link(f->txn, "a", "c"), -EROFS);
	sharing_end(f);
}

/* KT_LINK_MAX keys can share an entry, and no more. */
static void at_most(void **state)
{
	struct sharing_world *f = *state;
	char key[16];

	sharing_begin(f, KT_WRITE);
	assert_int_equal(sharing_put(f->txn, "key", "value"), 0);
	for (unsigned i = 1; i < KT_LINK_MAX; i++) {
		snprintf(key, sizeof(key), "%u", i);
		assert_int_equal(sharing_link(f->txn, "key", key), 0);
	}
	assert_int_equal(sharing_link(f->txn, "key", "more"), -EMLINK);
	assert_int_equal(sharing_drop_key(f->txn, "7"), 0);
	assert_int_equal(sharing_link(f->txn, "key", "more"), 0);
	sharing_commit(f);
	sharing_assert_sound(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHARING_TEST(linked),
		SHARING_TEST(changed_in_part),
		SHARING_TEST(replaced),
		SHARING_TEST(deleted),
		SHARING_TEST(moved),
		SHARING_TEST(replaced_for_all),
		SHARING_TEST(refused),
		cmocka_unit_test_setup_teardown(at_most, sharing_setup_memory, sharing_teardown),
	};

	return cmocka_run_group_tests_name("shared_entry", tests, NULL, NULL);
}
