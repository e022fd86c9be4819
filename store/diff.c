/* The difference of two points in time, and going back to one (kt_diff, kt_restore).
 *
 * Both trees are walked side by side. An item is a subtree or a cell; where both walks stand before
 * subtrees with the same reference, these hold the same and are passed over unread. So the cost
 * follows the difference: about a leaf, and a branch of each level, for every place that differs.
 *
 *     from:  [ A ][ B ][ C ]        A, C: the same references, passed over
 *     to:    [ A ][ B'][ C ]        B, B': entered, cell by cell
 */
#include "entry.h"
#include "error.h"
#include "node.h"
#include "store.h"
#include "tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- walks ----------------------------------------------------------------------------------- */

/* A walk through one tree. The item it stands before is the one at path.level[at].index: a subtree,
 * or, on level 0, a cell; or, at the depth of the tree, the whole tree. */
struct walk {
	struct txn *txn;
	const struct format_tree *tree;
	struct path path;
	unsigned at;
	bool done;
};

static void walk_begin(struct walk *walk, struct kt_txn *handle)
{
	walk->txn = handle->txn;
	walk->tree = &handle->txn->trees[handle->tree];
	walk->path.depth = walk->tree->depth;
	walk->at = walk->tree->depth;
	walk->done = walk->tree->depth == 0;
}

/* Reference of the subtree a walk stands before. */
static uint64_t walk_ref(const struct walk *walk)
{
	if (walk->at == walk->path.depth)
		return walk->tree->root;
	return node_child(walk->path.level[walk->at].node, walk->path.level[walk->at].index);
}

/* Enter the subtree. */
static int walk_enter(struct walk *walk)
{
	uint64_t ref = walk_ref(walk);
	unsigned level = walk->at - 1;
	const uint8_t *node;
	int err = pager_node(&walk->txn->pager, ref, level, &node);

	if (err != 0)
		return err;
	walk->path.level[level].ref = ref;
	walk->path.level[level].node = node;
	walk->path.level[level].index = 0;
	walk->at = level;
	return 0;
}

/* Pass over the item. */
static void walk_pass(struct walk *walk)
{
	while (walk->at < walk->path.depth) {
		unsigned index = ++walk->path.level[walk->at].index;

		if (index < node_header(walk->path.level[walk->at].node)->count)
			return;
		walk->at++;
	}
	walk->done = true;
}

/* A lower bound of the keys of the item; of a cell its key. Size 0: none. */
static int walk_low(struct walk *walk, uint8_t key[KT_KEY_MAX], size_t *ret_size)
{
	*ret_size = 0;
	for (unsigned level = walk->at; level < walk->path.depth; level++)
		if (level == 0 || walk->path.level[level].index > 0)
			return node_key(&walk->txn->pager, walk->path.level[level].node,
				walk->path.level[level].index, key, ret_size);
	return 0;
}

/* ---- the difference -------------------------------------------------------------------------- */

struct diff {
	struct walk from, to;
	kt_diff_fn *each;
	void *arg;
};

static int compare_low(
	struct diff *diff, int *ret_order, struct kt_slice *ret_key, uint8_t bytes[2][KT_KEY_MAX])
{
	size_t sizes[2];
	int err = walk_low(&diff->from, bytes[0], &sizes[0]);

	if (err == 0)
		err = walk_low(&diff->to, bytes[1], &sizes[1]);
	if (err != 0)
		return err;
	*ret_order = memcmp(bytes[0], bytes[1], sizes[0] < sizes[1] ? sizes[0] : sizes[1]);
	if (*ret_order == 0)
		*ret_order = (sizes[0] > sizes[1]) - (sizes[0] < sizes[1]);
	*ret_key = *ret_order <= 0 ? (struct kt_slice){bytes[0], sizes[0]}
				   : (struct kt_slice){bytes[1], sizes[1]};
	return 0;
}

static int cell_stat(struct walk *walk, struct kt_stat *stat)
{
	struct cell cell;
	int err = tree_cell(&walk->path, &cell);

	return err != 0 ? err : entry_stat(walk->txn, &cell, stat);
}

/* Tell of the entries of one key; either walk may have none. */
static int tell(struct diff *diff, const struct kt_slice *key, bool in_from, bool in_to)
{
	struct kt_stat from, to;
	int err = in_from ? cell_stat(&diff->from, &from) : 0;

	if (err == 0 && in_to)
		err = cell_stat(&diff->to, &to);
	if (err == 0 && !(in_from && in_to && from.version == to.version))
		err = diff->each(diff->arg, key, in_from ? &from : NULL, in_to ? &to : NULL);
	if (in_from)
		walk_pass(&diff->from);
	if (in_to)
		walk_pass(&diff->to);
	return err;
}

