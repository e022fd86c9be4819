#include "store/compact/relocate.h"

#include "store/error.h"
#include "store/compact/relocate_blocks.h"
#include "store/tree/node.h"
#include "store/tree/overflow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Pages that nodes may take when one cell is moved. */
#define MARGIN 16

/* ---- what is to be moved --------------------------------------------------------------------- */

bool relocate_owns(const struct relocation *relocation, uint64_t birth)
{
	return birth != relocation->pager->txn &&
	       (relocation->pager->internal > 0 || birth > relocation->pager->snapshot);
}

bool relocate_is_high(
	const struct relocation *relocation, uint64_t page, uint64_t count, uint64_t birth)
{
	return page + count > relocation->ceiling && relocate_owns(relocation, birth);
}

static bool relocate_node_is_high(
	const struct relocation *relocation, uint64_t ref, const uint8_t *page)
{
	return !(ref & REF_DIRTY) &&
	       relocate_is_high(relocation, ref_page(ref), 1, node_header(page)->txn);
}

bool relocate_has_room(struct relocation *relocation, uint64_t count)
{
	if (relocation->room >= count + relocation->pager->dirty_live + MARGIN)
		return true;
	relocation->full = true;
	return false;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

int relocate_lower_nodes(struct relocation *relocation, struct format_tree *tree, struct path *path)
{
	for (unsigned level = 0; level < path->depth; level++)
		if (relocate_node_is_high(
			    relocation, path->level[level].ref, path->level[level].node))
			return relocate_has_room(relocation, 0)
				       ? tree_touch(relocation->pager, tree, path, level)
				       : 0;
	return 0;
}

/* Does a page of a chain lie high? */
static int relocate_chain_is_high(
	struct relocation *relocation, uint64_t ref, size_t size, bool *ret_high)
{
	*ret_high = false;
	for (; size > 0; size -= size < OVERFLOW_PAYLOAD ? size : OVERFLOW_PAYLOAD) {
		const uint8_t *page;
		int err = pager_page(relocation->pager, ref, &page);

		if (err != 0)
			return err;
		*ret_high = *ret_high || relocate_node_is_high(relocation, ref, page);
		ref = overflow_next(page);
		if (ref == 0)
			break;
	}
	return 0;
}

/* Move a chain of overflow pages, if it lies high. ret_ref: where it begins */
static int relocate_chain(
	struct relocation *relocation, uint64_t ref, size_t size, uint64_t *ret_ref)
{
	uint8_t *bytes;
	bool high;
	int err = relocate_chain_is_high(relocation, ref, size, &high);

	*ret_ref = ref;
	if (err != 0 || !high || !relocate_has_room(relocation, size / OVERFLOW_PAYLOAD + 1))
		return err;
	bytes = malloc(size);
	if (bytes == NULL)
		return -ENOMEM;
	err = overflow_read(relocation->pager, ref, bytes, size);
	if (!err)
		err = overflow_free(relocation->pager, ref, size);
	if (!err)
		err = overflow_write(relocation->pager, bytes, size, ret_ref);
	free(bytes);
	return err;
}

/* Move the key overflow of the cell a path leads to on some level. */
static int relocate_key(struct relocation *relocation, struct path *path, unsigned level)
{
	unsigned index = path->level[level].index;
	struct cell cell;
	uint64_t ref;
	int err;

	if (!node_cell(path->level[level].node, index, &cell))
		return error_damaged(ref_page(path->level[level].ref), "malformed cell");
	if (!cell.spilled)
		return 0;
	err = relocate_chain(relocation, cell.key_overflow, cell.key_size, &ref);
	if (err != 0 || ref == cell.key_overflow)
		return err;
	err = tree_touch(relocation->pager, relocation->tree, path, level);
	if (err != 0 || !node_cell(path->level[level].node, index, &cell))
		return err != 0 ? err : -EUCLEAN;
	store64((uint8_t *)cell.rest + rest_size(cell.suffix) + 2, ref);
	return 0;
}

/* ---- cells ----------------------------------------------------------------------------------- */

/* Put a changed cell back. The path is used up. */
static int relocate_store_cell(struct relocation *relocation, struct path *path, struct cell *cell,
	const struct relocate_position *position)
{
	struct image_buffer buffer;
	struct image image;

	cell->spilled = false;
	cell_image(cell, &buffer, &image);
	image.key = position->key;
	image.key_size = position->size;
	return tree_put(relocation->pager, relocation->tree, path, true, &image);
}

/* Look at the cell a path leads to, which is that of position. ret_stored: the path is used up */
static int relocate_cell(struct relocation *relocation, struct path *path,
	struct relocate_position *position, bool *ret_stored)
{
	struct value_buffer buffer;
	struct cell cell;
	uint64_t attr;
	int err = relocate_key(relocation, path, 0);

	*ret_stored = false;
	if (!err)
		err = tree_cell(path, &cell);
	if (!err && (cell.flags & CELL_ATTR_SPILLED)) {
		err = relocate_chain(relocation, cell.attr_overflow, cell.attr_size, &attr);
		*ret_stored = !err && attr != cell.attr_overflow;
		cell.attr_overflow = attr;
	}
	if (err != 0)
		return err;
	if (cell.value.kind == CELL_TREE) {
		err = relocate_blocks_tree(relocation, &cell.value, &buffer, position, ret_stored);
	} else {
		position->block = UINT64_MAX;
		if (cell.value.kind == CELL_EXTENT && !*ret_stored)
			err = relocate_blocks_single(
				relocation, path, &cell, &cell.value, ret_stored);
		else if (*ret_stored) /* the value has its turn when the cell is met again */
			position->block = 0;
		if (relocation->full)
			position->block = 0;
	}
	if (!err && *ret_stored)
		err = relocate_store_cell(relocation, path, &cell, position);
	return err;
}

/* Most cells refer to nothing. */
static bool relocate_is_plain(const uint8_t *node, unsigned index)
{
	const uint8_t *cell = node + node_slots(node)[index];

	return (cell[0] & (CELL_VALUE | CELL_ATTR_SPILLED)) == CELL_INLINE &&
	       !(load16(cell + LEAF_REST_AT - 2) & SUFFIX_SPILLED);
}

/* Walk through the rest of a leaf. ret_done: to its end */
static int relocate_leaf(struct relocation *relocation, struct path *path,
	struct relocate_position *position, bool *ret_done)
{
	bool stored = false;

	*ret_done = false;
	for (; path->level[0].index < node_header(path->level[0].node)->count;
		path->level[0].index++) {
		int err;

		if (relocate_is_plain(path->level[0].node, path->level[0].index))
			continue;
		err = node_key(relocation->pager, path->level[0].node, path->level[0].index,
			position->key, &position->size);
		if (err != 0 || relocation->full ||
			relocation->budget <= relocation->pager->dirty_live)
			return err;
		err = relocate_cell(relocation, path, position, &stored);
		if (err != 0 || stored || position->block != UINT64_MAX)
			return err;
		position->block = 0;
	}
	*ret_done = true;
	return 0;
}

/* Walk through one leaf, the one of the position, and step to the next. */
static int relocate_step(struct relocation *relocation, struct relocate_position *position)
{
	uint8_t key[KT_KEY_MAX];
	size_t size = 0;
	struct path path;
	bool exact, done, end;
	int err = tree_find(
		relocation->pager, relocation->tree, position->key, position->size, &path, &exact);

	if (!err && path.depth == 0) {
		position->end = true;
		return 0;
	}
	if (!err && !exact)
		position->block = 0;
	if (!err)
		err = tree_bound(relocation->pager, &path, 0, key, &size, &end);
	if (!err && relocation->how != RELOCATE_GATHER)
		err = relocate_lower_nodes(relocation, relocation->tree, &path);
	for (unsigned level = 1; !err && level < path.depth; level++)
		err = relocation->how != RELOCATE_GATHER ? relocate_key(relocation, &path, level)
							 : 0;
	if (err != 0 || relocation->full)
		return err;
	if (exact && position->block == UINT64_MAX) {
		path.level[0].index++;
		position->block = 0;
	}
	relocation->seen++;
	err = relocate_leaf(relocation, &path, position, &done);
	if (err != 0 || !done)
		return err;
	memcpy(position->key, key, size);
	position->size = size;
	position->end = end;
	return 0;
}

int relocate_continue(struct relocation *relocation, struct relocate_position *position)
{
	int err = 0;

	while (!err && !position->end && !relocation->full &&
		relocation->budget > relocation->pager->dirty_live)
		err = relocate_step(relocation, position);
	return err;
}
