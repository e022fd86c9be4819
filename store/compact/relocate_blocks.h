/* Moving the blocks of values; part of relocate.h, which says what is moved where. */
#ifndef STORE_COMPACT_RELOCATE_BLOCKS_H
#define STORE_COMPACT_RELOCATE_BLOCKS_H

#include "store/compact/relocate.h"
#include "store/value/value_edit.h"

/** Move the extent of a cell. In one piece its record is changed in place.
 *  @param path         leads to the cell
 *  @param ret_value    with ret_changed, what the cell is to hold instead
 *  @param ret_changed  set if the extent became a tree */
int relocate_blocks_single(struct relocation *relocation, struct path *path,
	const struct cell *cell, struct value *ret_value, bool *ret_changed);

/** Walk on through the extents of a value, until the budget is used up or there is no room.
 *  @param value        changed
 *  @param buffer       what it may point to afterwards
 *  @param position     its block says how far the walk came; UINT64_MAX: to the end
 *  @param ret_changed  set if the value changed */
int relocate_blocks_tree(struct relocation *relocation, struct value *value,
	struct value_buffer *buffer, struct relocate_position *position, bool *ret_changed);

#endif
