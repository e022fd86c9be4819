/* Savepoints: a part of a transaction can be undone, whatever it did and however it failed. */
#include "tests/unit/fixture.h"

#include "keytree_fs.h"

#include "store/commit/txn.h"
#include "store/space/space.h"

#include <errno.h>
#include <stdio.h>

static uint64_t savepoint(struct fixture *f)
{
	uint64_t number = 0;

	assert_int_equal(kt_savepoint(f->txn, &number), 0);
	return number;
}

static void put(struct fixture *f, const char *key, const char *value)
{
	assert_int_equal(fixture_put(f->txn, key, value), 0);
}

static void assert_missing(struct kt_txn *txn, const char *key)
{
	struct kt_slice value;

	assert_int_equal(kt_get(txn, key, strlen(key), &value), -ENOENT);
}

/* Put keys in ascending order, each with a value of 100 bytes. */
static int put_many(struct kt_txn *txn, const char *name, unsigned count)
{
	char value[100], key[40];
	int err = 0;

	memset(value, *name, sizeof(value));
	for (unsigned i = 0; !err && i < count; i++) {
		int size = snprintf(key, sizeof(key), "%s/%07u", name, i);

		err = kt_put(txn, key, (size_t)size, value, sizeof(value));
	}
	return err;
}

static uint64_t count(struct kt_txn *txn)
{
	struct kt_counts counts;

	assert_int_equal(kt_count(txn, &counts), 0);
	return counts.entries;
}

static void commit_and_check(struct fixture *f)
{
	assert_int_equal(kt_commit(f->txn, KT_FLUSH), 0);
	f->txn = NULL;
	fixture_assert_sound(f->store);
	fixture_begin(f, KT_READ);
}

/* What is undone is as if it had not been done; what was done before, and after, is committed. */
static void undo(void **state)
{
	struct fixture *f = *state;
	uint64_t mark;

	fixture_begin(f, KT_WRITE);
	put(f, "a", "committed");
	put(f, "b", "committed");
	fixture_commit(f);
	fixture_begin(f, KT_WRITE);
	put(f, "a", "before");
	mark = savepoint(f);
	put(f, "a", "undone");
	put(f, "c", "undone");
	assert_int_equal(kt_delete(f->txn, "b", 1, 0), 0);
	assert_int_equal(kt_rollback_to(f->txn, mark), 0);
	fixture_assert_value(f->txn, "a", "before");
	fixture_assert_value(f->txn, "b", "committed");
	assert_missing(f->txn, "c");
	put(f, "d", "again"); /* the savepoint is still open */
	assert_int_equal(kt_rollback_to(f->txn, mark), 0);
	assert_missing(f->txn, "d");
	put(f, "d", "after");
	commit_and_check(f);
	fixture_assert_value(f->txn, "a", "before");
	fixture_assert_value(f->txn, "b", "committed");
	assert_missing(f->txn, "c");
	fixture_assert_value(f->txn, "d", "after");
}

/* Savepoints nest. Releasing one hands its changes to the one around it, which can undo them. */
static void nested(void **state)
{
	struct fixture *f = *state;
	uint64_t outer, inner, innermost;

	fixture_begin(f, KT_WRITE);
	put(f, "a", "0");
	outer = savepoint(f);
	put(f, "a", "1");
	inner = savepoint(f);
	put(f, "a", "2");
	innermost = savepoint(f);
	put(f, "a", "3");
	assert_int_equal(kt_release(f->txn, inner), 0);
	assert_int_equal(kt_release(f->txn, innermost), -EINVAL);
	assert_int_equal(kt_rollback_to(f->txn, inner), -EINVAL);
	fixture_assert_value(f->txn, "a", "3");
	inner = savepoint(f);
	put(f, "a", "4");
	assert_int_equal(kt_rollback_to(f->txn, outer), 0);
	assert_int_equal(kt_rollback_to(f->txn, inner), -EINVAL);
	fixture_assert_value(f->txn, "a", "0");
	assert_int_equal(kt_release(f->txn, outer), 0);
	commit_and_check(f);
	fixture_assert_value(f->txn, "a", "0");
}

