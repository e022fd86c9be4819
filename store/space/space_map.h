/* The state of every page, two bits each, and the search for long runs of free ones.
 *
 * The bits of 4096 pages (16 MiB of file) make a region; one in which every page is in use has
 * none. A summary of each region (how many pages are free, and a bound for the longest run of them)
 * lies apart, so that a search passes over a region by one look.
 */
#ifndef STORE_SPACE_SPACE_MAP_H
#define STORE_SPACE_SPACE_MAP_H

#include "store/format.h"
#include "store/tree/page.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bit 0 and bit 1 of a state are bits of the two bitmaps of a region. */
enum space_state {
	SPACE_USED = 0,
	SPACE_FREE = 1,
	SPACE_PENDING = 2,
	SPACE_TAKEN = 3,
};

#define REGION_PAGES LOG_REGION
#define REGION_WORDS (REGION_PAGES / 64)

struct region_bits {
	uint64_t plane[2][REGION_WORDS];
};

struct region {
	struct region_bits *bits; /* NULL: all pages are in use */
	uint16_t free;		  /* pages free */
	uint16_t held;		  /* pages pending or taken */
	uint16_t longest;	  /* no run of free pages in the region is longer */
	bool touched;		  /* for the user of the map */
	bool known;		  /* for the user of the map */
};

struct space_map {
	struct region *regions;
	size_t capacity;     /* of regions, those behind the end are all 0 */
	uint64_t page_count; /* pages of the file; the ones before PAGE_FIRST are always in use */
	uint64_t counts[4];  /* pages by state, those before PAGE_FIRST left out */
	uint64_t looked_at;  /* by searches so far: words and summaries. Tests bound it */
};

/** Free the memory. */
void space_map_fini(struct space_map *map);

/** Number of regions. */
size_t space_map_regions(const struct space_map *map);

/** Make the file longer; the new pages are in use. @return 0; -ENOMEM: nothing has happened */
int space_map_grow(struct space_map *map, uint64_t page_count);

/** The same up to a length that the file had before, in regions that are still reserved. Needs no
 *  memory. */
void space_map_extend(struct space_map *map, uint64_t page_count);

/** Free what is left of regions behind the end of the file, which was longer.
 *  @param page_count  its length then */
void space_map_forget(struct space_map *map, uint64_t page_count);

/** Make the file shorter. What is cut off must be in use. */
void space_map_shrink(struct space_map *map, uint64_t page_count);

/** Does the run lie between PAGE_FIRST and the end of the file, and is not empty? */
bool space_map_contains(const struct space_map *map, struct run run);

/** Are all pages of a run, which the map contains, in a state? */
bool space_map_is(const struct space_map *map, struct run run, enum space_state state);

/** Make sure that space_map_set() has the memory it needs for a run.
 *  @return 0; -ENOMEM; then part of it may be there, which does no harm */
int space_map_reserve(struct space_map *map, struct run run);

/** Change the state of a run. All of it must be in state from, and reserved. */
void space_map_set(
	struct space_map *map, struct run run, enum space_state from, enum space_state to);

/** Free the bits of the regions of a run in which every page is in use. */
void space_map_trim(struct space_map *map, struct run run);

/** Find the next run of pages of a state within a region.
 *  @param offset   where to begin; pages from the region's first one
 *  @param ret_run  pages counted from the region's first one
 *  @return was there one? */
bool space_map_next(
	const struct region *region, enum space_state state, size_t offset, struct run *ret_run);

/** Number of runs of free pages in a region. */
size_t space_map_count_runs(const struct region *region);

/** The free pages of a region as a bitmap. @param ret_bitmap  REGION_WORDS words */
void space_map_bitmap(const struct region *region, uint64_t *ret_bitmap);

/** Pages that a search looks at, counted from its cursor. */
#define SPACE_MAP_WINDOW (UINT64_C(256) * REGION_PAGES)

/** Find the lowest run of free pages within a region that is at least so long.
 *  @param count    at most REGION_PAGES
 *  @param ret_run  count pages
 *  @return was there one? */
bool space_map_find_lowest(struct space_map *map, uint64_t count, struct run *ret_run);

/** Find a run of free pages, near to want pages long.
 *  @param cursor      page number to search from; the search begins anew at the end of the file
 *  @param everywhere  look at the summaries of the whole file; else only at those of the window
 *                     behind the cursor, so that the work is bounded
 *  @param ret_run     1 to want pages
 *  @return was there one? false only where no page of the window or of the file is free */
bool space_map_find(struct space_map *map, uint64_t cursor, bool everywhere, uint64_t want,
	struct run *ret_run);

#endif
