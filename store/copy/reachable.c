#include "store/copy/reachable.h"

#include "store/error.h"
#include "store/value/extent.h"
#include "store/value/value_visit.h"
#include "store/tree/node.h"
#include "store/history/snapshot.h"
#include "store/history/reclaim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- pages ----------------------------------------------------------------------------------- */

static struct reachable *reachable_of(struct tree_visitor *visitor)
{
	return (struct reachable *)(void *)((char *)visitor - offsetof(struct reachable, visitor));
}

static void reachable_note(struct reachable *reachable, uint64_t page, bool block, uint32_t sum)
{
	uint8_t bit = (uint8_t)(1U << page % 8);

	reachable->marked[page / 8] |= bit;
	if (block)
		reachable->blocks[page / 8] |= bit;
	reachable->sums[page] = sum;
	reachable->pages++;
}

/* Verify a page and note it. A page that was reached before is not entered again. */
static int reachable_page(struct tree_visitor *visitor, uint64_t ref, const uint8_t **ret_page)
{
	struct reachable *reachable = reachable_of(visitor);
	const uint8_t *page;
	int err;

	*ret_page = NULL;
	if (ref_page(ref) < reachable->page_count && reachable_has(reachable, ref_page(ref)))
		return 0;
	err = reachable->step(reachable->arg);
	if (!err)
		err = pager_verify(reachable->pager, ref, &page);
	if (err)
		return err;
	reachable_note(reachable, ref_page(ref), false, (uint32_t)node_header(page)->checksum);
	*ret_page = page;
	return 0;
}

static int reachable_extent(struct tree_visitor *visitor, const struct extent *extent)
{
	struct reachable *reachable = reachable_of(visitor);

	for (uint64_t i = 0; i < extent->count; i++)
		if (!reachable_has(reachable, extent->page + i))
			reachable_note(reachable, extent->page + i, true, extent->sums[i]);
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

/* ---- what a commit refers to ----------------------------------------------------------------- */

static int reachable_dropped(void *arg, const struct format_reclaim *record)
{
	struct reachable *reachable = arg;

	return tree_visit(&reachable->visitor, record->root, record->depth);
}

static int reachable_snapshot(void *arg, struct kt_txn *txn, const struct format_snapshot *kept)
{
	struct reachable *reachable = arg;
	int err = 0;

	(void)txn;
	for (unsigned i = 0; !err && i < SNAPSHOT_TREES; i++)
		err = tree_visit(&reachable->visitor, kept->trees[i].root, kept->trees[i].depth);
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
	reachable->visitor = (struct tree_visitor){.enter = reachable_page,
		.cell = value_visit_cell,
		.extent = reachable_extent,
		.pager = reachable->pager};
	memcpy(reachable->trees, txn->trees, sizeof(reachable->trees));
	if (reachable->trees[TREE_SNAPSHOTS].root == 0)
		memset(&reachable->trees[TREE_RECLAIM], 0, sizeof(struct format_tree));
	reachable->marked = calloc(count / 8 + 1, 1);
	reachable->blocks = calloc(count / 8 + 1, 1);
	reachable->sums = calloc(count, sizeof(*reachable->sums));
	if (reachable->marked == NULL || reachable->blocks == NULL || reachable->sums == NULL)
		return -ENOMEM;
	for (unsigned i = 0; !err && i < TREE_COUNT; i++)
		err = tree_visit(
			&reachable->visitor, reachable->trees[i].root, reachable->trees[i].depth);
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
