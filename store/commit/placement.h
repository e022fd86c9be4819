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

/** Assign page numbers to all pages in memory that the trees reach, and seal them. References to
 *  them, also those of the trees, become references to the file.
 *  @param trees       TREE_COUNT of them
 *  @param ret_placed  all pages by page number, ascending; returned, free with free()
 *  @param ret_count   how many
 *  @return 0; -ENOSPC; -ENOMEM */
int placement_assign(struct pager *pager, struct format_tree *trees,
	struct placed_page **ret_placed, size_t *ret_count);

#endif
