/* Visiting the pages that entries refer to: attributes, extents, and the trees of extents. It is
 * the part of tree_visit.h that knows what a cell holds. */
#ifndef STORE_VALUE_VALUE_VISIT_H
#define STORE_VALUE_VALUE_VISIT_H

#include "store/tree/tree_visit.h"

/** Visit all that the cell of an entry refers to, except its key. It can be the cell() of a visitor;
 *  the visitor's extent() is called for each extent.
 *  @return as tree_visit() */
int value_visit_cell(struct tree_visitor *visitor, const uint8_t *node, const struct cell *cell);

#endif
