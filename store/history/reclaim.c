/* Clearing a tree at once, and freeing its pages in steps.
 *
 * kt_clear() drops the root and leaves a record of it. Each later commit, or, where room is short,
 * already that of the clearing, takes up some records: that of a leaf is freed with what it refers
 * to, that of a branch is replaced by records of its children. So clearing costs the same whatever
 * the tree holds, and no commit pays for all of it.
 *
 * The pages died when the tree was cleared: a snapshot taken later does not see them. A record
 * therefore names the snapshot that was the newest then, and it, or the one before if it is gone,
 * keeps what it sees.
 */
#include "store/entry/entry.h"
#include "store/error.h"
#include "store/tree/node.h"
#include "store/tree/overflow.h"
#include "store/history/reclaim.h"
#include "store/history/snapshot.h"
#include "store/tree/tree_edit.h"
#include "store/value/value.h"
#include "store/util/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STEP_RECORDS 64 /* records that a commit takes up */
#define RECORD_KEY 8	/* bytes of a record's key */

static struct kt_txn reclaim_tree(struct txn *txn)
{
	return (struct kt_txn){.txn = txn, .tree = TREE_RECLAIM};
}

static int reclaim_put_record(struct txn *txn, const struct format_reclaim *record)
{
	struct kt_txn tree = reclaim_tree(txn);
	uint64_t key = big64(txn->own->next_id++);
	int err;

	pager_begin_internal(&txn->pager);
	err = kt_put(&tree, &key, sizeof(key), record, sizeof(*record));
	pager_end_internal(&txn->pager);
	return err;
}

/* Free what a cell of a leaf refers to. */
static int reclaim_free_cell(void *arg, const struct cell *cell)
{
	struct pager *pager = arg;
	int err = value_free(pager, &cell->value);

	if (!err && (cell->flags & CELL_ATTR_SPILLED))
		err = overflow_free(pager, cell->attr_overflow, cell->attr_size);
	return err;
}

/* Drop all of a tree. */
static int reclaim_drop_tree(struct txn *txn, unsigned number)
{
	struct format_tree *tree = &txn->trees[number];
	struct format_reclaim record = {tree->root, txn->pager.snapshot, tree->depth, 0};

	if (tree->depth == 0)
		return 0;
	memset(tree, 0, sizeof(*tree));
	txn->generation++;
	if (record.root &
		REF_DIRTY) /* this transaction changed the tree: its pages have no place yet */
		return tree_free(
			&txn->pager, record.root, record.depth, reclaim_free_cell, &txn->pager);
	return reclaim_put_record(txn, &record);
}

int kt_clear(struct kt_txn *handle)
{
	struct txn *txn = handle->txn;
	int err;

	if (!txn->writing)
		return error_say(-EROFS, "the transaction is for reading only");
	if (handle->tree == TREE_SHARED)
		return error_say(-EINVAL, "shared entries go with their keys");
	if (txn->failed != 0)
		return txn->failed;
	/* Of a collection each key is deleted: the sums in the tree's root must be told what goes. */
	if (handle->prefix_size > 0)
		return kt_delete_range(handle, NULL, 0, NULL, 0, NULL);
	err = reclaim_drop_tree(txn, handle->tree);
	if (!err && handle->tree == TREE_ENTRIES) /* no key is left to share anything */
		err = reclaim_drop_tree(txn, TREE_SHARED);
	txn->cleared = true;
	if (err != 0)
		txn->failed = err;
	return err;
}

/* Replace the record of a branch by those of its children. */
static int reclaim_divide(struct txn *txn, const struct format_reclaim *record)
{
	const uint8_t *node;
	int err = pager_node(&txn->pager, record->root, record->depth - 1, &node);

	for (unsigned i = 0; !err && i < node_header(node)->count; i++) {
		struct format_reclaim child = {
			node_child(node, i), record->snapshot, record->depth - 1, 0};
		struct cell cell;

		if (!node_cell(node, i, &cell))
			return error_damaged(ref_page(record->root), "malformed cell");
		if (cell.spilled)
			err = overflow_free(&txn->pager, cell.key_overflow, cell.key_size);
		if (!err)
			err = reclaim_put_record(txn, &child);
	}
	return err != 0 ? err : pager_free(&txn->pager, record->root);
}

/* Take the record a cursor stands on apart. */
static int reclaim_parse_record(struct kt_cursor *cursor, struct format_reclaim *record)
{
	struct kt_slice value;
	int err = kt_cursor_value(cursor, &value);

	if (err != 0)
		return err;
	if (value.size != sizeof(*record) || kt_cursor_key(cursor).size != RECORD_KEY)
		return error_damaged(0, "malformed record of a dropped tree");
	memcpy(record, value.data, sizeof(*record));
	if (record->depth == 0 || record->depth > DEPTH_MAX || !ref_is_placed(record->root))
		return error_damaged(0, "malformed record of a dropped tree");
	return 0;
}

int reclaim_each(struct txn *txn, reclaim_each_fn *each, void *arg)
{
	struct kt_txn tree = reclaim_tree(txn);
	struct format_reclaim record;
	struct kt_cursor *cursor;
	int err = kt_cursor_open(&tree, &cursor);

	if (err != 0)
		return err;
	while (!err && (err = kt_cursor_next(cursor)) == 0) {
		err = reclaim_parse_record(cursor, &record);
		if (!err)
			err = each(arg, &record);
	}
	kt_cursor_close(cursor);
	return err == -ENOENT ? 0 : err;
}

/* Take up the last record. @return 0; -ENOENT there is none */
static int reclaim_take_record(struct txn *txn, struct format_reclaim *record)
{
	struct kt_txn tree = reclaim_tree(txn);
	struct kt_cursor *cursor;
	uint8_t key[RECORD_KEY];
	int err = kt_cursor_open(&tree, &cursor);

	if (err != 0)
		return err;
	err = kt_cursor_last(cursor);
	if (!err)
		err = reclaim_parse_record(cursor, record);
	if (!err)
		memcpy(key, kt_cursor_key(cursor).data, sizeof(key));
	kt_cursor_close(cursor);
	if (!err) {
		pager_begin_internal(&txn->pager);
		err = kt_delete(&tree, key, sizeof(key), 0);
		pager_end_internal(&txn->pager);
	}
	return err;
}

/* Free what a record leads to, as of when it was dropped. */
static int reclaim_free_record(struct txn *txn, const struct format_reclaim *record)
{
	struct pager *pager = &txn->pager;
	uint64_t newest = pager->snapshot, then = newest;
	int err = snapshot_store_dead(txn); /* of the snapshot up to now */

	if (!err)
		err = snapshot_at_most(txn, record->snapshot, &then);
	pager_set_snapshot(pager, then);
	if (!err && record->depth > 1)
		err = reclaim_divide(txn, record);
	else if (!err)
		err = tree_free(pager, record->root, 1, reclaim_free_cell, pager);
	if (!err)
		err = snapshot_store_dead(txn);
	pager_set_snapshot(pager, newest);
	return err;
}

int reclaim_step(struct txn *txn)
{
	int err = 0;

	for (unsigned i = 0; !err && i < STEP_RECORDS && txn->trees[TREE_RECLAIM].entries > 0;
		i++) {
		struct format_reclaim record;

		err = reclaim_take_record(txn, &record);
		if (!err)
			err = reclaim_free_record(txn, &record);
	}
	return err;
}
