/* The contract of keytree.h: transactions, entries, facts, on a file and in memory. */
#include "tests/unit/fixture.h"

#include "keytree_fs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- transactions ---------------------------------------------------------------------------- */

/* A store with an open transaction does not close; a second writer of one thread is a mistake. */
static void open_transactions(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *second = NULL;

	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &second), -EDEADLK);
	assert_int_equal(kt_begin(f->store, KT_WRITE | KT_TRY, &second), -EDEADLK);
	assert_null(second);
	assert_int_equal(kt_close(f->store), -EBUSY);
	fixture_abort(f);
	fixture_begin(f, KT_READ);
	assert_int_equal(kt_close(f->store), -EBUSY);
	assert_int_equal(kt_begin(f->store, KT_WRITE | KT_TRY, &second), 0);
	kt_abort(second);
}

/* Numbers of transactions grow by one with each commit, and with nothing else. */
static void numbers(void **state)
{
	struct fixture *f = *state;
	uint64_t first;

	fixture_begin(f, KT_WRITE);
	first = kt_txn_id(f->txn);
	assert_int_equal(fixture_put(f->txn, "a", "1"), 0);
	fixture_commit(f);
	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_txn_id(f->txn), first + 1);
	fixture_commit(f); /* changed nothing */
	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_txn_id(f->txn), first + 1);
	assert_int_equal(fixture_put(f->txn, "a", "2"), 0);
	fixture_abort(f);
	fixture_begin(f, KT_READ);
	assert_int_equal(kt_txn_id(f->txn), first);
	fixture_assert_value(f->txn, "a", "1");
}

/* A transaction for reading changes nothing, whatever is asked of it. */
static void reading_only(void **state)
{
	struct fixture *f = *state;
	uint64_t id;

	fixture_begin(f, KT_WRITE);
	assert_int_equal(fixture_put(f->txn, "a", "1"), 0);
	fixture_commit(f);
	fixture_begin(f, KT_READ);
	assert_int_equal(fixture_put(f->txn, "a", "2"), -EROFS);
	assert_int_equal(kt_delete(f->txn, "a", 1, KT_MISSING_OK), -EROFS);
	assert_int_equal(kt_write(f->txn, "a", 1, 0, "x", 1), -EROFS);
	assert_int_equal(kt_truncate(f->txn, "a", 1, 0), -EROFS);
	assert_int_equal(kt_punch(f->txn, "a", 1, 0, 1), -EROFS);
	assert_int_equal(kt_set_attr(f->txn, "a", 1, "x", 1), -EROFS);
	assert_int_equal(kt_set_mtime(f->txn, "a", 1, 1), -EROFS);
	assert_int_equal(kt_put_entry(f->txn, "a", 1, "x", 1, "x", 1, 1), -EROFS);
	assert_int_equal(kt_move(f->txn, "a", 1, f->txn, "b", 1), -EROFS);
	assert_int_equal(kt_new_id(f->txn, &id), -EROFS);
	fixture_assert_value(f->txn, "a", "1");
}

/* A read transaction may have the memory of one that has ended, but nothing of what that one showed
 * or was refused. */
static void fresh_readers(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f, KT_WRITE);
	assert_int_equal(fixture_put(f->txn, "a", "1"), 0);
	fixture_commit(f);
	assert_int_equal(kt_snapshot_create(f->store, "one"), 0);
	fixture_begin(f, KT_WRITE);
	assert_int_equal(fixture_put(f->txn, "a", "2"), 0);
	fixture_commit(f);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(kt_snapshot_open(f->store, "one", &f->txn), 0);
		fixture_assert_value(f->txn, "a", "1");
		assert_int_equal(kt_set_attr(f->txn, "a", 1, "x", 1), -EROFS);
		fixture_abort(f);
		fixture_begin(f, KT_READ);
		fixture_assert_value(f->txn, "a", "2");
		fixture_commit(f);
	}
}

