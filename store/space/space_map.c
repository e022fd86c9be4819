#include "store/space/space_map_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* ---- words ----------------------------------------------------------------------------------- */

/* First page at or behind offset that is in the state (or, with not, that is not); REGION_PAGES if
 * there is none. */
static size_t next_in(
	const struct region_bits *bits, enum space_state state, bool not, size_t offset)
{
	size_t word = offset / 64;
	uint64_t flip = not ? UINT64_MAX : 0;
	uint64_t mask = UINT64_MAX << offset % 64;

	for (; word < REGION_WORDS; word++, mask = UINT64_MAX) {
		uint64_t found = (space_map_word(bits, word, state) ^ flip) & mask;

		if (found != 0)
			return word * 64 + (size_t)__builtin_ctzll(found);
	}
	return REGION_PAGES;
}

size_t space_map_run_begin(const struct region_bits *bits, size_t end)
{
	size_t word = end / 64;
	uint64_t mask = (UINT64_C(1) << end % 64) - 1;

	if (word == REGION_WORDS) {
		word--;
		mask = UINT64_MAX;
	}
	for (;; mask = UINT64_MAX) {
		uint64_t busy = ~space_map_word(bits, word, SPACE_FREE) & mask;

		if (busy != 0)
			return word * 64 + 64 - (size_t)__builtin_clzll(busy);
		if (word-- == 0)
			return 0;
	}
}

bool space_map_next(
	const struct region *region, enum space_state state, size_t offset, struct run *ret_run)
{
	size_t start, end;

	if (region->bits == NULL || offset >= REGION_PAGES)
		return false;
	start = next_in(region->bits, state, false, offset);
	if (start == REGION_PAGES)
		return false;
	end = next_in(region->bits, state, true, start);
	*ret_run = (struct run){start, end - start};
	return true;
}

void space_map_bitmap(const struct region *region, uint64_t *ret_bitmap)
{
	for (size_t i = 0; i < REGION_WORDS; i++)
		ret_bitmap[i] =
			region->bits != NULL ? space_map_word(region->bits, i, SPACE_FREE) : 0;
}

size_t space_map_count_runs(const struct region *region)
{
	uint64_t before = 0; /* the last page of the word before, in bit 0 */
	size_t count = 0;

	for (size_t i = 0; i < REGION_WORDS && region->bits != NULL; i++) {
		uint64_t pages = space_map_word(region->bits, i, SPACE_FREE);

		count += (size_t)__builtin_popcountll(pages & ~(pages << 1 | before));
		before = pages >> 63;
	}
	return count;
}

/* ---- size ------------------------------------------------------------------------------------ */

static size_t regions_of(uint64_t page_count)
{
	return (size_t)((page_count + REGION_PAGES - 1) / REGION_PAGES);
}

size_t space_map_regions(const struct space_map *map)
{
	return regions_of(map->page_count);
}

void space_map_fini(struct space_map *map)
{
	for (size_t i = 0; i < map->capacity; i++)
		free(map->regions[i].bits);
	free(map->regions);
	*map = (struct space_map){0};
}

/* Pages of a file that have a state. */
static uint64_t counted(uint64_t page_count)
{
	return page_count > PAGE_FIRST ? page_count - PAGE_FIRST : 0;
}

void space_map_extend(struct space_map *map, uint64_t page_count)
{
	assert(page_count >= map->page_count && regions_of(page_count) <= map->capacity);
	map->counts[SPACE_USED] += counted(page_count) - counted(map->page_count);
	map->page_count = page_count;
}

int space_map_grow(struct space_map *map, uint64_t page_count)
{
	size_t need = regions_of(page_count);

	assert(page_count >= map->page_count && page_count <= PAGE_MAX);
	if (need > map->capacity) {
		size_t capacity = map->capacity * 2 > need ? map->capacity * 2 : need;
		struct region *regions = realloc(map->regions, capacity * sizeof(*regions));

		if (regions == NULL)
			return -ENOMEM;
		for (size_t i = map->capacity; i < capacity; i++)
			regions[i] = (struct region){0};
		map->regions = regions;
		map->capacity = capacity;
	}
	space_map_extend(map, page_count);
	return 0;
}

void space_map_forget(struct space_map *map, uint64_t page_count)
{
	size_t end = regions_of(page_count);

	assert(page_count >= map->page_count && end <= map->capacity);
	for (size_t i = space_map_regions(map); i < end; i++) {
		free(map->regions[i].bits);
		map->regions[i] = (struct region){0};
	}
}

