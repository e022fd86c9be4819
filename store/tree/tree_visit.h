/* Visiting every page that a tree leads to: its nodes and its chains of overflow pages.
 *
 * The visitor decides what a visit means. Its enter() returns the bytes of a page, or skips the
 * page and all below it, for example because another tree shares them and they were visited there.
 * value_visit.h goes on into the values.
 */
#ifndef STORE_TREE_TREE_VISIT_H
#define STORE_TREE_TREE_VISIT_H

#include "store/tree/cell.h"

struct extent;
struct tree_visitor;

struct tree_visitor {
	/** Enter a page. @param ret_page  its verified bytes; NULL: skip what it leads to */
	int (*enter)(struct tree_visitor *visitor, uint64_t ref, const uint8_t **ret_page);

	/** A cell of a leaf, in its node; NULL: none is looked at. value_visit_cell() visits its
	 *  value. */
	int (*cell)(struct tree_visitor *visitor, const uint8_t *node, const struct cell *cell);

	/** Only for value_visit_cell(): the pages of an extent. */
	int (*extent)(struct tree_visitor *visitor, const struct extent *extent);

	/** The last visit of a page, when all below it was visited; may be NULL. */
	int (*leave)(struct tree_visitor *visitor, uint64_t ref);

	struct pager *pager;
};

/** Visit a tree.
 *  @param depth  levels; 0: the tree is empty
 *  @return 0; -EUCLEAN; what a call of the visitor returned */
int tree_visit(struct tree_visitor *visitor, uint64_t root, unsigned depth);

/** Visit a chain of overflow pages. @param size  bytes that it must hold */
int tree_visit_overflow(struct tree_visitor *visitor, uint64_t ref, uint64_t size);

#endif
