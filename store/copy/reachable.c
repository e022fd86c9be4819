#include "store/copy/reachable.h"

#include "store/error.h"
#include "store/value/extent.h"
#include "store/tree/node.h"
#include "store/tree/overflow.h"
#include "store/history/snapshot.h"
#include "store/history/reclaim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- pages ----------------------------------------------------------------------------------- */

static void reachable_note(struct reachable *reachable, uint64_t page, bool block, uint32_t sum)
{
	uint8_t bit = (uint8_t)(1U << page % 8);

	reachable->marked[page / 8] |= bit;
	if (block)
		reachable->blocks[page / 8] |= bit;
	reachable->sums[page] = sum;
	reachable->pages++;
}

/* Verify a page and note it. ret_page: its bytes; NULL: it was reached before */
static int reachable_page(struct reachable *reachable, uint64_t ref, const uint8_t **ret_page)
{
	const uint8_t *page;
	int err;

	*ret_page = NULL;
	if (ref_page(ref) < reachable->page_count && reachable_has(reachable, ref_page(ref)))
		return 0;
	err = reachable->step(reachable->arg);
	if (!err)
		err = pager_verify(reachable->pager, ref, &page);
	if (err != 0)
		return err;
	reachable_note(reachable, ref_page(ref), false, (uint32_t)node_header(page)->checksum);
	*ret_page = page;
	return 0;
}

int reachable_verify(const struct reachable *reachable, uint64_t page, const uint8_t *data)
{
	uint64_t seed = reachable->pager->seed;

	if (!(reachable->blocks[page / 8] & 1U << page % 8))
		return page_verify(data, ref_make(page, reachable->sums[page]), seed);
	if ((uint32_t)block_checksum(data, seed) != reachable->sums[page])
		return error_set(
			-EBADMSG, "page %llu: a block of a value", (unsigned long long)page);
	return 0;
}

/* ---- what a page refers to ------------------------------------------------------------------- */

static int reachable_overflow(struct reachable *reachable, uint64_t ref, uint64_t size)
{
	while (size > 0) {
		uint64_t part = size < OVERFLOW_PAYLOAD ? size : OVERFLOW_PAYLOAD;
		const uint8_t *page;
		int err = reachable_page(reachable, ref, &page);

		if (err != 0 || page == NULL)
			return err;
		if (node_header(page)->kind != PAGE_OVERFLOW || node_header(page)->count != part)
			return error_damaged(
				ref_page(ref), "not the overflow page that is referred to");
		ref = overflow_next(page);
		size -= part;
	}
	return 0;
}

static int reachable_extent(struct reachable *reachable, const uint8_t *record, size_t size)
{
	struct extent extent;
	int err = extent_parse(reachable->pager, 0, record, size, &extent);

	for (uint64_t i = 0; !err && i < extent.count; i++)
		if (!reachable_has(reachable, extent.page + i))
			reachable_note(reachable, extent.page + i, true, extent.sums[i]);
	return err;
}

static int reachable_node(struct reachable *reachable, uint64_t ref, unsigned level, bool extents);

static int reachable_tree(struct reachable *reachable, uint64_t root, unsigned depth, bool extents)
{
	if (depth > DEPTH_MAX)
		return error_damaged(ref_page(root), "impossible depth of a tree");
	return depth == 0 ? 0 : reachable_node(reachable, root, depth - 1, extents);
}

static int reachable_content(struct reachable *reachable, const struct cell *cell)
{
	const struct value *value = &cell->value;
	int err = 0;

	if (cell->flags & CELL_ATTR_SPILLED)
		err = reachable_overflow(reachable, cell->attr_overflow, cell->attr_size);
	if (!err && value->kind == CELL_EXTENT)
		err = reachable_extent(reachable, value->data, EXTENT_SIZE(value->blocks));
	else if (!err && value->kind == CELL_TREE)
		err = reachable_tree(reachable, value->root, value->depth, true);
	return err;
}

