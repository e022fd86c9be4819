#include "store/space/space_internal.h"
#include "store/tree/pager.h"

#include "store/error.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* Chunks that become free in one step. */
#define DRAIN_STEP 128

int space_new(struct space **ret_space)
{
	struct space *space = calloc(1, sizeof(*space));

	if (space == NULL)
		return -ENOMEM;
	for (int i = 0; i < QUEUES; i++)
		space_queue_init(&space->queues[i]);
	space->limit = PAGE_MAX;
	space->limit_with_reserve = PAGE_MAX;
	*ret_space = space;
	return 0;
}

void space_close(struct space *space)
{
	if (space == NULL)
		return;
	space_log_fini(&space->log);
	for (int i = 0; i < QUEUES; i++) {
		space_queue_fini(&space->queues[i]);
		run_list_fini(&space->open.freed[i]);
	}
	free(space->open.touched);
	space_map_fini(&space->map);
	free(space);
}

void space_set_reserve(struct space *space, uint64_t pages)
{
	space->reserve = pages;
}

void space_use_reserve(struct space *space)
{
	(void)space_avoid_growth(space);
	space->open.uses_reserve = true;
}

void space_offer_reserve(struct space *space)
{
	assert(space->open.open);
	space->open.may_reserve = true;
}

bool space_offers_reserve(const struct space *space)
{
	return space->open.may_reserve && !space->open.uses_reserve;
}

bool space_uses_reserve(const struct space *space)
{
	return space->open.uses_reserve;
}

void space_set_limit(struct space *space, uint64_t pages, uint64_t max_with_reserve)
{
	space->limit = pages < PAGE_MAX ? pages : PAGE_MAX;
	space->limit_with_reserve = max_with_reserve < PAGE_MAX ? max_with_reserve : PAGE_MAX;
}

/* ---- begin ----------------------------------------------------------------------------------- */

void space_drain(struct space *space, struct space_queue *queue)
{
	struct chunk *chunk = space_queue_pop(queue);

	for (size_t i = 0; i < chunk->count; i++)
		space_map_set(&space->map, chunk->runs[i], SPACE_PENDING, SPACE_FREE);
	chunk_free(chunk);
}

bool space_drain_some(struct space *space)
{
	const uint64_t bounds[QUEUES] = {
		[QUEUE_OLD] = space->open.bounds.old,
		[QUEUE_YOUNG] = space->open.bounds.young,
	};
	int left = DRAIN_STEP;

	for (int i = 0; i < QUEUES; i++) {
		struct space_queue *queue = &space->queues[i];

		for (; left > 0 && queue->first != NULL && queue->first->key.txn <= bounds[i];
			left--)
			space_drain(space, queue);
	}
	return left < DRAIN_STEP;
}

void space_begin(struct space *space, uint64_t txn, const struct space_bounds *bounds)
{
	struct space_txn *open = &space->open;

	assert(!open->open && txn == space->txn + 1);
	assert(bounds->old <= space->txn && bounds->young <= space->txn);
	open->open = true;
	open->frugal = false;
	open->may_reserve = false;
	open->uses_reserve = false;
	open->low = false;
	open->cut = false;
	open->low_region = 0;
	open->cut_from = 0;
	open->txn = txn;
	open->bounds = *bounds;
	open->page_count = space->map.page_count;
	open->cursor = space->cursor;
	space_drain_some(space);
}

void space_use_lowest(struct space *space)
{
	space_use_reserve(space);
	space->open.low = true;
	while (space_drain_some(space))
		;
}

/* ---- give back ------------------------------------------------------------------------------- */

static int release_taken(struct space *space, struct run run)
{
	if (!space_map_is(&space->map, run, SPACE_TAKEN))
		return error_damaged(run.start, "freed, but not in use");
	space_map_set(&space->map, run, SPACE_TAKEN, SPACE_FREE);
	space->open.low_region = 0;
	return 0;
}

int space_release(struct space *space, struct run run, uint64_t birth)
{
	struct space_txn *open = &space->open;
	struct run_list *freed =
		&open->freed[birth > open->bounds.slot_txn ? QUEUE_YOUNG : QUEUE_OLD];
	int r;

	assert(open->open && !space->log.pending.ready);
	if (!space_map_contains(&space->map, run))
		return error_damaged(run.start, "freed, but not in the file");
	if (birth > open->txn)
		return error_damaged(run.start, "it bears the number of a transaction to come");
	if (birth == open->txn)
		return release_taken(space, run);
	if (!space_map_is(&space->map, run, SPACE_USED))
		return error_damaged(run.start, "freed, but not in use");
	r = space_map_reserve(&space->map, run);
	if (r == 0)
		r = run_list_reserve(freed);
	if (r < 0)
		return r;
	run_list_add(freed, run);
	space_map_set(&space->map, run, SPACE_USED, SPACE_PENDING);
	return 0;
}

bool space_is_taken(const struct space *space, uint64_t page)
{
	struct run run = {page, 1};

	return space_map_contains(&space->map, run) && space_map_is(&space->map, run, SPACE_TAKEN);
}

