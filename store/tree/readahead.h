/* Bringing leaves to memory before a cursor comes to them.
 *
 * Leaves that follow each other in their tree may lie anywhere in the file. A page fault for each
 * would wait for the disk once per leaf, while the disk can read many at a time. So a cursor that
 * goes from leaf to leaf prefetches the following ones, and more of them the longer it goes on, as
 * the kernel does for files that are read in order (benchmark: "first list of 100 files, cold").
 */
#ifndef STORE_TREE_READAHEAD_H
#define STORE_TREE_READAHEAD_H

#include <stdbool.h>
#include <stdint.h>

struct pager;
struct path;

/** How far a cursor has asked. All 0: it has just come to where it is. */
struct readahead {
	uint64_t branch; /* reference of the node above the leaf it was on, or 0 */
	bool forward;	 /* the direction it went */
	unsigned asked;	 /* leaves in front of it that were asked for */
	unsigned window; /* of how many it asks next */
};

/** The cursor goes to a place that has nothing to do with where it was. */
void readahead_reset(struct readahead *ahead);

/** The cursor is about to leave a leaf for the one beside it.
 *  @param path     to a cell of the leaf
 *  @param forward  to the right; else to the left */
void readahead_step(
	struct readahead *ahead, struct pager *pager, const struct path *path, bool forward);

#endif