static int reachable_cell(
	struct reachable *reachable, const uint8_t *node, unsigned index, bool extents)
{
	unsigned level = node_header(node)->level;
	struct cell cell;
	int err = 0;

	if (!node_cell(node, index, &cell))
		return error_damaged(node_header(node)->page, "malformed cell");
	if (cell.spilled)
		err = reachable_overflow(reachable, cell.key_overflow, cell.key_size);
	if (err != 0)
		return err;
	if (level > 0)
		return reachable_node(reachable, cell.value.root, level - 1, extents);
	if (extents)
		return reachable_extent(reachable, cell.value.data, cell.value.size);
	return reachable_content(reachable, &cell);
}

static int reachable_node(struct reachable *reachable, uint64_t ref, unsigned level, bool extents)
{
	const uint8_t *node;
	int err = reachable_page(reachable, ref, &node);

	if (err != 0 || node == NULL)
		return err;
	if (node_header(node)->level != level ||
		node_header(node)->kind != (level == 0 ? PAGE_LEAF : PAGE_BRANCH))
		return error_damaged(ref_page(ref), "a node on the wrong level");
	for (unsigned i = 0; !err && i < node_header(node)->count; i++)
		err = reachable_cell(reachable, node, i, extents);
	return err;
}

/* ---- what a commit refers to ----------------------------------------------------------------- */

static int reachable_dropped(void *arg, const struct format_reclaim *record)
{
	return reachable_tree(arg, record->root, record->depth, false);
}

static int reachable_snapshot(void *arg, struct kt_txn *txn, const struct format_snapshot *kept)
{
	int err = 0;

	(void)txn;
	for (unsigned i = 0; !err && i < SNAPSHOT_TREES; i++)
		err = reachable_tree(arg, kept->trees[i].root, kept->trees[i].depth, false);
	return err;
}

/* What is kept for a snapshot is seen by one, and was reached. */
static int reachable_check_dead(void *arg, const struct dead *dead)
{
	const struct reachable *reachable = arg;

	for (uint64_t page = dead->run.start; page < dead->run.start + dead->run.count; page++)
		if (page >= reachable->page_count || !reachable_has(reachable, page))
			return error_damaged(page, "kept, but of no snapshot");
	return 0;
}

static int reachable_check_dead_of(
	void *arg, struct kt_txn *txn, const struct format_snapshot *kept)
{
	return snapshot_each_dead(txn, kept->txn, reachable_check_dead, arg);
}

int reachable_walk(
	struct kt_txn *handle, reachable_step_fn *step, void *arg, struct reachable *reachable)
{
	struct txn *txn = handle->txn;
	uint64_t count = txn->pager.page_count;
	int err = 0;

	*reachable = (struct reachable){
		.pager = &txn->pager, .page_count = count, .step = step, .arg = arg};
	memcpy(reachable->trees, txn->trees, sizeof(reachable->trees));
	if (reachable->trees[TREE_SNAPSHOTS].root == 0)
		memset(&reachable->trees[TREE_RECLAIM], 0, sizeof(struct format_tree));
	reachable->marked = calloc(count / 8 + 1, 1);
	reachable->blocks = calloc(count / 8 + 1, 1);
	reachable->sums = calloc(count, sizeof(*reachable->sums));
	if (reachable->marked == NULL || reachable->blocks == NULL || reachable->sums == NULL)
		return -ENOMEM;
	for (unsigned i = 0; !err && i < TREE_COUNT; i++)
		err = reachable_tree(
			reachable, reachable->trees[i].root, reachable->trees[i].depth, false);
	if (!err && reachable->trees[TREE_RECLAIM].root != 0)
		err = reclaim_each(txn, reachable_dropped, reachable);
	if (!err)
		err = snapshot_each(handle, reachable_snapshot, reachable);
	return err != 0 ? err : snapshot_each(handle, reachable_check_dead_of, reachable);
}

void reachable_fini(struct reachable *reachable)
{
	free(reachable->marked);
	free(reachable->blocks);
	free(reachable->sums);
}
