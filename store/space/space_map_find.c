/* The search for long runs of free pages. */
#include "store/space/space_map_internal.h"

#include <assert.h>

/* Bounds of a search: summaries looked at, and regions whose bits are looked at. */
#define WINDOW (SPACE_MAP_WINDOW / REGION_PAGES)
#define SCANS 6

/* Where in a word runs of length set bits begin. */
static uint64_t find_runs_in(uint64_t word, uint64_t length)
{
	if (length > 64)
		return 0;
	while (length > 1) {
		uint64_t half = length / 2;

		word &= word >> half;
		length -= half;
	}
	return word;
}

static void find_keep_longer(struct run *best, uint64_t start, uint64_t count)
{
	if (count > best->count)
		*best = (struct run){start, count};
}

/* The first run of want free pages at or behind offset, or else the longest run there is. Runs that
 * are not longer than the best so far are never looked at one by one. */
static struct run find_longest_run(const struct region_bits *bits, size_t offset, uint64_t want)
{
	struct run best = {0};
	struct run open = {0}; /* reaches the end of the word before */
	uint64_t mask = UINT64_MAX << offset % 64;

	for (size_t word = offset / 64; word < REGION_WORDS && best.count < want; word++) {
		uint64_t pages = space_map_word(bits, word, SPACE_FREE) & mask;
		uint64_t found, top;

		mask = UINT64_MAX;
		if (open.count == 0)
			open.start = word * 64;
		if (pages == 0) { /* most words of a store that is in use */
			find_keep_longer(&best, open.start, open.count);
			open.count = 0;
			continue;
		}
		if (pages == UINT64_MAX) {
			open.count += 64;
			find_keep_longer(&best, open.start, open.count);
			continue;
		}
		find_keep_longer(&best, open.start, open.count + (uint64_t)__builtin_ctzll(~pages));
		while ((found = find_runs_in(pages, best.count + 1)) != 0 && best.count < want) {
			unsigned start = (unsigned)__builtin_ctzll(found);

			find_keep_longer(&best, word * 64 + start,
				(uint64_t)__builtin_ctzll(~(pages >> start)));
		}
		top = (uint64_t)__builtin_clzll(~pages);
		open = (struct run){word * 64 + 64 - top, top};
	}
	return best;
}

/* Look through a region from offset on for a run of want pages; remember the longest one. */
static bool find_scan_region(
	struct space_map *map, size_t index, size_t offset, uint64_t want, struct run *best)
{
	struct region *region = &map->regions[index];
	struct run found;

	if (region->bits == NULL)
		return false;
	map->looked_at += REGION_WORDS - offset / 64;
	found = find_longest_run(region->bits, offset, want);
	find_keep_longer(best, (uint64_t)index * REGION_PAGES + found.start, found.count);
	if (found.count >= want)
		return true;
	if (offset == 0)
		region->longest = (uint16_t)found.count;
	return false;
}

/* Number of regions in the window; the first one is entered twice if it is the whole file. */
static size_t find_window(const struct space_map *map, bool everywhere)
{
	size_t regions = space_map_regions(map);

	return everywhere || regions < WINDOW ? regions + 1 : WINDOW;
}

/* Go forward through the window; true: there is a run as long as wanted. */
static bool find_scan_forward(
	struct space_map *map, uint64_t cursor, size_t window, uint64_t want, struct run *best)
{
	size_t index = (size_t)(cursor / REGION_PAGES);
	size_t offset = cursor % REGION_PAGES;
	int scans = 0;

	for (size_t i = 0; i < window && scans < SCANS; i++, index++, offset = 0) {
		if (index >= space_map_regions(map))
			index = 0;
		map->looked_at++;
		if (map->regions[index].longest < want)
			continue;
		scans++;
		if (find_scan_region(map, index, offset, want, best))
			return true;
	}
	return false;
}

/* The region of the window that may have the longest run. */
static size_t find_most_promising(struct space_map *map, uint64_t cursor, size_t window)
{
	size_t index = (size_t)(cursor / REGION_PAGES);
	size_t best = index;

	map->looked_at += window;
	for (size_t i = 0; i < window; i++, index++) {
		if (index >= space_map_regions(map))
			index = 0;
		if (map->regions[index].longest > map->regions[best].longest)
			best = index;
	}
	return best;
}

/* Find the longest run of the window: a summary may promise too much, but not after a scan. */
static void find_scan_promising(
	struct space_map *map, uint64_t cursor, size_t window, uint64_t want, struct run *best)
{
	for (int scans = 0; scans < SCANS; scans++) {
		size_t index = find_most_promising(map, cursor, window);

		if (map->regions[index].longest <= best->count ||
			find_scan_region(map, index, 0, want, best))
			return;
	}
}

/* A run that ends with its region goes on where the next one begins with free pages. */
static void find_go_on(const struct space_map *map, uint64_t want, struct run *run)
{
	while (run->count < want) {
		uint64_t end = run->start + run->count;
		struct run more;

		if (end % REGION_PAGES != 0 || end >= map->page_count ||
			!space_map_next(&map->regions[end / REGION_PAGES], SPACE_FREE, 0, &more) ||
			more.start != 0)
			return;
		run->count += more.count;
	}
}

/* So does one that begins with its region, backwards. */
static void find_go_back(const struct space_map *map, uint64_t want, struct run *run)
{
	while (run->count < want && run->start % REGION_PAGES == 0 && run->start > 0) {
		const struct region *region = &map->regions[(run->start - 1) / REGION_PAGES];
		size_t begin;

		if (region->bits == NULL)
			return;
		begin = space_map_run_begin(region->bits, REGION_PAGES);
		if (begin == REGION_PAGES)
			return;
		run->start -= REGION_PAGES - begin;
		run->count += REGION_PAGES - begin;
	}
}

bool space_map_find_lowest(struct space_map *map, uint64_t count, struct run *ret_run)
{
	assert(count > 0 && count <= REGION_PAGES);
	for (size_t i = 0; i < space_map_regions(map); i++) {
		struct run best = {0};

		if (map->regions[i].longest >= count && find_scan_region(map, i, 0, count, &best)) {
			*ret_run = (struct run){best.start, count};
			return true;
		}
	}
	return false;
}

bool space_map_find(
	struct space_map *map, uint64_t cursor, bool everywhere, uint64_t want, struct run *ret_run)
{
	size_t window = find_window(map, everywhere);
	struct run best = {0};

	assert(want > 0);
	if (map->counts[SPACE_FREE] == 0)
		return false;
	if (cursor >= map->page_count)
		cursor = 0;
	if (!find_scan_forward(map, cursor, window, want, &best))
		find_scan_promising(map, cursor, window, want, &best);
	if (best.count == 0)
		return false;
	find_go_on(map, want, &best);
	find_go_back(map, want, &best);
	if (best.count > want)
		best.count = want;
	*ret_run = best;
	return true;
}
