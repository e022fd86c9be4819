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

bool mover_owns(const struct mover *mover, uint64_t birth)
{
	return birth != mover->pager->txn &&
	       (mover->pager->internal || birth > mover->pager->snapshot);
}

bool mover_is_high(const struct mover *mover, uint64_t page, uint64_t count, uint64_t birth)
{
	return page + count > mover->ceiling && mover_owns(mover, birth);
}

static bool node_is_high(const struct mover *mover, uint64_t ref, const uint8_t *page)
{
	return !(ref & REF_DIRTY) && mover_is_high(mover, ref_page(ref), 1, node_header(page)->txn);
}

bool mover_has_room(struct mover *mover, uint64_t count)
{
	if (mover->room >= count + mover->pager->dirty_live + MARGIN)
		return true;
	mover->full = true;
	return false;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

int mover_lower_nodes(struct mover *mover, struct format_tree *tree, struct path *path)
{
	for (unsigned level = 0; level < path->depth; level++)
		if (node_is_high(mover, path->level[level].ref, path->level[level].node))
			return mover_has_room(mover, 0)
				       ? tree_touch(mover->pager, tree, path, level)
				       : 0;
	return 0;
}

/* Does a page of a chain lie high? */
static int chain_is_high(struct mover *mover, uint64_t ref, size_t size, bool *ret_high)
{
	*ret_high = false;
	for (; size > 0; size -= size < OVERFLOW_PAYLOAD ? size : OVERFLOW_PAYLOAD) {
		const uint8_t *page;
		int err = pager_page(mover->pager, ref, &page);

		if (err != 0)
			return err;
		*ret_high = *ret_high || node_is_high(mover, ref, page);
		ref = overflow_next(page);
		if (ref == 0)
			break;
	}
	return 0;
}

/* Move a chain of overflow pages, if it lies high. ret_ref: where it begins */
static int move_chain(struct mover *mover, uint64_t ref, size_t size, uint64_t *ret_ref)
{
	uint8_t *bytes;
	bool high;
	int err = chain_is_high(mover, ref, size, &high);

	*ret_ref = ref;
	if (err != 0 || !high || !mover_has_room(mover, size / OVERFLOW_PAYLOAD + 1))
		return err;
	bytes = malloc(size);
	if (bytes == NULL)
		return -ENOMEM;
	err = overflow_read(mover->pager, ref, bytes, size);
	if (!err)
		err = overflow_free(mover->pager, ref, size);
	if (!err)
		err = overflow_write(mover->pager, bytes, size, ret_ref);
	free(bytes);
	return err;
}

/* Move the key overflow of the cell a path leads to on some level. */
static int move_key(struct mover *mover, struct path *path, unsigned level)
{
	unsigned index = path->level[level].index;
	struct cell cell;
	uint64_t ref;
	int err;

	if (!node_cell(path->level[level].node, index, &cell))
		return error_damaged(ref_page(path->level[level].ref), "malformed cell");
	if (!cell.spilled)
		return 0;
	err = move_chain(mover, cell.key_overflow, cell.key_size, &ref);
	if (err != 0 || ref == cell.key_overflow)
		return err;
	err = tree_touch(mover->pager, mover->tree, path, level);
	if (err != 0 || !node_cell(path->level[level].node, index, &cell))
		return err != 0 ? err : -EUCLEAN;
	store64((uint8_t *)cell.rest + rest_size(cell.suffix) + 2, ref);
	return 0;
}

/* ---- cells ----------------------------------------------------------------------------------- */

/* Put a changed cell back. The path is used up. */
static int store_cell(struct mover *mover, struct path *path, struct cell *cell,
	const struct move_position *position)
{
	struct image_buffer buffer;
	struct image image;

	cell->spilled = false;
	cell_image(cell, &buffer, &image);
	image.key = position->key;
	image.key_size = position->size;
	return tree_put(mover->pager, mover->tree, path, true, &image);
}

/* Look at the cell a path leads to, which is that of position. ret_stored: the path is used up */
static int move_cell(
	struct mover *mover, struct path *path, struct move_position *position, bool *ret_stored)
{
	struct value_buffer buffer;
	struct cell cell;
	uint64_t attr;
	int err = move_key(mover, path, 0);

	*ret_stored = false;
	if (!err)
		err = tree_cell(path, &cell);
	if (!err && (cell.flags & CELL_ATTR_SPILLED)) {
		err = move_chain(mover, cell.attr_overflow, cell.attr_size, &attr);
		*ret_stored = !err && attr != cell.attr_overflow;
		cell.attr_overflow = attr;
	}
	if (err != 0)
		return err;
	if (cell.value.kind == CELL_TREE) {
		err = moveblocks_tree(mover, &cell.value, &buffer, position, ret_stored);
	} else {
		position->block = UINT64_MAX;
		if (cell.value.kind == CELL_EXTENT && !*ret_stored)
			err = moveblocks_single(mover, path, &cell, &cell.value, ret_stored);
		else if (*ret_stored) /* the value has its turn when the cell is met again */
			position->block = 0;
		if (mover->full)
			position->block = 0;
	}
	if (!err && *ret_stored)
		err = store_cell(mover, path, &cell, position);
	return err;
}

/* Most cells refer to nothing. */
static bool is_plain(const uint8_t *node, unsigned index)
{
	const uint8_t *cell = node + node_slots(node)[index];

	return (cell[0] & (CELL_VALUE | CELL_ATTR_SPILLED)) == CELL_INLINE &&
	       !(load16(cell + LEAF_REST_AT - 2) & SUFFIX_SPILLED);
}

/* Walk through the rest of a leaf. ret_done: to its end */
static int move_leaf(
	struct mover *mover, struct path *path, struct move_position *position, bool *ret_done)
{
	bool stored = false;

	*ret_done = false;
	for (; path->level[0].index < node_header(path->level[0].node)->count;
		path->level[0].index++) {
		int err;

		if (is_plain(path->level[0].node, path->level[0].index))
			continue;
		err = node_key(mover->pager, path->level[0].node, path->level[0].index,
			position->key, &position->size);
		if (err != 0 || mover->full || mover->budget <= mover->pager->dirty_live)
			return err;
		err = move_cell(mover, path, position, &stored);
		if (err != 0 || stored || position->block != UINT64_MAX)
			return err;
		position->block = 0;
	}
	*ret_done = true;
	return 0;
}

/* Walk through one leaf, the one of the position, and step to the next. */
static int step(struct mover *mover, struct move_position *position)
{
	uint8_t key[KT_KEY_MAX];
	size_t size = 0;
	struct path path;
	bool exact, done, end;
	int err =
		tree_find(mover->pager, mover->tree, position->key, position->size, &path, &exact);

	if (!err && path.depth == 0) {
		position->end = true;
		return 0;
	}
	if (!err && !exact)
		position->block = 0;
	if (!err)
		err = tree_bound(mover->pager, &path, 0, key, &size, &end);
	if (!err && mover->how != MOVE_GATHER)
		err = mover_lower_nodes(mover, mover->tree, &path);
	for (unsigned level = 1; !err && level < path.depth; level++)
		err = mover->how != MOVE_GATHER ? move_key(mover, &path, level) : 0;
	if (err != 0 || mover->full)
		return err;
	if (exact && position->block == UINT64_MAX) {
		path.level[0].index++;
		position->block = 0;
	}
	mover->seen++;
	err = move_leaf(mover, &path, position, &done);
	if (err != 0 || !done)
		return err;
	memcpy(position->key, key, size);
	position->size = size;
	position->end = end;
	return 0;
}

int move_on(struct mover *mover, struct move_position *position)
{
	int err = 0;

	while (!err && !position->end && !mover->full && mover->budget > mover->pager->dirty_live)
		err = step(mover, position);
	return err;
}