/* A transaction of which all is undone has changed nothing, and leaves no trace. */
static void nothing_left(void **state)
{
	struct fixture *f = *state;
	struct kt_store_info before, after;
	uint64_t mark, id;

	assert_int_equal(kt_info(f->store, &before), 0);
	fixture_begin(f, KT_WRITE);
	mark = savepoint(f);
	assert_int_equal(put_many(f->txn, "n", 3000), 0);
	assert_int_equal(kt_new_id(f->txn, &id), 0);
	assert_int_equal(kt_rollback_to(f->txn, mark), 0);
	commit_and_check(f);
	assert_int_equal(kt_info(f->store, &after), 0);
	assert_int_equal(after.txn, before.txn);
	assert_int_equal(after.pages, before.pages);
}

static int write_until_full(struct kt_txn *txn)
{
	int err = 0;

	for (uint64_t at = 0; !err; at += 4096)
		err = kt_write(txn, "large", 5, at, "w", 1);
	return err;
}

/* A part that runs out of room fails alone: it is undone, and the transaction goes on. With few pages
 * in memory it fails when pages go to the file, of which the savepoints have some. */
static void out_of_room(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(kt_set_max_size(f->store, 300 * 4096), 0);
	for (unsigned round = 0; round < 2; round++) {
		char name[] = {(char)('p' + round), '\0'};
		uint64_t outer, inner;

		f->store->spill_pages = round == 0 ? 100000 : 8;
		fixture_begin(f, KT_WRITE);
		assert_int_equal(put_many(f->txn, name, 200), 0);
		outer = savepoint(f);
		put(f, "outer", name);
		inner = savepoint(f);
		if (round == 0)
			assert_int_equal(write_until_full(f->txn), -ENOSPC);
		else
			assert_int_equal(put_many(f->txn, "more", 100000), -ENOSPC);
		assert_int_equal(fixture_put(f->txn, "x", "x"), -ENOSPC);
		assert_int_equal(kt_release(f->txn, inner), -ENOSPC);
		assert_int_equal(kt_rollback_to(f->txn, inner), 0);
		assert_int_equal(put_many(f->txn, "few", 10), 0);
		assert_int_equal(kt_release(f->txn, outer), 0);
		commit_and_check(f);
		fixture_assert_value(f->txn, "outer", name);
		assert_int_equal(count(f->txn), 200 * (round + 1) + 1 + 10);
		fixture_abort(f);
	}
}

/* Blocks of a value that were written before a savepoint are not written over. */
static void blocks(void **state)
{
	enum { SIZE = 200000 };
	static char expected[SIZE], found[SIZE];
	struct fixture *f = *state;
	uint64_t mark;
	size_t got;

	fixture_begin(f, KT_WRITE);
	memset(expected, 'e', SIZE);
	for (size_t at = 0; at < SIZE; at += 50000)
		assert_int_equal(kt_write(f->txn, "v", 1, at, expected, 50000), 0);
	mark = savepoint(f);
	for (size_t at = 100; at < SIZE - 1000; at += 3000)
		assert_int_equal(kt_write(f->txn, "v", 1, at, "undone", 6), 0);
	assert_int_equal(kt_truncate(f->txn, "v", 1, 1000), 0);
	assert_int_equal(kt_rollback_to(f->txn, mark), 0);
	assert_int_equal(kt_read(f->txn, "v", 1, 0, found, SIZE, &got), 0);
	assert_int_equal(got, SIZE);
	assert_memory_equal(found, expected, SIZE);
	commit_and_check(f);
}

/* Within a savepoint memory and disk are used again, as without one. */
static void used_again(void **state)
{
	struct fixture *f = *state;
	const struct pager *pager;
	uint64_t mark, part, pages, live;
	char key[20];

	fixture_begin(f, KT_WRITE);
	pager = &f->txn->txn->pager;
	assert_int_equal(put_many(f->txn, "u", 5000), 0);
	assert_int_equal(kt_write(f->txn, "v", 1, 0, key, 1), 0);
	assert_int_equal(kt_truncate(f->txn, "v", 1, 100000), 0);
	mark = savepoint(f);
	live = pager->dirty_live;
	for (unsigned i = 0; i < 1000; i++) {
		part = savepoint(f);
		snprintf(key, sizeof(key), "u/%07u", i % 10);
		put(f, key, "changed");
		if (i % 3 == 0)
			assert_int_equal(kt_rollback_to(f->txn, part), 0);
		assert_int_equal(kt_release(f->txn, part), 0);
		assert_true(pager->dirty_live < live + 20);
	}
	pages = space_page_count(f->store->space);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(kt_write(f->txn, "v", 1, 5000 + i, "w", 1), 0);
	assert_true(space_page_count(f->store->space) < pages + 20);
	assert_int_equal(kt_release(f->txn, mark), 0);
	assert_true(pager->dirty_live < live + 5);
	commit_and_check(f);
}

