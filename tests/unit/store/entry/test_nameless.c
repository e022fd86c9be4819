/* Nameless entries: they end with the open store that made them, and with nothing else. */
#include "tests/unit/fixture.h"
#include "keytree_fs.h"

#include "store/entry/nameless.h"
#include "store/commit/txn.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct kt_txn *begin(struct kt_store *store, unsigned flags)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(store, flags, &txn), 0);
	return txn;
}

static size_t count_in(struct kt_txn *tree)
{
	struct kt_cursor *cursor;
	size_t count = 0;

	assert_int_equal(kt_cursor_open(tree, &cursor), 0);
	while (kt_cursor_next(cursor) == 0)
		count++;
	kt_cursor_close(cursor);
	return count;
}

/* So many nameless entries, and as many records of owners. */
static void assert_nameless(struct kt_store *store, size_t count)
{
	struct kt_txn *txn = begin(store, KT_READ);
	struct kt_txn owners = {.txn = txn->txn, .tree = TREE_OWNERS};

	assert_int_equal(count_in(kt_tree(txn, KT_NAMELESS)), count);
	assert_int_equal(count_in(&owners), count);
	kt_abort(txn);
}

static void assert_sound(struct kt_store *store)
{
	uint64_t findings;

	assert_int_equal(kt_check(store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 0);
}

static void write_nameless(struct kt_txn *txn, uint64_t id, const char *text)
{
	unsigned char key[KT_ID_KEY_SIZE];

	kt_id_key(id, key);
	assert_int_equal(
		kt_write(kt_tree(txn, KT_NAMELESS), key, sizeof(key), 0, text, strlen(text)), 0);
}

static void assert_value(struct kt_txn *txn, const char *key, const char *text)
{
	struct kt_slice value;

	assert_int_equal(kt_get(txn, key, strlen(key), &value), 0);
	assert_int_equal(value.size, strlen(text));
	assert_memory_equal(value.data, text, value.size);
}

/* ---- the calls ------------------------------------------------------------------------------- */

/* A nameless entry is written, gets a key with all it has, over what was there, and is gone. */
static void made_and_linked(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *txn = begin(f->store, KT_WRITE);
	unsigned char key[KT_ID_KEY_SIZE];
	struct kt_entry_info stat;
	uint64_t id, other;

	assert_int_equal(kt_put(txn, "k", 1, "old", 3), 0);
	assert_int_equal(kt_nameless_new(txn, &id), 0);
	assert_int_equal(kt_nameless_new(txn, &other), 0);
	assert_true(id != other && id != 0 && other != 0);
	write_nameless(txn, id, "new value");
	kt_id_key(id, key);
	assert_int_equal(kt_set_attr(kt_tree(txn, KT_NAMELESS), key, sizeof(key), "blob", 4), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_nameless(f->store, 2);

	txn = begin(f->store, KT_WRITE);
	assert_value(txn, "k", "old");
	assert_int_equal(kt_nameless_link(txn, id, "k", 1), 0);
	assert_int_equal(kt_nameless_link(txn, id, "k", 1), -ENOENT);
	assert_int_equal(kt_nameless_drop(txn, id), -ENOENT);
	assert_int_equal(kt_nameless_drop(txn, other), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_nameless(f->store, 0);

	txn = begin(f->store, KT_READ);
	assert_value(txn, "k", "new value");
	assert_int_equal(kt_stat(txn, "k", 1, &stat), 0);
	assert_int_equal(stat.attr.size, 4);
	assert_int_equal(kt_nameless_new(txn, &id), -EROFS);
	assert_int_equal(kt_nameless_take(txn, "k", 1, &id), -EROFS);
	assert_int_equal(kt_nameless_link(txn, other, "k", 1), -EROFS);
	assert_int_equal(kt_nameless_drop(txn, other), -EROFS);
	kt_abort(txn);
	assert_sound(f->store);
}

/* An entry loses its key and goes on; with a key that is too long it stays as it is. */
static void taken(void **state)
{
	static char large[100000], too_long[KT_KEY_MAX + 1];
	struct fixture *f = *state;
	struct kt_txn *txn = begin(f->store, KT_WRITE);
	struct kt_slice value;
	uint64_t id;

	memset(large, 'L', sizeof(large));
	assert_int_equal(kt_put(txn, "k", 1, large, sizeof(large)), 0);
	assert_int_equal(kt_nameless_take(txn, "missing", 7, &id), -ENOENT);
	assert_int_equal(kt_nameless_take(txn, "k", 1, &id), 0);
	assert_int_equal(kt_get(txn, "k", 1, &value), -ENOENT);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_nameless(f->store, 1);

	txn = begin(f->store, KT_WRITE);
	assert_int_equal(kt_nameless_link(txn, id, too_long, sizeof(too_long)), -ENAMETOOLONG);
	assert_int_equal(kt_nameless_link(txn, id, "again", 5), 0);
	assert_int_equal(kt_get(txn, "again", 5, &value), 0);
	assert_int_equal(value.size, sizeof(large));
	assert_memory_equal(value.data, large, sizeof(large));
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_nameless(f->store, 0);
	assert_sound(f->store);
}

/* What an aborted transaction made never was, not even the number of the owner. */
static void aborted(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *txn = begin(f->store, KT_WRITE);
	uint64_t id, again;

	assert_int_equal(kt_nameless_new(txn, &id), 0);
	kt_abort(txn);
	assert_int_equal(f->store->nameless_owner, 0);
	txn = begin(f->store, KT_WRITE);
	assert_int_equal(kt_nameless_new(txn, &again), 0);
	assert_int_equal(again, id);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_true(f->store->nameless_owner != 0);
	assert_nameless(f->store, 1);
}

/* ---- whom they belong to --------------------------------------------------------------------- */

/* In a process that dies: make entries with and without a name. */
static void die_with_entries(const char *path, size_t count)
{
	pid_t child = fork();
	struct kt_store *store;
	struct kt_txn *txn;
	int status;
	uint64_t id;

	assert_true(child >= 0);
	if (child == 0) {
		bool ok = kt_open(path, NULL, &store) == 0 &&
			  kt_begin(store, KT_WRITE, &txn) == 0 &&
			  kt_put(txn, "named", 5, "stays", 5) == 0;

		for (size_t i = 0; ok && i < count; i++) {
			ok = kt_nameless_new(txn, &id) == 0;
			if (ok)
				write_nameless(txn, id, "goes");
		}
		ok = ok && kt_commit(txn, KT_FLUSH) == 0;
		_exit(ok ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* What a process that died has left is dropped when the store is opened next, though not by who
 * only reads; named entries stay. */
static void dropped_at_open(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *txn;

	assert_int_equal(kt_close(f->store), 0);
	die_with_entries(f->temp.path, 300);
	assert_int_equal(kt_open(f->temp.path, KT_OPTIONS(.flags = KT_READONLY), &f->store), 0);
	assert_nameless(f->store, 300);
	assert_int_equal(kt_close(f->store), 0);

	assert_int_equal(kt_open(f->temp.path, NULL, &f->store), 0);
	assert_nameless(f->store, 0);
	txn = begin(f->store, KT_READ);
	assert_value(txn, "named", "stays");
	kt_abort(txn);
	assert_sound(f->store);
}

/* Only owners that are gone lose their entries, however many there are. */
static void others_stay(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *txn, owners;
	struct format_owned key = {0};
	uint64_t id;

	assert_int_equal(kt_close(f->store), 0);
	die_with_entries(f->temp.path, 3);
	assert_int_equal(kt_open(f->temp.path, NULL, &f->store), 0);
	txn = begin(f->store, KT_WRITE);
	assert_int_equal(kt_nameless_new(txn, &id), 0);
	owners = (struct kt_txn){.txn = txn->txn, .tree = TREE_OWNERS};
	for (uint64_t owner = 1; owner < 20; owner++) { /* of nobody, before and behind it */
		key.owner = __builtin_bswap64(owner == 19 ? UINT64_MAX : owner * 100000);
		pager_begin_internal(&txn->txn->pager);
		assert_int_equal(kt_put(&owners, &key, sizeof(key), NULL, 0), 0);
		pager_end_internal(&txn->txn->pager);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(nameless_drop_dead(f->store), 0);
	assert_nameless(f->store, 1);
	assert_sound(f->store);
}

/* What a store has when it is closed is dropped then, and the next open writes nothing. */
static void dropped_at_close(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *txn = begin(f->store, KT_WRITE);
	struct kt_store_info before, after;
	uint64_t id;

	assert_int_equal(kt_nameless_new(txn, &id), 0);
	assert_int_equal(kt_close(f->store), -EBUSY);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_close(f->store), 0);

	assert_int_equal(kt_open(f->temp.path, KT_OPTIONS(.flags = KT_READONLY), &f->store), 0);
	assert_nameless(f->store, 0);
	assert_int_equal(kt_info(f->store, &before), 0);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open(f->temp.path, NULL, &f->store), 0);
	assert_int_equal(kt_info(f->store, &after), 0);
	assert_int_equal(before.txn, after.txn);
	assert_null(f->store->space); /* no write transaction was begun */
	assert_sound(f->store);
}

/* A record that is none hinders nobody: the store opens, and what has names is there. */
static void damaged(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *txn = begin(f->store, KT_WRITE);
	struct kt_txn owners = {.txn = txn->txn, .tree = TREE_OWNERS};

	assert_int_equal(kt_put(txn, "named", 5, "stays", 5), 0);
	pager_begin_internal(&txn->txn->pager);
	assert_int_equal(kt_put(&owners, "short", 5, NULL, 0), 0);
	pager_end_internal(&txn->txn->pager);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open(f->temp.path, NULL, &f->store), 0);
	assert_int_equal(nameless_drop_dead(f->store), -EUCLEAN);
	txn = begin(f->store, KT_READ);
	assert_value(txn, "named", "stays");
	kt_abort(txn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_BOTH(made_and_linked),
		FIXTURE_BOTH(taken),
		FIXTURE_BOTH(aborted),
		FIXTURE_FILE(dropped_at_open),
		FIXTURE_FILE(others_stay),
		FIXTURE_FILE(dropped_at_close),
		FIXTURE_FILE(damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