/* One step while neither walk is done. */
static int step(struct diff *diff)
{
	struct walk *from = &diff->from, *to = &diff->to;
	uint8_t bytes[2][KT_KEY_MAX];
	struct kt_slice key;
	int order, err;

	if (from->at > to->at)
		return walk_enter(from);
	if (to->at > from->at)
		return walk_enter(to);
	if (from->at > 0 && walk_ref(from) == walk_ref(to)) {
		walk_pass(from);
		walk_pass(to);
		return 0;
	}
	err = compare_low(diff, &order, &key, bytes);
	if (err != 0)
		return err;
	if (from->at == 0)
		return tell(diff, &key, order <= 0, order >= 0);
	if (order <= 0)
		err = walk_enter(from);
	return err == 0 && order >= 0 ? walk_enter(to) : err;
}

/* The other walk is done: all that is left of this one differs. */
static int rest(struct diff *diff, struct walk *walk)
{
	int err = 0;

	while (err == 0 && !walk->done) {
		uint8_t bytes[KT_KEY_MAX];
		struct kt_slice key = {bytes, 0};

		if (walk->at > 0) {
			err = walk_enter(walk);
			continue;
		}
		err = walk_low(walk, bytes, &key.size);
		if (err == 0)
			err = tell(diff, &key, walk == &diff->from, walk == &diff->to);
	}
	return err;
}

int kt_diff(struct kt_txn *from, struct kt_txn *to, kt_diff_fn *each, void *arg)
{
	struct diff diff = {.each = each, .arg = arg};
	int err = 0;

	if (from->txn->store != to->txn->store || from->tree != to->tree)
		return -EINVAL;
	walk_begin(&diff.from, from);
	walk_begin(&diff.to, to);
	while (err == 0 && !diff.from.done && !diff.to.done)
		err = step(&diff);
	if (err == 0)
		err = rest(&diff, &diff.from);
	return err != 0 ? err : rest(&diff, &diff.to);
}

/* ---- going back ------------------------------------------------------------------------------ */

struct restore {
	struct kt_txn *point, *to; /* trees */
	uint8_t *buf;
};

#define COPY_BYTES ((size_t)1 << 20)

/* Copy the stored ranges of a large value. */
static int copy_ranges(struct restore *restore, const struct kt_slice *key, uint64_t size)
{
	uint64_t at = 0, end = 0;
	int err = kt_truncate(restore->to, key->data, key->size, size);

	while (err == 0) {
		size_t part, got;

		if (at == end)
			err = kt_next_data(restore->point, key->data, key->size, at, &at, &end);
		if (err != 0)
			break;
		part = end - at < COPY_BYTES ? (size_t)(end - at) : COPY_BYTES;
		err = kt_read(restore->point, key->data, key->size, at, restore->buf, part, &got);
		if (err == 0)
			err = kt_write(restore->to, key->data, key->size, at, restore->buf, got);
		at += part;
	}
	return err == -ENXIO ? 0 : err;
}

static int copy_entry(
	struct restore *restore, const struct kt_slice *key, const struct kt_stat *stat)
{
	struct kt_slice value = {NULL, 0};
	bool large = stat->size > COPY_BYTES;
	int err = large ? 0 : kt_get(restore->point, key->data, key->size, &value);

	if (err == 0)
		err = kt_put_entry(restore->to, key->data, key->size, value.data, value.size,
			stat->attr.data, stat->attr.size, stat->mtime_ns);
	if (err == 0 && large)
		err = copy_ranges(restore, key, stat->size);
	if (err == 0 && large)
		err = kt_set_mtime(restore->to, key->data, key->size, stat->mtime_ns);
	return err;
}

static int apply(void *arg, const struct kt_slice *key, const struct kt_stat *now,
	const struct kt_stat *then)
{
	struct restore *restore = arg;

	(void)now;
	if (then == NULL)
		return kt_delete(restore->to, key->data, key->size, 0);
	return copy_entry(restore, key, then);
}

/* Apply the difference between the last commit and a point in time to a write transaction. */
static int go_back(struct kt_txn *last, struct kt_txn *point, struct kt_txn *to)
{
	struct restore restore = {.buf = malloc(COPY_BYTES)};
	int err = restore.buf == NULL ? -ENOMEM : 0;

	for (unsigned tree = KT_ENTRIES; err == 0 && tree <= KT_DIRECTORIES; tree++) {
		restore.point = kt_tree(point, tree);
		restore.to = kt_tree(to, tree);
		err = kt_diff(kt_tree(last, tree), restore.point, apply, &restore);
	}
	free(restore.buf);
	return err;
}

int kt_restore(struct kt_store *store, struct kt_txn *point)
{
	struct kt_txn *last = NULL, *to = NULL;
	int err = point->txn->writing || point->txn->store != store
			  ? -EINVAL
			  : kt_begin(store, KT_WRITE, &to);

	if (err == 0)
		err = kt_begin(store, KT_READ, &last);
	if (err == 0)
		err = go_back(last, point, to);
	kt_abort(last);
	if (err == 0)
		return kt_commit(to, 0);
	kt_abort(to);
	return err;
}
