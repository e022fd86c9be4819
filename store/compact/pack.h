/* Packing: the children of a branch are made as full as if their cells had come in order.
 *
 *     before   [####......]  [##########]  [###.......]  [######....]
 *     after    [##########]  [##########]  [###.......]
 *
 * A child that is full already, and one that a snapshot shares, stays as it is. A branch is left
 * alone unless packing it saves a fair share of its children: a compact tree is only read.
 */
#ifndef STORE_COMPACT_PACK_H
#define STORE_COMPACT_PACK_H

#include "store/tree/tree_edit.h"

/** Pack the children of a branch.
 *  @param path     leads to the branch; used up
 *  @param level    of the branch; 1 or above
 *  @param room     pages that may be written
 *  @param ret_fit  were they enough? If not, nothing has happened
 *  @return 0 or an error, after which the transaction can only be aborted */
int pack_children(struct pager *pager, struct format_tree *tree, struct path *path, unsigned level,
	uint64_t room, bool *ret_fit);

#endif
