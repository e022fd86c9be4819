/* Moving what a tree holds to lower pages of the file.
 *
 * Nodes, overflow pages and blocks of values that lie high are copied to free pages that lie low.
 * Nothing else about them changes: an entry keeps its version, a block its checksum. What a
 * snapshot shares stays where it is: to move it would be to store it twice.
 *
 *     file before   [ used | free | used | free | used | log | used ]
 *                                               ^ ceiling
 *     after         [ used | used | used | free | free | ..........]
 */
#ifndef STORE_COMPACT_RELOCATE_H
#define STORE_COMPACT_RELOCATE_H

#include "keytree.h"
#include "store/tree/pager.h"
#include "store/tree/tree_edit.h"

enum relocate_how {
	RELOCATE_GATHER, /* values in several pieces come together where a run of their length is free
		      */
	RELOCATE_WHOLE,	 /* what lies high moves to runs that hold it whole */
	RELOCATE_PIECES, /* what lies high moves to wherever there is room, if need be in pieces */
};

/** Where a walk through a tree is. */
struct relocate_position {
	uint8_t key[KT_KEY_MAX]; /* everything before it was looked at */
	size_t size;
	uint64_t block; /* of the value of key: it was looked at up to there */
	bool end;	/* there is nothing more */
};

/** A walk, for the length of one transaction. */
struct relocation {
	struct pager *pager;
	struct format_tree *tree;
	enum relocate_how how;
	uint64_t ceiling; /* pages from here on lie high */
	uint64_t room;	  /* free pages below the ceiling, but for those that nodes will take */
	uint64_t budget;  /* pages that it may still copy */
	uint64_t seen;	  /* pages that it came by */
	bool full;	  /* it ended because there is no room */
};

/** Walk on through a tree, moving what is to be moved, until the budget is used up or there is no
 *  room. */
int relocate_continue(struct relocation *relocation, struct relocate_position *position);

/* For relocate_blocks.c: */

/** May what was written by a transaction be moved: is it of no snapshot, and of an earlier one? */
bool relocate_owns(const struct relocation *relocation, uint64_t birth);

/** Does a run of pages reach too high, and may it be moved? */
bool relocate_is_high(
	const struct relocation *relocation, uint64_t page, uint64_t count, uint64_t birth);

/** Is there room for so many blocks, and for the nodes that refer to them? If not, relocation->full
 *  is set. */
bool relocate_has_room(struct relocation *relocation, uint64_t count);

/** Bring the nodes of a path down. */
int relocate_lower_nodes(
	struct relocation *relocation, struct format_tree *tree, struct path *path);

#endif