/* Ids are never given twice, unless the transaction that took them was dropped. */
static void ids(void **state)
{
	struct fixture *f = *state;
	uint64_t one, two, three;

	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_new_id(f->txn, &one), 0);
	assert_int_equal(kt_new_id(f->txn, &two), 0);
	assert_true(one >= 1 && two > one);
	fixture_commit(f);
	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_new_id(f->txn, &three), 0);
	assert_true(three > two);
	fixture_abort(f);
}

/* ---- entries --------------------------------------------------------------------------------- */

/* What is not there is -ENOENT for every call that needs it. */
static void missing_keys(void **state)
{
	struct fixture *f = *state;
	struct kt_slice value;
	struct kt_entry_info stat;
	uint64_t begin_at, end;
	bool contains = true;
	size_t got;

	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_get(f->txn, "a", 1, &value), -ENOENT);
	assert_int_equal(kt_contains(f->txn, "a", 1, &contains), 0);
	assert_false(contains);
	assert_int_equal(kt_stat(f->txn, "a", 1, &stat), -ENOENT);
	assert_int_equal(kt_delete(f->txn, "a", 1, 0), -ENOENT);
	assert_int_equal(kt_delete(f->txn, "a", 1, KT_MISSING_OK), 0);
	assert_int_equal(kt_read(f->txn, "a", 1, 0, &got, 1, &got), -ENOENT);
	assert_int_equal(kt_truncate(f->txn, "a", 1, 5), -ENOENT);
	assert_int_equal(kt_punch(f->txn, "a", 1, 0, 5), -ENOENT);
	assert_int_equal(kt_next_data(f->txn, "a", 1, 0, &begin_at, &end), -ENOENT);
	assert_int_equal(kt_set_attr(f->txn, "a", 1, "x", 1), -ENOENT);
	assert_int_equal(kt_set_mtime(f->txn, "a", 1, 1), -ENOENT);
	assert_int_equal(kt_move(f->txn, "a", 1, f->txn, "b", 1), -ENOENT);
	assert_int_equal(fixture_put(f->txn, "b", "still usable"), 0);
	fixture_commit(f);
}

/* Keys and blobs that are too long, values that end too far: refused, and nothing is harmed. */
static void limits(void **state)
{
	struct fixture *f = *state;
	static char key[KT_KEY_MAX + 1], blob[KT_ATTR_MAX + 1];
	struct kt_slice value;
	struct kt_entry_info stat;

	memset(key, 'k', sizeof(key));
	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_put(f->txn, key, KT_KEY_MAX + 1, "v", 1), -ENAMETOOLONG);
	assert_int_equal(kt_write(f->txn, key, KT_KEY_MAX + 1, 0, "v", 1), -ENAMETOOLONG);
	assert_int_equal(kt_put(f->txn, key, KT_KEY_MAX, "long", 4), 0);
	assert_int_equal(kt_put(f->txn, "", 0, "empty", 5), 0);
	assert_int_equal(kt_move(f->txn, "", 0, f->txn, key, KT_KEY_MAX + 1), -ENAMETOOLONG);
	assert_int_equal(kt_set_attr(f->txn, "", 0, blob, sizeof(blob)), -E2BIG);
	assert_int_equal(kt_put_entry(f->txn, "", 0, "", 0, blob, sizeof(blob), 1), -E2BIG);
	assert_int_equal(kt_set_attr(f->txn, "", 0, blob, KT_ATTR_MAX), 0);
	assert_int_equal(kt_write(f->txn, "", 0, UINT64_MAX, "v", 1), -EFBIG);
	assert_int_equal(kt_write(f->txn, "", 0, INT64_MAX, "v", 1), -EFBIG);
	assert_int_equal(kt_truncate(f->txn, "", 0, (uint64_t)INT64_MAX + 1), -EFBIG);
	fixture_commit(f);
	fixture_begin(f, KT_READ);
	assert_int_equal(kt_get(f->txn, key, KT_KEY_MAX, &value), 0);
	assert_int_equal(kt_get(f->txn, key, KT_KEY_MAX - 1, &value), -ENOENT);
	assert_int_equal(kt_get(f->txn, key, KT_KEY_MAX + 1, &value), -ENOENT);
	assert_int_equal(kt_stat(f->txn, "", 0, &stat), 0);
	assert_int_equal(stat.attr.size, KT_ATTR_MAX);
	assert_int_equal(stat.size, 5);
}