/* A cursor goes on from its key. */
static void cursor(void **state)
{
	struct fixture *f = *state;
	struct kt_cursor *walk;
	uint64_t mark;

	fixture_begin(f, KT_WRITE);
	assert_int_equal(put_many(f->txn, "a", 100), 0);
	assert_int_equal(kt_cursor_open(f->txn, &walk), 0);
	assert_int_equal(kt_cursor_seek(walk, "a/0000050", 9), 0);
	mark = savepoint(f);
	assert_int_equal(kt_cursor_delete(walk), 0);
	assert_int_equal(kt_cursor_next(walk), 0);
	assert_int_equal(kt_cursor_delete(walk), 0);
	assert_int_equal(kt_rollback_to(f->txn, mark), 0);
	assert_int_equal(kt_cursor_next(walk), 0);
	assert_memory_equal(kt_cursor_key(walk).data, "a/0000052", 9);
	assert_int_equal(kt_cursor_prev(walk), 0);
	assert_memory_equal(kt_cursor_key(walk).data, "a/0000051", 9);
	kt_cursor_close(walk);
}

/* Trees that share pages, and pages that a snapshot keeps, come back. */
static void trees_and_snapshots(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *then;
	uint64_t mark, id;

	fixture_begin(f, KT_WRITE);
	assert_int_equal(put_many(f->txn, "t", 3000), 0);
	fixture_commit(f);
	assert_int_equal(kt_snapshot_create(f->store, "s"), 0);
	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_delete_prefix(f->txn, "t/00000", 7, NULL), 0);
	mark = savepoint(f);
	assert_int_equal(kt_nameless_new(f->txn, &id), 0);
	assert_int_equal(kt_link(f->txn, "t/0002000", 9, f->txn, "link", 4), 0);
	assert_int_equal(kt_clear(f->txn), 0);
	assert_int_equal(kt_rollback_to(f->txn, mark), 0);
	assert_missing(f->txn, "link");
	assert_int_equal(count(f->txn), 2900);
	commit_and_check(f);
	assert_int_equal(kt_snapshot_open(f->store, "s", &then), 0);
	assert_int_equal(count(then), 3000);
	kt_abort(then);
	assert_int_equal(kt_snapshot_delete(f->store, "s"), 0);
	fixture_assert_sound(f->store);
}

/* Savepoints are for write transactions, and end with them. */
static void refused(void **state)
{
	struct fixture *f = *state;
	uint64_t mark, none = 77;

	fixture_begin(f, KT_READ);
	assert_int_equal(kt_savepoint(f->txn, &none), -EROFS);
	assert_int_equal(kt_rollback_to(f->txn, 1), -EROFS);
	fixture_abort(f);
	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_release(f->txn, 1), -EINVAL);
	assert_non_null(strstr(kt_strerror(NULL, -EINVAL), "no such savepoint"));
	mark = savepoint(f);
	fixture_abort(f);
	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_rollback_to(f->txn, mark), -EINVAL);
	assert_int_equal(none, 77);
}

/* Control: without its number in the pager, pages that a savepoint has are changed in place. */
static void control(void **state)
{
	struct fixture *f = *state;
	uint64_t mark;

	fixture_begin(f, KT_WRITE);
	put(f, "a", "before");
	mark = savepoint(f);
	f->txn->txn->pager.savepoint = 0;
	put(f, "a", "undone");
	assert_int_equal(kt_rollback_to(f->txn, mark), 0);
	fixture_assert_value(f->txn, "a", "undone");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_BOTH(undo),
		FIXTURE_BOTH(nested),
		FIXTURE_BOTH(nothing_left),
		FIXTURE_BOTH(out_of_room),
		FIXTURE_BOTH(blocks),
		FIXTURE_BOTH(used_again),
		FIXTURE_BOTH(cursor),
		FIXTURE_BOTH(trees_and_snapshots),
		FIXTURE_FILE(refused),
		FIXTURE_FILE(control),
	};

	return cmocka_run_group_tests_name("savepoint", tests, NULL, NULL);
}