void space_map_shrink(struct space_map *map, uint64_t page_count)
{
	assert(page_count <= map->page_count);
	map->counts[SPACE_USED] -= counted(map->page_count) - counted(page_count);
	map->page_count = page_count;
}

/* ---- state ----------------------------------------------------------------------------------- */

bool space_map_contains(const struct space_map *map, struct run run)
{
	return run.count > 0 && run.start >= PAGE_FIRST && run.start < map->page_count &&
	       run.count <= map->page_count - run.start;
}

/* The part of a run that lies in the region of its first page, relative to the region. */
static struct run part_of(struct run run)
{
	uint64_t offset = run.start % REGION_PAGES;
	uint64_t room = REGION_PAGES - offset;

	return (struct run){offset, run.count < room ? run.count : room};
}

static struct run rest_of(struct run run, struct run part)
{
	return (struct run){run.start + part.count, run.count - part.count};
}

static struct region *region_of(const struct space_map *map, uint64_t page)
{
	return &map->regions[page / REGION_PAGES];
}

bool space_map_is(const struct space_map *map, struct run run, enum space_state state)
{
	struct run part;

	for (; run.count > 0; run = rest_of(run, part)) {
		const struct region *region = region_of(map, run.start);

		part = part_of(run);
		if (region->bits == NULL) {
			if (state != SPACE_USED)
				return false;
		} else if (next_in(region->bits, state, true, part.start) <
			   part.start + part.count) {
			return false;
		}
	}
	return true;
}

int space_map_reserve(struct space_map *map, struct run run)
{
	struct run part;

	for (; run.count > 0; run = rest_of(run, part)) {
		struct region *region = region_of(map, run.start);

		part = part_of(run);
		if (region->bits == NULL)
			region->bits = calloc(1, sizeof(*region->bits));
		if (region->bits == NULL)
			return -ENOMEM;
	}
	return 0;
}

/* Set or clear the bits of a part in one plane. */
static void set_plane(uint64_t *plane, struct run part, bool value)
{
	size_t offset = part.start;
	size_t end = part.start + part.count;

	while (offset < end) {
		size_t bits = 64 - offset % 64 < end - offset ? 64 - offset % 64 : end - offset;
		uint64_t mask = (bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1)
				<< offset % 64;

		if (value)
			plane[offset / 64] |= mask;
		else
			plane[offset / 64] &= ~mask;
		offset += bits;
	}
}

/* Bring the summary up to date after part became free or was so before. */
static void summarize(
	struct region *region, struct run part, enum space_state from, enum space_state to)
{
	uint16_t pages = (uint16_t)part.count;

	if (from == SPACE_FREE)
		region->free = (uint16_t)(region->free - pages);
	else if (from != SPACE_USED)
		region->held = (uint16_t)(region->held - pages);
	if (to == SPACE_FREE) {
		size_t begin = space_map_run_begin(region->bits, part.start);
		size_t end = next_in(region->bits, SPACE_FREE, true, part.start);

		region->free = (uint16_t)(region->free + pages);
		if (end - begin > region->longest)
			region->longest = (uint16_t)(end - begin);
	} else if (to != SPACE_USED) {
		region->held = (uint16_t)(region->held + pages);
	}
	if (region->longest > region->free)
		region->longest = region->free;
}

void space_map_set(
	struct space_map *map, struct run run, enum space_state from, enum space_state to)
{
	struct run part;

	assert(space_map_contains(map, run) && space_map_is(map, run, from));
	map->counts[from] -= run.count;
	map->counts[to] += run.count;
	for (; run.count > 0; run = rest_of(run, part)) {
		struct region *region = region_of(map, run.start);

		assert(region->bits != NULL);
		part = part_of(run);
		set_plane(region->bits->plane[0], part, (to & 1) != 0);
		set_plane(region->bits->plane[1], part, (to & 2) != 0);
		summarize(region, part, from, to);
	}
}

void space_map_trim(struct space_map *map, struct run run)
{
	struct run part;

	for (; run.count > 0; run = rest_of(run, part)) {
		struct region *region = region_of(map, run.start);

		part = part_of(run);
		if (region->free == 0 && region->held == 0) {
			free(region->bits);
			region->bits = NULL;
		}
	}
}
