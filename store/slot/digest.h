/* What was written to the file since the last durable slot, and its digest (I3).
 *
 * A durable slot lists these pages, so that recovery can tell whether all of them reached the disk
 * together with the slot. Pages that are not in use any more must not be listed: they may be
 * written again while the slot still counts. Past a bound the list is given up, and the next
 * flush writes pages and slot in two steps.
 */
#ifndef STORE_SLOT_DIGEST_H
#define STORE_SLOT_DIGEST_H

#include "store/tree/page.h"

#include <stdbool.h>
#include <stddef.h>

#define UNSYNCED_MAX 1024 /* pages one digest covers: 4 MiB */
#define UNSYNCED_CAPACITY (2 * UNSYNCED_MAX)

struct unsynced_page {
	uint64_t page; /* number and what it is; 0: no note */
	uint64_t sum;
};

/** The list: a hash table by page number with linear probing. */
struct unsynced {
	bool overflow; /* the list is not complete */
	size_t count;  /* notes, those of pages that are gone included */
	struct unsynced_page notes[UNSYNCED_CAPACITY];
};

/** Pages of a run in a slot. */
static inline uint64_t run_size(uint64_t run)
{
	return (run & ~RUN_BLOCKS) >> PAGE_BITS;
}

/** Forget everything: it is on the disk now. */
void unsynced_clear(struct unsynced *unsynced);

/** Note that a page was written.
 *  @param blocks  it is a block of a value; else it has a header
 *  @param sum     its checksum */
void unsynced_add(struct unsynced *unsynced, uint64_t page, bool blocks, uint64_t sum);

/** Note that pages are no more in use. */
void unsynced_remove(struct unsynced *unsynced, const struct run *run);

/** Fill runs, run_count, digest and the flag of a slot.
 *  @param map       of the file, to tell log pages that are no more in use
 *  @param tail_seq  of the slot: log pages with a lower sequence number are none of it
 *  @return true; false: the list is not complete or too long, and what it covers must be synced
 *          before the slot is written */
bool digest_make(struct unsynced *unsynced, const uint8_t *map, uint64_t tail_seq, uint64_t seed,
	struct format_slot *slot);

/** Verify the digest of a slot against the file.
 *  @param map    of the file
 *  @param pages  of the file that may be read
 *  @return true: all that the slot lists is there, or it lists nothing */
bool digest_verify(
	const struct format_slot *slot, const uint8_t *map, uint64_t pages, uint64_t seed);

#endif