/* A value of no bytes is a value. */
static void empty_values(void **state)
{
	struct fixture *f = *state;
	struct kt_slice value = {"x", 1};
	char byte;
	size_t got = 9;

	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_put(f->txn, "a", 1, NULL, 0), 0);
	assert_int_equal(kt_get(f->txn, "a", 1, &value), 0);
	assert_int_equal(value.size, 0);
	assert_int_equal(kt_read(f->txn, "a", 1, 0, &byte, 1, &got), 0);
	assert_int_equal(got, 0);
	assert_int_equal(kt_write(f->txn, "b", 1, 0, "", 0), 0);
	assert_int_equal(kt_get(f->txn, "b", 1, &value), 0);
	assert_int_equal(value.size, 0);
	fixture_commit(f);
}

/* Version, mtime and blob of an entry change with what is said to change them. */
static void what_is_known(void **state)
{
	struct fixture *f = *state;
	struct kt_entry_info stat;

	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_put_entry(f->txn, "a", 1, "one", 3, "blob", 4, 12345), 0);
	fixture_commit(f);
	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_stat(f->txn, "a", 1, &stat), 0);
	assert_int_equal(stat.size, 3);
	assert_int_equal(stat.mtime_ns, 12345);
	assert_int_equal(stat.version, kt_txn_id(f->txn) - 1);
	assert_int_equal(kt_set_attr(f->txn, "a", 1, "other", 5), 0);
	assert_int_equal(kt_stat(f->txn, "a", 1, &stat), 0);
	assert_int_equal(stat.mtime_ns, 12345);
	assert_int_equal(stat.version, kt_txn_id(f->txn));
	assert_int_equal(fixture_put(f->txn, "a", "two!"), 0);
	assert_int_equal(kt_stat(f->txn, "a", 1, &stat), 0);
	assert_true(stat.mtime_ns != 12345);
	assert_int_equal(stat.attr.size, 5);
	assert_memory_equal(stat.attr.data, "other", 5);
	fixture_commit(f);
}

/* An entry moves with all it has, within a tree and between trees, over what was there. */
static void moving(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *nameless;
	static char large[50000];
	struct kt_slice value;
	struct kt_entry_info stat;

	memset(large, 'L', sizeof(large));
	fixture_begin(f, KT_WRITE);
	nameless = kt_tree(f->txn, KT_NAMELESS);
	assert_int_equal(kt_put_entry(nameless, "id", 2, large, sizeof(large), "blob", 4, 77), 0);
	assert_int_equal(fixture_put(f->txn, "target", "replaced"), 0);
	assert_int_equal(kt_move(nameless, "id", 2, f->txn, "target", 6), 0);
	assert_int_equal(kt_get(nameless, "id", 2, &value), -ENOENT);
	assert_int_equal(kt_move(f->txn, "target", 6, f->txn, "target", 6), 0);
	fixture_commit(f);
	fixture_begin(f, KT_READ);
	assert_int_equal(kt_get(f->txn, "target", 6, &value), 0);
	assert_int_equal(value.size, sizeof(large));
	assert_memory_equal(value.data, large, sizeof(large));
	assert_int_equal(kt_stat(f->txn, "target", 6, &stat), 0);
	assert_int_equal(stat.mtime_ns, 77);
	assert_int_equal(stat.attr.size, 4);
}

/* ---- cursors --------------------------------------------------------------------------------- */

static void in_another_commit(struct fixture *f, const char *key, const char *value)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	assert_int_equal(fixture_put(txn, key, value), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
}

