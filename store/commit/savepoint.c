/* Savepoints: what a transaction has beside its pages, and the public calls. */
#include "store/commit/savepoint.h"

#include "store/commit/commit.h"
#include "store/commit/placement.h"
#include "store/error.h"
#include "store/io/io.h"
#include "store/space/space.h"
#include "store/tree/pager_savepoint.h"

#include <errno.h>
#include <stdlib.h>

struct savepoint {
	struct pager_mark pager;
	struct space_mark space;
	struct root own;
	uint64_t snapshot;
	uint64_t nameless_owner;
	uint64_t generation;
	bool clean; /* nothing was changed before it */
	bool cleared;
};

/* ---- in a transaction ------------------------------------------------------------------------ */

int savepoints_trees(struct txn *txn, struct placement_trees *ret_trees)
{
	size_t count = txn->savepoint_count;
	struct placement_trees trees = {.count = count + 1};

	trees.at = malloc((count + 1) * sizeof(struct format_tree *));
	if (count > 0)
		trees.refs = calloc(txn->pager.dirty_count + 1, sizeof(*trees.refs));
	*ret_trees = trees;
	if (trees.at == NULL || (count > 0 && trees.refs == NULL))
		return -ENOMEM;
	trees.at[0] = txn->own->trees;
	for (size_t i = 0; i < count; i++)
		trees.at[i + 1] = txn->savepoints[i].own.trees;
	return 0;
}

/* Release the innermost savepoint. */
static int savepoint_close(struct txn *txn)
{
	struct savepoint *savepoint = &txn->savepoints[--txn->savepoint_count];
	int err = pager_savepoint_close(&txn->pager, &savepoint->pager);

	if (err != 0 && txn->failed == 0)
		txn->failed = err;
	return err;
}

int savepoints_close(struct txn *txn)
{
	int err = 0;

	while (!err && txn->savepoint_count > 0)
		err = savepoint_close(txn);
	return err;
}

static int savepoint_open(struct txn *txn, uint64_t *ret_number)
{
	size_t capacity = txn->savepoint_capacity;
	struct savepoint *savepoint;

	if (txn->savepoint_count == capacity) {
		capacity = capacity * 2 + 2;
		savepoint = realloc(txn->savepoints, capacity * sizeof(*savepoint));
		if (savepoint == NULL)
			return -ENOMEM;
		txn->savepoints = savepoint;
		txn->savepoint_capacity = capacity;
	}
	savepoint = &txn->savepoints[txn->savepoint_count++];
	savepoint->own = *txn->own;
	savepoint->snapshot = txn->snapshot;
	savepoint->nameless_owner = txn->nameless_owner;
	savepoint->generation = txn->generation;
	savepoint->clean = txn->generation == txn->clean;
	savepoint->cleared = txn->cleared;
	space_mark(txn->store->space, &savepoint->space);
	pager_savepoint_open(&txn->pager, ++txn->savepoint_last, &savepoint->pager);
	*ret_number = savepoint->pager.number;
	return 0;
}

/* Go back to the innermost savepoint. */
static int savepoint_go_back(struct txn *txn)
{
	struct savepoint *savepoint = &txn->savepoints[txn->savepoint_count - 1];
	int err = pager_savepoint_go_back(&txn->pager, &savepoint->pager);

	if (err != 0)
		return err;
	space_go_back(txn->store->space, &savepoint->space);
	*txn->own = savepoint->own;
	txn->snapshot = savepoint->snapshot;
	txn->nameless_owner = savepoint->nameless_owner;
	txn->cleared = savepoint->cleared;
	txn->generation++; /* cursors search anew */
	savepoint->generation = txn->generation;
	if (savepoint->clean)
		txn->clean = txn->generation;
	/* It lacks pages that were freed and are in use again. */
	txn->store->area->unsynced.overflow = true;
	return 0;
}

/* ---- public ---------------------------------------------------------------------------------- */

static int savepoint_check(const struct txn *txn)
{
	if (!txn->writing)
		return error_say(-EROFS, "the transaction is for reading only");
	if (io_forked(txn->store->io))
		return error_set(
			-ECHILD, "it was opened before a fork; open it again in the child");
	return 0;
}

/* Find an open savepoint. ret_within: how many are open up to it */
static int savepoint_find(const struct txn *txn, uint64_t number, size_t *ret_within)
{
	int err = savepoint_check(txn);

	if (err != 0)
		return err;
	for (size_t i = txn->savepoint_count; i-- > 0;) {
		if (txn->savepoints[i].pager.number == number) {
			*ret_within = i + 1;
			return 0;
		}
	}
	return error_say(-EINVAL, "no such savepoint");
}

int kt_savepoint(struct kt_txn *handle, uint64_t *ret_savepoint)
{
	struct txn *txn = handle->txn;
	int err = savepoint_check(txn);

	if (!err)
		err = txn->failed;
	return err != 0 ? err : savepoint_open(txn, ret_savepoint);
}

int kt_rollback_to(struct kt_txn *handle, uint64_t number)
{
	struct txn *txn = handle->txn;
	size_t within;
	int err = savepoint_find(txn, number, &within);

	if (err != 0)
		return err;
	txn->savepoint_count = within;
	if (txn->failed == 0 && txn->generation == txn->savepoints[within - 1].generation) {
		txn->pager.savepoint = number; /* those within it have ended */
		return 0;
	}
	txn->store->full = txn->store->full || error_is_full(txn->failed);
	txn->failed = savepoint_go_back(txn);
	return txn->failed;
}

int kt_release(struct kt_txn *handle, uint64_t number)
{
	struct txn *txn = handle->txn;
	size_t within;
	int err = savepoint_find(txn, number, &within);

	if (!err)
		err = txn->failed;
	while (!err && txn->savepoint_count >= within)
		err = savepoint_close(txn);
	return err;
}
