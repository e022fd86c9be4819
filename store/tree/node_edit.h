/* Tree nodes: changing them in place.
 *
 * Cells are added while their keys share the node's prefix and there is room. When not, the node is
 * built anew from a list: node_list.h.
 */
#ifndef STORE_TREE_NODE_EDIT_H
#define STORE_TREE_NODE_EDIT_H

#include "store/tree/cell.h"

/** Write an empty node. @param node  PAGE_SIZE bytes */
void node_init(uint8_t *node, unsigned level);

/** Add a cell at an index if it can be done in place: the key shares the prefix, and there is room.
 *  @return true: done */
bool node_insert(uint8_t *node, unsigned index, const struct image *image);

/** Could a cell be added as it is, if there were room? Its key begins with the node's prefix, and
 * has not to be spilled first. */
bool node_suits(const uint8_t *node, const struct image *image);

/** Remove a cell. */
void node_remove(uint8_t *node, unsigned index);

/** Overwrite the cell at an index by one of the same key and the same size of its parts.
 *  @return true: done; false: the sizes differ, nothing changed */
bool node_overwrite(uint8_t *node, unsigned index, const struct image *image);

/** Set the child at an index of a branch. */
void node_set_child(uint8_t *node, unsigned index, uint64_t ref);

/** Bytes a node uses: header, prefix and cells. */
size_t node_used(const uint8_t *node);

/* For node_list.c: */

/** Bytes of the suffix that a cell holds when size bytes of key lie behind the prefix. */
size_t node_held_size(size_t size);

/** Add a cell. There is room.
 *  @param suffix  what lies behind the node's prefix */
void node_add_cell(uint8_t *node, unsigned index, const struct image *image, const uint8_t *suffix,
	size_t suffix_size);

#endif
