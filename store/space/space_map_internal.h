/* What space_map.c and space_map_find.c share. */
#ifndef STORE_SPACE_SPACE_MAP_INTERNAL_H
#define STORE_SPACE_SPACE_MAP_INTERNAL_H

#include "store/space/space_map.h"

/** The pages of one word that are in a state. */
static inline uint64_t space_map_word(
	const struct region_bits *bits, size_t word, enum space_state state)
{
	uint64_t low = bits->plane[0][word];
	uint64_t high = bits->plane[1][word];

	return ((state & 1) != 0 ? low : ~low) & ((state & 2) != 0 ? high : ~high);
}

/** First page of the run of free pages that ends before end, or end itself. */
size_t space_map_run_begin(const struct region_bits *bits, size_t end);

#endif
