/* The difference of two points in time (kt_diff).
 *
 * Both trees are walked side by side. An item is a subtree or a cell; where both walks stand before
 * subtrees with the same reference, these hold the same and are passed over unread. So the cost
 * follows the difference: about a leaf, and a branch of each level, for every place that differs.
 *
 *     from:  [ A ][ B ][ C ]        A, C: the same references, passed over
 *     to:    [ A ][ B'][ C ]        B, B': entered, cell by cell
 *
 * An entry that keys share may have changed while the leaves of these keys have not. So first the
 * shared entries are compared in the same way; the keys of those that differ are pending, and told
 * in their turn.
 */
#include "store/entry/entry.h"
#include "store/error.h"
#include "store/tree/node.h"
#include "store/commit/txn.h"
#include "store/tree/tree.h"
#include "store/util/bytes.h"
#include "store/util/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- walks ----------------------------------------------------------------------------------- */

/* A walk through one tree. The item it stands before is the one at path.level[at].index: a subtree,
 * or, on level 0, a cell; or, at the depth of the tree, the whole tree.
 *
 * In a damaged file a page may be the child of many. So that the walk ends, the keys in front of the
 * subtrees that it enters must grow, and so must the keys of the leaves: then it enters each child of
 * a page, and each leaf, once. */
struct diff_walk {
	struct txn *txn;
	struct entry_memory attr; /* of the entry that is told */
	const struct format_tree *tree;
	struct path path;
	unsigned at;
	bool done;
	const uint8_t *leaf; /* entered last; NULL: none */
	const uint8_t
		*entered; /* branch with the key in front of the subtree entered last; or NULL */
	unsigned entered_index;
};

/* Reference of the subtree a walk stands before. */
static uint64_t diff_walk_ref(const struct diff_walk *walk)
{
	if (walk->at == walk->path.depth)
		return walk->tree->root;
	return node_child(walk->path.level[walk->at].node, walk->path.level[walk->at].index);
}

/* Note the key in front of the subtree that the walk is about to enter. The first subtree of a node
 * has none: it comes right behind the key in front of the node. */
static int diff_walk_note_key(struct diff_walk *walk)
{
	struct pager *pager = &walk->txn->pager;
	uint8_t keys[2][KT_KEY_MAX];
	size_t sizes[2];
	const uint8_t *node;
	unsigned index;
	int err = 0;

	if (walk->at == walk->path.depth || walk->path.level[walk->at].index == 0)
		return 0;
	node = walk->path.level[walk->at].node;
	index = walk->path.level[walk->at].index;
	if (walk->entered != NULL) {
		err = node_key(pager, walk->entered, walk->entered_index, keys[0], &sizes[0]);
		if (!err)
			err = node_key(pager, node, index, keys[1], &sizes[1]);
		if (!err && bytes_compare(keys[0], sizes[0], keys[1], sizes[1]) >= 0)
			err = error_damaged(node_header(node)->page, "keys out of order");
	}
	walk->entered = node;
	walk->entered_index = index;
	return err;
}

/* Enter the subtree. */
static int diff_walk_enter(struct diff_walk *walk)
{
	uint64_t ref = diff_walk_ref(walk);
	unsigned level = walk->at - 1;
	const uint8_t *node;
	int err = diff_walk_note_key(walk);

	if (!err)
		err = pager_node(&walk->txn->pager, ref, level, &node);
	if (!err && level == 0 && walk->leaf != NULL)
		err = tree_check_order(&walk->txn->pager, walk->leaf, node);
	if (err != 0)
		return err;
	if (level == 0)
		walk->leaf = node;
	walk->path.level[level].ref = ref;
	walk->path.level[level].node = node;
	walk->path.level[level].index = 0;
	walk->at = level;
	return 0;
}

/* Pass over the item. */
static void diff_walk_pass(struct diff_walk *walk)
{
	while (walk->at < walk->path.depth) {
		unsigned index = ++walk->path.level[walk->at].index;

		if (index < node_header(walk->path.level[walk->at].node)->count)
			return;
		walk->at++;
	}
	walk->done = true;
}