/* A reader is moved to exactly the commit that a transaction made; a failed one leaves it. */
static void moving_readers(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *reader;
	struct kt_slice value;
	uint64_t id;

	in_another_commit(f, "a", "1");
	assert_int_equal(kt_begin(f->store, KT_READ, &reader), 0);
	in_another_commit(f, "a", "2");
	fixture_begin(f, KT_WRITE);
	assert_int_equal(fixture_put(f->txn, "b", "3"), 0);
	id = kt_txn_id(f->txn);
	assert_int_equal(kt_commit_to(f->txn, 0, reader), 0);
	in_another_commit(f, "a", "4");
	assert_int_equal(kt_txn_id(reader), id);
	fixture_assert_value(reader, "a", "2");
	fixture_assert_value(reader, "b", "3");

	fixture_begin(f, KT_WRITE); /* changes nothing */
	assert_int_equal(kt_commit_to(f->txn, 0, reader), 0);
	assert_int_equal(kt_txn_id(reader), id + 1);
	fixture_assert_value(reader, "a", "4");
	for (int i = 0; i < 20; i++) /* it is protected there, too */
		in_another_commit(f, "a", "5");
	fixture_assert_value(reader, "a", "4");

	fixture_begin(f, KT_READ);
	assert_int_equal(kt_commit_to(f->txn, 0, reader), 0);
	f->txn = NULL;
	fixture_assert_value(reader, "a", "4");
	kt_abort(reader);
	assert_int_equal(kt_begin(f->store, KT_READ, &reader), 0);
	assert_int_equal(kt_get(reader, "a", 1, &value), 0);
	assert_memory_equal(value.data, "5", 1);
	kt_abort(reader);
}

/* ---- facts ----------------------------------------------------------------------------------- */

/* kt_info() counts entries, bytes, readers, and what is durable. */
static void facts(void **state)
{
	struct fixture *f = *state;
	struct kt_store_info info, later;

	fixture_begin(f, KT_WRITE);
	assert_int_equal(fixture_put(f->txn, "abc", "12345"), 0);
	assert_int_equal(fixture_put(f->txn, "d", ""), 0);
	assert_int_equal(fixture_put(kt_tree(f->txn, KT_DIRECTORIES), "not counted", ""), 0);
	fixture_commit(f);
	fixture_begin(f, KT_READ);
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.entries, 2);
	assert_int_equal(info.key_bytes, 4);
	assert_int_equal(info.value_bytes, 5);
	assert_int_equal(info.page_size, 4096);
	assert_int_equal(info.depth, 1);
	assert_int_equal(info.readers, 1);
	assert_int_equal(info.oldest_reader, info.txn);
	assert_true(info.durable_txn <= info.txn);
	assert_true(info.disk_size >= info.disk_free);
	assert_int_equal(kt_flush(f->store), 0);
	assert_int_equal(kt_info(f->store, &later), 0);
	assert_int_equal(later.durable_txn, info.txn);
	assert_memory_equal(later.id, info.id, sizeof(info.id));
	fixture_abort(f);
}

/* Keys that each begin with the one before, up to the longest, make no deep tree. */
static void nested_keys(void **state)
{
	struct fixture *f = *state;
	static char key[KT_KEY_MAX];
	struct kt_store_info info;
	uint64_t findings;

	memset(key, 'k', sizeof(key));
	fixture_begin(f, KT_WRITE);
	for (size_t size = 2; size <= sizeof(key); size += 2)
		assert_int_equal(kt_put(f->txn, key, size, "v", 1), 0);
	assert_int_equal(kt_commit(f->txn, 0), 0);
	f->txn = NULL;
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.entries, sizeof(key) / 2);
	assert_true(info.depth <= 5);
	assert_int_equal(kt_check(f->store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_BOTH(open_transactions),
		FIXTURE_BOTH(moving_readers),
		FIXTURE_BOTH(numbers),
		FIXTURE_BOTH(reading_only),
		FIXTURE_BOTH(fresh_readers),
		FIXTURE_BOTH(ids),
		FIXTURE_BOTH(missing_keys),
		FIXTURE_BOTH(limits),
		FIXTURE_BOTH(empty_values),
		FIXTURE_BOTH(what_is_known),
		FIXTURE_BOTH(moving),
		FIXTURE_BOTH(facts),
		FIXTURE_BOTH(nested_keys),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
