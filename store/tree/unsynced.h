/* Pages written to the file since the last durable slot, each with its checksum (I3).
 *
 * The next durable slot lists them, so that recovery can tell whether all of them reached the disk
 * together with the slot (slot/digest.h). A page that is no longer in use must not be listed: it
 * may be overwritten while the slot is still valid. When there are too many pages the list
 * overflows, and the next flush syncs the pages before it writes the slot.
 */
#ifndef STORE_TREE_UNSYNCED_H
#define STORE_TREE_UNSYNCED_H

#include "store/tree/page.h"

#include <stdbool.h>
#include <stddef.h>

#define UNSYNCED_MAX 1024 /* pages one digest covers: 4 MiB */
#define UNSYNCED_CAPACITY (2 * UNSYNCED_MAX)

/** A page and its checksum. */
struct unsynced_page {
	uint64_t page; /* its number and UNSYNCED_ flags; 0: empty */
	uint64_t sum;
};

#define UNSYNCED_BLOCK (UINT64_C(1) << 63) /* a block of a value, which has no header */
#define UNSYNCED_GONE (UINT64_C(1) << 62)  /* not in use any more */

/** The list: a hash table by page number with linear probing. It lies in the lock area, so that a
 * writer knows what other processes wrote. */
struct unsynced {
	bool overflow; /* the list is not complete */
	size_t count;  /* pages, those not in use any more included */
	struct unsynced_page pages[UNSYNCED_CAPACITY];
};

/** Empty the list: all its pages are on the disk. */
void unsynced_clear(struct unsynced *unsynced);

/** Add a page that was written.
 *  @param block  it is a block of a value; else it has a header
 *  @param sum    its checksum */
void unsynced_add(struct unsynced *unsynced, uint64_t page, bool block, uint64_t sum);

/** Mark pages that are not in use any more. */
void unsynced_remove(struct unsynced *unsynced, const struct run *run);

#endif