/* Begin before the whole tree, or at the first key of a collection. */
static int diff_walk_begin(struct diff_walk *walk, struct kt_txn *handle)
{
	bool exact;
	int err;

	walk->txn = handle->txn;
	walk->tree = &handle->txn->trees[handle->tree];
	walk->path.depth = walk->tree->depth;
	walk->at = walk->tree->depth;
	walk->done = walk->tree->depth == 0;
	walk->leaf = NULL;
	walk->entered = NULL;
	err = tree_check_depth(walk->tree);
	if (err || walk->done || handle->prefix_size == 0)
		return err;
	err = tree_find(&walk->txn->pager, walk->tree, handle->prefix, handle->prefix_size,
		&walk->path, &exact);
	walk->at = 0;
	walk->leaf = walk->path.level[0].node;
	if (!err && walk->path.level[0].index == node_header(walk->path.level[0].node)->count)
		diff_walk_pass(walk);
	return err;
}

/* A lower bound of the keys of the item; of a cell its key. Size 0: none. */
static int diff_walk_low(struct diff_walk *walk, uint8_t key[KT_KEY_MAX], size_t *ret_size)
{
	*ret_size = 0;
	for (unsigned level = walk->at; level < walk->path.depth; level++)
		if (level == 0 || walk->path.level[level].index > 0)
			return node_key(&walk->txn->pager, walk->path.level[level].node,
				walk->path.level[level].index, key, ret_size);
	return 0;
}

/* ---- the difference -------------------------------------------------------------------------- */

/* A key whose entry differs wherever it stands. */
struct pending {
	size_t size;
	uint8_t key[];
};

struct diff {
	struct diff_walk from, to;
	const struct kt_txn *part; /* with the prefix of the keys that are told */
	kt_diff_fn *each;
	void *arg;
	struct pending **pending; /* in order */
	size_t pending_count, pending_room, pending_next;
};

static int diff_compare_low(
	struct diff *diff, int *ret_order, struct kt_slice *ret_key, uint8_t bytes[2][KT_KEY_MAX])
{
	size_t sizes[2];
	int err = diff_walk_low(&diff->from, bytes[0], &sizes[0]);

	if (!err)
		err = diff_walk_low(&diff->to, bytes[1], &sizes[1]);
	if (err != 0)
		return err;
	*ret_order = bytes_compare(bytes[0], sizes[0], bytes[1], sizes[1]);
	*ret_key = *ret_order <= 0 ? (struct kt_slice){bytes[0], sizes[0]}
				   : (struct kt_slice){bytes[1], sizes[1]};
	return 0;
}

static int cell_stat(struct diff_walk *walk, struct kt_entry_info *stat)
{
	struct cell cell;
	int err = tree_cell(&walk->path, &cell);

	return err != 0 ? err : entry_stat(walk->txn, &walk->attr, &cell, stat);
}

/* What is known of the entry of a key, which one of the two points in time has.
 * @return 0; -ENOENT it has none */
static int pending_stat(
	struct diff_walk *walk, const struct pending *pending, struct kt_entry_info *stat)
{
	struct kt_txn tree = {.txn = walk->txn, .tree = TREE_ENTRIES};
	struct entry entry;
	int err = entry_find(&tree, pending->key, pending->size, &entry);

	if (!err && !entry.exists)
		return -ENOENT;
	return err ? err : entry_stat(walk->txn, &walk->attr, &entry.cell, stat);
}

/* Tell of a key that was pending, unless it has another entry now: then the walks tell it. */
static int diff_tell_pending(struct diff *diff, const struct pending *pending)
{
	size_t prefix = diff->part->prefix_size;
	struct kt_slice key = {pending->key + prefix, pending->size - prefix};
	struct kt_entry_info before, after;
	int err = pending_stat(&diff->from, pending, &before);

	if (!err)
		err = pending_stat(&diff->to, pending, &after);
	if (err != 0 || before.version == after.version)
		return err == -ENOENT ? 0 : err;
	return diff->each(diff->arg, &key, &before, &after);
}

