/* The end of the file: how much of it is free, and giving it up (space_cut()). */
#include "store/space/space_internal.h"

#include <assert.h>

uint64_t space_free_below(const struct space *space, uint64_t page)
{
	const struct space_map *map = &space->map;
	uint64_t count = 0;

	for (size_t i = 0; i < space_map_regions(map); i++) {
		uint64_t base = (uint64_t)i * REGION_PAGES;
		struct run run = {0};

		if (base + REGION_PAGES <= page) {
			count += map->regions[i].free;
			continue;
		}
		while (space_map_next(&map->regions[i], SPACE_FREE, (size_t)(run.start + run.count),
			       &run) &&
			base + run.start < page)
			count += run.count < page - base - run.start ? run.count
								     : page - base - run.start;
	}
	return count;
}

/* Free pages of the run that ends with the file. */
static uint64_t free_at_end(const struct space *space)
{
	const struct space_map *map = &space->map;
	uint64_t end = map->page_count;

	while (end > PAGE_FIRST && space_map_is(map, (struct run){end - 1, 1}, SPACE_FREE))
		end--;
	return map->page_count - end;
}

uint64_t space_spare(const struct space *space)
{
	uint64_t at_end = free_at_end(space);
	uint64_t elsewhere = space->map.counts[SPACE_FREE] - at_end;
	uint64_t keep = space->reserve > elsewhere ? space->reserve - elsewhere : 0;

	return at_end > keep ? at_end - keep : 0;
}

void space_cut(struct space *space)
{
	assert(space->open.low);
	space->open.cut = true;
}

/* What is cut off stays in its regions until the commit, so that an abort needs no memory. */
void space_shorten(struct space *space)
{
	struct space_txn *open = &space->open;
	uint64_t count = space_spare(space);
	struct run run = {space->map.page_count - count, count};

	assert(open->cut && open->cut_from == 0);
	open->cut_from = space->map.page_count;
	if (count == 0)
		return;
	space_map_set(&space->map, run, SPACE_FREE, SPACE_USED);
	space_map_shrink(&space->map, run.start);
}

/* The file is as long again as before the cut. It may have grown since. */
void space_lengthen(struct space *space)
{
	uint64_t end = space->map.page_count;
	struct run run = {end, space->open.cut_from - end};

	if (space->open.cut_from <= end)
		return;
	space_map_extend(&space->map, run.start + run.count);
	space_map_set(&space->map, run, SPACE_USED, SPACE_FREE);
	space->open.cut_from = 0;
}

void space_forget_cut(struct space *space)
{
	uint64_t end = space->map.page_count;

	if (space->open.cut_from > end)
		space_map_forget(&space->map, space->open.cut_from);
	if (space->cursor >= end)
		space->cursor = 0;
}
