#include "store/copy/reachable.h"

#include "store/error.h"
#include "store/value/extent.h"
#include "store/tree/node.h"
#include "store/tree/overflow.h"
#include "store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- pages ----------------------------------------------------------------------------------- */

static void note(struct reach *reach, uint64_t page, bool block, uint32_t sum)
{
	uint8_t bit = (uint8_t)(1U << page % 8);

	reach->marked[page / 8] |= bit;
	if (block)
		reach->blocks[page / 8] |= bit;
	reach->sums[page] = sum;
	reach->pages++;
}

/* Verify a page and note it. ret_page: its bytes; NULL: it was reached before */
static int reach_page(struct reach *reach, uint64_t ref, const uint8_t **ret_page)
{
	const uint8_t *page;
	int err;

	*ret_page = NULL;
	if (ref_page(ref) < reach->page_count && reach_has(reach, ref_page(ref)))
		return 0;
	err = reach->step(reach->arg);
	if (!err)
		err = pager_verify(reach->pager, ref, &page);
	if (err != 0)
		return err;
	note(reach, ref_page(ref), false, (uint32_t)node_header(page)->checksum);
	*ret_page = page;
	return 0;
}

int reach_verify(const struct reach *reach, uint64_t page, const uint8_t *data)
{
	uint64_t seed = reach->pager->seed;

	if (!(reach->blocks[page / 8] & 1U << page % 8))
		return page_verify(data, ref_make(page, reach->sums[page]), seed);
	if ((uint32_t)block_checksum(data, seed) != reach->sums[page])
		return error_set(
			-EBADMSG, "page %llu: a block of a value", (unsigned long long)page);
	return 0;
}

/* ---- what a page refers to ------------------------------------------------------------------- */

static int reach_overflow(struct reach *reach, uint64_t ref, uint64_t size)
{
	while (size > 0) {
		uint64_t part = size < OVERFLOW_PAYLOAD ? size : OVERFLOW_PAYLOAD;
		const uint8_t *page;
		int err = reach_page(reach, ref, &page);

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

static int reach_extent(struct reach *reach, const uint8_t *record, size_t size)
{
	struct extent extent;
	int err = extent_parse(reach->pager, 0, record, size, &extent);

	for (uint64_t i = 0; !err && i < extent.count; i++)
		if (!reach_has(reach, extent.page + i))
			note(reach, extent.page + i, true, extent.sums[i]);
	return err;
}

static int reach_node(struct reach *reach, uint64_t ref, unsigned level, bool extents);

static int reach_tree(struct reach *reach, uint64_t root, unsigned depth, bool extents)
{
	if (depth > DEPTH_MAX)
		return error_damaged(ref_page(root), "impossible depth of a tree");
	return depth == 0 ? 0 : reach_node(reach, root, depth - 1, extents);
}

static int reach_content(struct reach *reach, const struct cell *cell)
{
	const struct value *value = &cell->value;
	int err = 0;

	if (cell->flags & CELL_ATTR_SPILLED)
		err = reach_overflow(reach, cell->attr_overflow, cell->attr_size);
	if (!err && value->kind == CELL_EXTENT)
		err = reach_extent(reach, value->data, EXTENT_SIZE(value->blocks));
	else if (!err && value->kind == CELL_TREE)
		err = reach_tree(reach, value->root, value->depth, true);
	return err;
}

static int reach_cell(struct reach *reach, const uint8_t *node, unsigned index, bool extents)
{
	unsigned level = node_header(node)->level;
	struct cell cell;
	int err = 0;

	if (!node_cell(node, index, &cell))
		return error_damaged(node_header(node)->page, "malformed cell");
	if (cell.spilled)
		err = reach_overflow(reach, cell.key_overflow, cell.key_size);
	if (err != 0)
		return err;
	if (level > 0)
		return reach_node(reach, cell.value.root, level - 1, extents);
	if (extents)
		return reach_extent(reach, cell.value.data, cell.value.size);
	return reach_content(reach, &cell);
}

static int reach_node(struct reach *reach, uint64_t ref, unsigned level, bool extents)
{
	const uint8_t *node;
	int err = reach_page(reach, ref, &node);

	if (err != 0 || node == NULL)
		return err;
	if (node_header(node)->level != level ||
		node_header(node)->kind != (level == 0 ? PAGE_LEAF : PAGE_BRANCH))
		return error_damaged(ref_page(ref), "a node on the wrong level");
	for (unsigned i = 0; !err && i < node_header(node)->count; i++)
		err = reach_cell(reach, node, i, extents);
	return err;
}

/* ---- what a commit refers to ----------------------------------------------------------------- */

static int reach_dropped(void *arg, const struct format_reclaim *record)
{
	return reach_tree(arg, record->root, record->depth, false);
}

static int reach_snapshot(void *arg, struct kt_txn *txn, const struct format_snapshot *kept)
{
	int err = 0;

	(void)txn;
	for (unsigned i = 0; !err && i < SNAPSHOT_TREES; i++)
		err = reach_tree(arg, kept->trees[i].root, kept->trees[i].depth, false);
	return err;
}

/* What is kept for a snapshot is seen by one, and was reached. */
static int check_dead(void *arg, const struct dead *dead)
{
	const struct reach *reach = arg;

	for (uint64_t page = dead->run.start; page < dead->run.start + dead->run.count; page++)
		if (page >= reach->page_count || !reach_has(reach, page))
			return error_damaged(page, "kept, but of no snapshot");
	return 0;
}

static int check_dead_of(void *arg, struct kt_txn *txn, const struct format_snapshot *kept)
{
	return snapshot_each_dead(txn, kept->txn, check_dead, arg);
}

int reach_walk(struct kt_txn *handle, reach_step_fn *step, void *arg, struct reach *reach)
{
	struct txn *txn = handle->txn;
	uint64_t count = txn->pager.page_count;
	int err = 0;

	*reach =
		(struct reach){.pager = &txn->pager, .page_count = count, .step = step, .arg = arg};
	memcpy(reach->trees, txn->trees, sizeof(reach->trees));
	if (reach->trees[TREE_SNAPSHOTS].root == 0)
		memset(&reach->trees[TREE_RECLAIM], 0, sizeof(struct format_tree));
	reach->marked = calloc(count / 8 + 1, 1);
	reach->blocks = calloc(count / 8 + 1, 1);
	reach->sums = calloc(count, sizeof(*reach->sums));
	if (reach->marked == NULL || reach->blocks == NULL || reach->sums == NULL)
		return -ENOMEM;
	for (unsigned i = 0; !err && i < TREE_COUNT; i++)
		err = reach_tree(reach, reach->trees[i].root, reach->trees[i].depth, false);
	if (!err && reach->trees[TREE_RECLAIM].root != 0)
		err = reclaim_each(txn, reach_dropped, reach);
	if (!err)
		err = snapshot_each(handle, reach_snapshot, reach);
	return err != 0 ? err : snapshot_each(handle, check_dead_of, reach);
}

void reach_fini(struct reach *reach)
{
	free(reach->marked);
	free(reach->blocks);
	free(reach->sums);
}