/* Tell of the keys pending before another, which the walks have come to; NULL: of all. */
static int diff_tell_before(struct diff *diff, const struct kt_slice *key)
{
	int err = 0;

	while (!err && diff->pending_next < diff->pending_count) {
		const struct pending *pending = diff->pending[diff->pending_next];
		int order = key == NULL ? -1
					: bytes_compare(pending->key, pending->size, key->data,
						  key->size);

		if (order > 0)
			break;
		diff->pending_next++;
		if (order < 0)
			err = diff_tell_pending(diff, pending);
	}
	return err;
}

/* Tell of the entries of one key; either walk may have none. */
static int diff_tell(struct diff *diff, const struct kt_slice *whole, bool in_from, bool in_to)
{
	size_t prefix = diff->part->prefix_size;
	struct kt_slice key;
	struct kt_entry_info from, to;
	int err;

	if (prefix > 0 &&
		(whole->size < prefix || memcmp(whole->data, diff->part->prefix, prefix) != 0)) {
		diff->from.done = diff->to.done = true; /* behind the collection */
		return 0;
	}
	key = (struct kt_slice){(const uint8_t *)whole->data + prefix, whole->size - prefix};
	err = diff_tell_before(diff, whole);
	if (!err && in_from)
		err = cell_stat(&diff->from, &from);
	if (!err && in_to)
		err = cell_stat(&diff->to, &to);
	if (!err && !(in_from && in_to && from.version == to.version))
		err = diff->each(diff->arg, &key, in_from ? &from : NULL, in_to ? &to : NULL);
	if (in_from)
		diff_walk_pass(&diff->from);
	if (in_to)
		diff_walk_pass(&diff->to);
	return err;
}

/* One step while neither walk is done. */
static int diff_step(struct diff *diff)
{
	struct diff_walk *from = &diff->from, *to = &diff->to;
	uint8_t bytes[2][KT_KEY_MAX];
	struct kt_slice key;
	int order, err;

	if (from->at > to->at)
		return diff_walk_enter(from);
	if (to->at > from->at)
		return diff_walk_enter(to);
	if (from->at > 0 && diff_walk_ref(from) == diff_walk_ref(to)) {
		diff_walk_pass(from);
		diff_walk_pass(to);
		return 0;
	}
	err = diff_compare_low(diff, &order, &key, bytes);
	if (err != 0)
		return err;
	if (from->at == 0)
		return diff_tell(diff, &key, order <= 0, order >= 0);
	if (order <= 0)
		err = diff_walk_enter(from);
	return !err && order >= 0 ? diff_walk_enter(to) : err;
}

/* The other walk is done: all that is left of this one differs. */
static int diff_rest(struct diff *diff, struct diff_walk *walk)
{
	int err = 0;

	while (!err && !walk->done) {
		uint8_t bytes[KT_KEY_MAX];
		struct kt_slice key = {bytes, 0};

		if (walk->at > 0) {
			err = diff_walk_enter(walk);
			continue;
		}
		err = diff_walk_low(walk, bytes, &key.size);
		if (!err)
			err = diff_tell(diff, &key, walk == &diff->from, walk == &diff->to);
	}
	return err;
}

static bool is_same_part(const struct kt_txn *a, const struct kt_txn *b)
{
	return a->prefix_size == b->prefix_size &&
	       (a->prefix_size == 0 || memcmp(a->prefix, b->prefix, a->prefix_size) == 0);
}

/* Compare two trees. */
static int diff_walk_trees(struct diff *diff, struct kt_txn *from, struct kt_txn *to)
{
	int err = diff_walk_begin(&diff->from, from);

	if (!err)
		err = diff_walk_begin(&diff->to, to);
	while (!err && !diff->from.done && !diff->to.done)
		err = diff_step(diff);
	if (!err)
		err = diff_rest(diff, &diff->from);
	if (!err)
		err = diff_rest(diff, &diff->to);
	return err != 0 ? err : diff_tell_before(diff, NULL);
}

