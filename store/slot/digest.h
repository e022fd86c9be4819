/* The digest of a durable slot: it proves that the pages written before the slot are on the disk
 * (I3), so that pages and slot need only one sync. See tree/unsynced.h for the list of pages. */
#ifndef STORE_SLOT_DIGEST_H
#define STORE_SLOT_DIGEST_H

#include "store/tree/unsynced.h"

/** Pages of a run in a slot. */
static inline uint64_t run_size(uint64_t run)
{
	return (run & ~RUN_BLOCKS) >> PAGE_BITS;
}

/** Fill runs, run_count, digest and the flag of a slot.
 *  @param map       of the file, to find log pages that are not in use any more
 *  @param tail_seq  of the slot: log pages with a lower sequence number do not belong to it
 *  @return true; false: the list is not complete or too long, and its pages must be synced before
 *          the slot is written */
bool digest_make(const struct unsynced *unsynced, const uint8_t *map, uint64_t tail_seq,
	uint64_t seed, struct format_slot *slot);

/** Verify the digest of a slot against the file.
 *  @param map    of the file
 *  @param pages  of the file that may be read
 *  @return true: all pages that the slot lists are there, or it lists none */
bool digest_verify(
	const struct format_slot *slot, const uint8_t *map, uint64_t pages, uint64_t seed);

#endif