/* ---- end ------------------------------------------------------------------------------------- */

/* All pages that the transaction took get another state. */
static void space_end_taken(struct space *space, enum space_state to)
{
	struct space_txn *open = &space->open;

	for (size_t i = 0; i < open->touched_count; i++) {
		size_t index = open->touched[i];
		uint64_t base = (uint64_t)index * REGION_PAGES;
		struct region *region = &space->map.regions[index];
		struct run run = {0};

		while (space_map_next(region, SPACE_TAKEN, run.start + run.count, &run))
			space_map_set(&space->map, (struct run){base + run.start, run.count},
				SPACE_TAKEN, to);
		region->touched = false;
		space_map_trim(&space->map, (struct run){base, 1});
	}
	open->touched_count = 0;
}

static void forget_freed(struct space_txn *open)
{
	for (int i = 0; i < QUEUES; i++) {
		/* A list that one large transaction made long is not kept for ever. */
		if (open->freed[i].capacity > 4096)
			run_list_fini(&open->freed[i]);
		open->freed[i].count = 0;
	}
	open->open = false;
}

void space_commit(struct space *space)
{
	assert(space->open.open && space->log.pending.ready);
	space_end_taken(space, SPACE_USED);
	space_forget_cut(space);
	forget_freed(&space->open);
	space->txn = space->open.txn;
	space_log_commit(space);
}

void space_take_back_run(struct space *space, struct run run)
{
	space_map_set(&space->map, run, SPACE_PENDING, SPACE_USED);
	space_map_trim(&space->map, run);
}

void space_take_back(struct space *space, const struct run_list *freed, size_t from)
{
	for (size_t i = from; i < freed->count; i++)
		space_take_back_run(space, freed->at[i]);
}

void space_cut_off(struct space *space, uint64_t page_count)
{
	size_t last = space_map_regions(&space->map);

	for (size_t i = (size_t)(page_count / REGION_PAGES); i < last; i++) {
		uint64_t base = (uint64_t)i * REGION_PAGES;
		size_t offset = page_count > base ? (size_t)(page_count - base) : 0;
		struct run run;

		while (space_map_next(&space->map.regions[i], SPACE_FREE, offset, &run))
			space_map_set(&space->map, (struct run){base + run.start, run.count},
				SPACE_FREE, SPACE_USED);
		space_map_trim(&space->map, (struct run){base, 1});
	}
	space_map_shrink(&space->map, page_count);
}

bool space_avoid_growth(struct space *space)
{
	struct space_txn *open = &space->open;
	uint64_t end = space->map.page_count;

	assert(open->open && !space->log.pending.ready);
	if (open->frugal)
		return false;
	open->frugal = true;
	while (end > open->page_count &&
		space_map_is(&space->map, (struct run){end - 1, 1}, SPACE_FREE))
		end--;
	space_cut_off(space, end);
	return true;
}

void space_abort(struct space *space)
{
	struct space_txn *open = &space->open;

	if (!open->open)
		return;
	space_log_abort(space);
	space_lengthen(space);
	space_end_taken(space, SPACE_FREE);
	for (int i = 0; i < QUEUES; i++)
		space_take_back(space, &open->freed[i], 0);
	space_cut_off(space, open->page_count);
	space->cursor = open->cursor;
	forget_freed(open);
}

/* ---- facts ----------------------------------------------------------------------------------- */

uint64_t space_page_count(const struct space *space)
{
	return space->map.page_count;
}

void space_count(const struct space *space, struct space_counts *ret_counts)
{
	const uint64_t *counts = space->map.counts;

	*ret_counts = (struct space_counts){
		.total = space->map.page_count,
		.free = counts[SPACE_FREE],
		.pending = counts[SPACE_PENDING],
		.taken = counts[SPACE_TAKEN],
	};
}

/* Free and pending runs of one region, in order. */
static int each_in(const struct region *region, uint64_t base, space_each_fn *each, void *arg)
{
	struct run next[2]; /* free, pending */
	bool there[2];
	size_t offset = 0;

	for (;;) {
		int which, r;

		there[0] = space_map_next(region, SPACE_FREE, offset, &next[0]);
		there[1] = space_map_next(region, SPACE_PENDING, offset, &next[1]);
		if (!there[0] && !there[1])
			return 0;
		which = !there[0] || (there[1] && next[1].start < next[0].start);
		r = each(arg, (struct run){base + next[which].start, next[which].count}, which);
		if (r != 0)
			return r;
		offset = (size_t)(next[which].start + next[which].count);
	}
}

int space_each(const struct space *space, space_each_fn *each, void *arg)
{
	assert(!space->open.open);
	for (size_t i = 0; i < space_map_regions(&space->map); i++) {
		int r = each_in(&space->map.regions[i], (uint64_t)i * REGION_PAGES, each, arg);

		if (r != 0)
			return r;
	}
	return 0;
}

const struct pager_source space_source = {
	.alloc = space_alloc, .release = space_release, .avoid_growth = space_avoid_growth};