static int diff_compare_trees(struct diff *diff, struct kt_txn *from, struct kt_txn *to)
{
	int err = diff_walk_trees(diff, from, to);

	entry_memory_fini(&diff->from.attr);
	entry_memory_fini(&diff->to.attr);
	return err;
}

/* ---- keys that share entries ----------------------------------------------------------------- */

static int pending_add(struct diff *diff, const struct kt_slice *key)
{
	size_t prefix = diff->part->prefix_size;
	struct pending *pending;

	if (key->size > KT_KEY_MAX)
		return error_damaged(0, "malformed record of a shared entry");
	if (key->size < prefix ||
		(prefix > 0 && memcmp(key->data, diff->part->prefix, prefix) != 0))
		return 0;
	if (diff->pending_count == diff->pending_room) {
		void *more = array_grow(diff->pending, sizeof(*diff->pending), &diff->pending_room);

		if (more == NULL)
			return -ENOMEM;
		diff->pending = more;
	}
	pending = malloc(sizeof(*pending) + key->size);
	if (pending == NULL)
		return -ENOMEM;
	pending->size = key->size;
	if (key->size > 0)
		memcpy(pending->key, key->data, key->size);
	diff->pending[diff->pending_count++] = pending;
	return 0;
}

static int pending_compare(const void *a, const void *b)
{
	const struct pending *x = *(struct pending *const *)a, *y = *(struct pending *const *)b;

	return bytes_compare(x->key, x->size, y->key, y->size);
}

/* A shared entry differs: its keys are pending. One that has not been its key both times has
 * another cell, which the walks meet. */
static int pending_add_keys(void *arg, const struct kt_slice *id, const struct kt_entry_info *from,
	const struct kt_entry_info *to)
{
	struct diff *diff = arg;
	struct kt_txn tree = {.txn = diff->to.txn, .tree = TREE_SHARED};
	struct kt_cursor *cursor;
	int err;

	if (id->size != sizeof(uint64_t) || from == NULL || to == NULL)
		return 0;
	err = kt_cursor_open(&tree, &cursor);
	if (err != 0)
		return err;
	err = kt_cursor_set_prefix(cursor, id->data, id->size);
	kt_cursor_set_transient(cursor);
	if (!err)
		err = kt_cursor_first(cursor); /* the entry itself */
	while (!err && (err = kt_cursor_next(cursor)) == 0) {
		struct kt_entry_info stat;

		err = kt_cursor_stat(cursor, &stat);
		if (!err)
			err = pending_add(diff, &stat.attr);
	}
	kt_cursor_close(cursor);
	return err == -ENOENT ? 0 : err;
}

/* Compare the shared entries. */
static int pending_find(struct diff *diff, struct txn *from_txn, struct txn *to_txn)
{
	struct kt_txn from = {.txn = from_txn, .tree = TREE_SHARED};
	struct kt_txn to = {.txn = to_txn, .tree = TREE_SHARED};
	struct diff shared = {.part = &from, .each = pending_add_keys, .arg = diff};
	int err;

	diff->from.txn = from_txn;
	diff->to.txn = to_txn;
	err = diff_compare_trees(&shared, &from, &to);
	if (diff->pending_count > 1)
		qsort(diff->pending, diff->pending_count, sizeof(*diff->pending), pending_compare);
	return err;
}

/* ---- public ---------------------------------------------------------------------------------- */

int kt_diff(struct kt_txn *from, struct kt_txn *to, kt_diff_fn *each, void *arg)
{
	struct diff diff = {.part = from, .each = each, .arg = arg};
	int err = 0;

	if (from->txn->store != to->txn->store || from->tree != to->tree || !is_same_part(from, to))
		return error_say(
			-EINVAL, "the two transactions are not of the same part of one store");
	if (from->tree == TREE_ENTRIES)
		err = pending_find(&diff, from->txn, to->txn);
	if (!err)
		err = diff_compare_trees(&diff, from, to);
	for (size_t i = 0; i < diff.pending_count; i++)
		free(diff.pending[i]);
	free(diff.pending);
	return err;
}
