/* Proving that the file holds a commit that was published but not flushed.
 *
 *     pages in use at the last flushed commit        were not written since (I1), and are in the file
 *     all others that the commit leads to            are verified, each once
 *
 * So the walk ends at pages of the first kind without reading them, and costs as much as was written
 * since the last flush, whatever the size of the store (I5). The free space of the flushed commit
 * tells which pages are of which kind.
 */
#include "store/check/prove.h"

#include "store/commit/commit.h"
#include "store/error.h"
#include "store/io/io.h"
#include "store/space/space.h"
#include "store/space/space_log.h"
#include "store/tree/node.h"
#include "store/value/extent.h"
#include "store/value/value_visit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct proof {
	struct tree_visitor visitor;
	struct pager pager;
	const struct format_slot *weak;
	uint64_t durable; /* number of the flushed commit */
	uint8_t *open;	  /* a bit per page: it may have been written since, and is not verified */
	unsigned tree;	  /* that is walked */
	uint8_t block[PAGE_SIZE];
};

/* ---- pages written since the last flush ------------------------------------------------------ */

static void prove_open_run(struct proof *proof, uint64_t page, uint64_t end)
{
	for (; page < end && page < proof->weak->page_count; page++)
		proof->open[page / 8] |= (uint8_t)(1U << page % 8);
}

static int prove_open_free(void *arg, struct run run, bool pending)
{
	(void)pending;
	prove_open_run(arg, run.start, run.start + run.count);
	return 0;
}

/* Open all pages that the flushed commit does not use. */
static int prove_open_pages(struct proof *proof, const struct format_slot *durable)
{
	struct pager pager = proof->pager;
	struct space_log_source source;
	struct space *space;
	int err;

	pager.page_count = durable->page_count;
	commit_log_source(durable, &pager, &source);
	err = space_log_load(&source, &space);
	if (err)
		return err;
	(void)space_each(space, prove_open_free, proof);
	space_close(space);
	prove_open_run(proof, durable->page_count, proof->weak->page_count);
	return 0;
}

/* Is a page to be verified now? */
static bool prove_take(struct proof *proof, uint64_t page)
{
	uint8_t bit = (uint8_t)(1U << page % 8);
	bool taken = (proof->open[page / 8] & bit) != 0;

	proof->open[page / 8] &= (uint8_t)~bit;
	return taken;
}

/* ---- the walk -------------------------------------------------------------------------------- */

static int prove_birth(const struct proof *proof, uint64_t page, uint64_t birth)
{
	return birth > proof->durable && birth <= proof->weak->txn
		       ? 0
		       : error_damaged(page, "not written since the last flush");
}

/* Walk the trees that a snapshot keeps, or one that was dropped. */
static int prove_record(struct proof *proof, const struct value *value)
{
	struct format_snapshot kept;
	struct format_reclaim dropped;
	unsigned tree = proof->tree;
	int err = 0;

	if (value->kind != CELL_INLINE)
		return error_damaged(0, "malformed record of a tree");
	proof->tree = TREE_ENTRIES; /* whose cells hold no records */
	if (tree == TREE_RECLAIM && value->size == sizeof(dropped)) {
		memcpy(&dropped, value->data, sizeof(dropped));
		err = tree_visit(&proof->visitor, dropped.root, dropped.depth);
	} else if (tree == TREE_SNAPSHOTS && value->size >= sizeof(kept)) {
		memcpy(&kept, value->data, sizeof(kept));
		for (unsigned i = 0; !err && i < SNAPSHOT_TREES; i++)
			err = tree_visit(&proof->visitor, kept.trees[i].root, kept.trees[i].depth);
	} else {
		err = error_damaged(0, "malformed record of a tree");
	}
	proof->tree = tree;
	return err;
}

/* The records in a leaf that lead to further trees. */
static int prove_records(struct proof *proof, const uint8_t *node)
{
	uint8_t key[PREFIX_MAX + SUFFIX_MAX];
	int err = 0;

	for (unsigned i = 0; !err && i < node_header(node)->count; i++) {
		struct cell cell;

		if (!node_cell(node, i, &cell))
			return error_damaged(node_header(node)->page, "malformed cell");
		if (proof->tree == TREE_RECLAIM ||
			(node_key_held(node, i, &cell, key) > 0 && key[0] == SNAPSHOT_RECORD))
			err = prove_record(proof, &cell.value);
	}
	return err;
}

static int prove_enter(struct tree_visitor *visitor, uint64_t ref, const uint8_t **ret_page)
{
	struct proof *proof = (struct proof *)(void *)visitor;
	uint64_t number = ref_page(ref);
	int err;

	*ret_page = NULL;
	if (number < proof->pager.page_count && !prove_take(proof, number))
		return 0;
	err = pager_verify(&proof->pager, ref, ret_page);
	if (!err)
		err = prove_birth(proof, number, node_header(*ret_page)->txn);
	if (!err && node_header(*ret_page)->kind == PAGE_LEAF &&
		(proof->tree == TREE_SNAPSHOTS || proof->tree == TREE_RECLAIM))
		err = prove_records(proof, *ret_page);
	return err;
}

static int prove_extent(struct tree_visitor *visitor, const struct extent *extent)
{
	struct proof *proof = (struct proof *)(void *)visitor;
	int err = 0;

	for (uint64_t i = 0; !err && i < extent->count; i++) {
		uint64_t page = extent->page + i;

		if (!prove_take(proof, page))
			continue;
		err = prove_birth(proof, page, extent->birth);
		if (!err)
			err = io_read(proof->pager.io, page * PAGE_SIZE, proof->block, PAGE_SIZE);
		if (!err && (uint32_t)block_checksum(proof->block, proof->pager.seed) !=
				    extent->sums[i])
			err = error_damaged(page, "a block of a value is damaged");
	}
	return err;
}

/* The free-space log: from its newest page back to one that was there before. */
static int prove_log(struct proof *proof)
{
	const struct format_space *space = &proof->weak->space;
	uint64_t ref = space->head;

	for (uint64_t seq = space->head_seq; ref != 0 && seq >= space->tail_seq; seq--) {
		const struct format_log *log;
		const uint8_t *page;
		int err = prove_enter(&proof->visitor, ref, &page);

		if (err || page == NULL)
			return err;
		log = (const struct format_log *)(const void *)page;
		if (log->header.kind != PAGE_LOG || log->seq != seq)
			return error_damaged(ref_page(ref), "not the log page that is referred to");
		ref = log->prev;
	}
	return 0;
}

int prove_commit(void *arg, const struct format_slot *durable, const struct format_slot *weak)
{
	const struct kt_store *store = arg;
	struct proof proof = {
		.visitor = {.enter = prove_enter, .cell = value_visit_cell, .extent = prove_extent},
		.pager = {.map = store->map,
			.page_count = weak->page_count,
			.seed = store->seed,
			.seen = store->seen,
			.io = store->io},
		.weak = weak,
		.durable = durable->txn,
	};
	int err;

	if (weak->page_count > store->map_pages || durable->page_count > store->map_pages)
		return error_set(-ENOMEM, "too little address space to map the store");
	proof.visitor.pager = &proof.pager;
	proof.open = calloc(weak->page_count / 8 + 1, 1);
	if (proof.open == NULL)
		return -ENOMEM;
	err = prove_open_pages(&proof, durable);
	for (unsigned i = 0; !err && i < TREE_COUNT; i++) {
		proof.tree = i;
		err = tree_visit(&proof.visitor, weak->trees[i].root, weak->trees[i].depth);
	}
	if (!err)
		err = prove_log(&proof);
	free(proof.open);
	return err;
}
