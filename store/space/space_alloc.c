/* Taking pages: from the free ones, or by letting the file grow. */
#include "store/space/space_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* A run so long is good enough, whatever is wanted. */
#define RUN_DECENT 16
#define RUN_SMALL 16

/* Have room to note the regions of a run as touched. */
static int alloc_reserve(struct space_txn *open, struct run run)
{
	size_t need = open->touched_count + (size_t)(run.count / REGION_PAGES) + 2;
	size_t capacity = open->touched_capacity * 2 > need ? open->touched_capacity * 2 : need;
	size_t *touched;

	if (need <= open->touched_capacity)
		return 0;
	touched = realloc(open->touched, capacity * sizeof(*touched));
	if (touched == NULL)
		return -ENOMEM;
	open->touched = touched;
	open->touched_capacity = capacity;
	return 0;
}

static void alloc_take(struct space *space, struct run run, enum space_state from)
{
	struct space_txn *open = &space->open;
	size_t last = (size_t)((run.start + run.count - 1) / REGION_PAGES);

	for (size_t i = (size_t)(run.start / REGION_PAGES); i <= last; i++) {
		if (space->map.regions[i].touched)
			continue;
		space->map.regions[i].touched = true;
		open->touched[open->touched_count++] = i;
	}
	space_map_set(&space->map, run, from, SPACE_TAKEN);
}

uint64_t space_growth(const struct space *space)
{
	uint64_t limit = space->open.uses_reserve ? space->limit_with_reserve : space->limit;

	return limit > space->map.page_count ? limit - space->map.page_count : 0;
}

/* Take pages behind the end of the file. */
static int alloc_extend(struct space *space, uint64_t want, struct run *ret_run)
{
	uint64_t end = space->map.page_count;
	uint64_t growth = space_growth(space);
	struct run run = {end, want};
	int err;

	if (growth == 0)
		return -ENOSPC;
	if (run.count > growth)
		run.count = growth;
	err = alloc_reserve(&space->open, run);
	if (err)
		return err;
	err = space_map_grow(&space->map, end + run.count);
	if (err)
		return err;
	err = space_map_reserve(&space->map, run);
	if (err) {
		space_map_shrink(&space->map, end);
		return err;
	}
	alloc_take(space, run, SPACE_USED);
	*ret_run = run;
	return 0;
}

/* Is a run worth taking, rather than to let the file grow? With an eighth of the file free, it is;
 * with less, a store may grow to that for the sake of long runs. A small commit wants one run: its
 * pages come free together, and serve the next ones again and again. */
static bool alloc_is_decent(const struct space *space, uint64_t count, uint64_t want)
{
	uint64_t free_pages = space->map.counts[SPACE_FREE];

	return count >= want || count >= RUN_DECENT || (want > RUN_SMALL && count * 4 >= want) ||
	       (free_pages >= want && free_pages >= space->map.page_count / 8);
}

/* Free pages that the open transaction may have. */
static uint64_t alloc_usable(const struct space *space)
{
	uint64_t reserve = space->open.uses_reserve ? 0 : space->reserve;
	uint64_t free_pages = space->map.counts[SPACE_FREE];

	return free_pages > reserve ? free_pages - reserve : 0;
}

/* The lowest run of free pages, however short. */
static bool alloc_find_lowest(struct space *space, uint64_t want, struct run *ret_run)
{
	const struct space_map *map = &space->map;
	size_t *at = &space->open.low_region;

	while (*at < space_map_regions(map) && map->regions[*at].free == 0)
		(*at)++;
	if (*at == space_map_regions(map) ||
		!space_map_next(&map->regions[*at], SPACE_FREE, 0, ret_run))
		return false;
	ret_run->start += (uint64_t)*at * REGION_PAGES;
	if (ret_run->count > want)
		ret_run->count = want;
	return true;
}

/* Look for free pages, taking over pending ones only as far as they are needed. */
static bool alloc_find(struct space *space, bool everywhere, uint64_t want, struct run *ret_run)
{
	bool drained = false;

	for (;;) {
		uint64_t most = alloc_usable(space);
		bool found = most > 0 &&
			     space_map_find(&space->map, space->cursor, everywhere, want, ret_run);

		if (found && ret_run->count > most)
			ret_run->count = most;

		if (found && (drained || alloc_is_decent(space, ret_run->count, want)))
			return true;
		if (!space_drain_some(space))
			return found;
		drained = true;
	}
}

/* The limit is reached: any free page will do, and those of the reserve where it is offered. */
static bool alloc_find_at_limit(struct space *space, uint64_t want, struct run *ret_run)
{
	struct space_txn *open = &space->open;

	if (alloc_find(space, true, want, ret_run))
		return true;
	if (!space_offers_reserve(space))
		return false;
	open->uses_reserve = true;
	return alloc_find(space, true, want, ret_run);
}

int space_alloc(struct space *space, uint64_t want, struct run *ret_run)
{
	struct space_txn *open = &space->open;
	struct run run = {0};
	bool found;
	int err;

	assert(open->open && !space->log.pending.ready && want > 0);
	found = open->low ? alloc_find_lowest(space, want, &run)
			  : alloc_find(space, open->frugal, want, &run);
	if (!found || (!open->frugal && !alloc_is_decent(space, run.count, want))) {
		err = alloc_extend(space, want, ret_run);
		if (!err && space->map.counts[SPACE_FREE] > 0)
			space->cursor = (space->cursor + SPACE_MAP_WINDOW) % space->map.page_count;
		if (err != -ENOSPC)
			return err;
		if (!alloc_find_at_limit(space, want, &run)) {
			/* The reserve lets the file grow a little further. */
			return open->uses_reserve ? alloc_extend(space, want, ret_run) : err;
		}
	}
	err = alloc_reserve(open, run);
	if (err)
		return err;
	alloc_take(space, run, SPACE_FREE);
	space->cursor = run.start + run.count;
	*ret_run = run;
	return 0;
}

int space_alloc_low(struct space *space, uint64_t count, uint64_t below, struct run *ret_run)
{
	struct run run;
	int err;

	assert(space->open.low && !space->log.pending.ready && count > 0);
	if (!space_map_find_lowest(&space->map, count, &run) || run.start + count > below)
		return -ENOSPC;
	err = alloc_reserve(&space->open, run);
	if (err)
		return err;
	alloc_take(space, run, SPACE_FREE);
	*ret_run = run;
	return 0;
}
