/* Placement: page numbers in the file for the pages that a transaction made in memory.
 *
 * A page refers to its children with a tag from their checksums, so children come first. Free pages
 * are taken in as few runs as possible, leaves in the order of their keys.
 */
#ifndef STORE_COMMIT_PLACEMENT_H
#define STORE_COMMIT_PLACEMENT_H

#include "store/tree/pager.h"

/** A page with its page number. */
struct placed_page {
	uint64_t ref;	     /* its reference in the file */
	uint64_t dirty;	     /* the one it had in memory */
	const uint8_t *data; /* PAGE_SIZE bytes, sealed */
};

/** The trees whose pages are placed: those of the transaction, and those that its savepoints have. */
struct placement_trees {
	struct format_tree **at; /* TREE_COUNT trees each */
	size_t count;
	uint64_t *refs; /* with savepoints: room for the reference of each page in memory, by index,
			   zeroed; else NULL */
};

/** Assign page numbers to all pages in memory that the trees reach, and seal them. References to
 *  them, also those of the trees, become references to the file. After a failure without savepoints
 *  the transaction can only be aborted; with savepoints nothing has changed.
 *  @param ret_placed  all pages by page number, ascending; returned, free with free()
 *  @param ret_count   how many
 *  @return 0; -ENOSPC; -ENOMEM */
int placement_assign(struct pager *pager, const struct placement_trees *trees,
	struct placed_page **ret_placed, size_t *ret_count);

/** Undo a placement whose pages could not be written.
 *  @param placed  as placement_assign() gave it */
void placement_undo(struct pager *pager, const struct placement_trees *trees,
	struct placed_page *placed, size_t count);

#endif
