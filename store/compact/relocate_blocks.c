#include "store/compact/relocate_blocks.h"

#include "store/error.h"
#include "store/value/extent.h"
#include "store/io/io.h"
#include "store/tree/node.h"
#include "store/space/space.h"
#include "store/commit/digest.h"

#include <errno.h>
#include <string.h>

/* Blocks that are gathered at a time: as many as a new value gets in one run. */
#define GATHER_MAX 1024

/* ---- blocks ---------------------------------------------------------------------------------- */

/* Copy blocks of an extent to a run of the same length. Damage is found, not copied. */
static int copy_blocks(
	struct mover *mover, const struct extent *extent, uint64_t skip, const struct run *run)
{
	struct pager *pager = mover->pager;
	const uint8_t *from = pager->map + (extent->page + skip) * PAGE_SIZE;
	struct iovec part = {(void *)from, run->count * PAGE_SIZE};
	int err;

	for (uint64_t i = 0; i < run->count; i++) {
		uint64_t sum = block_checksum(from + i * PAGE_SIZE, pager->seed);

		if ((uint32_t)sum != extent->sums[skip + i])
			return error_set(-EBADMSG, "page %llu: block %llu of a value",
				(unsigned long long)(extent->page + skip + i),
				(unsigned long long)(extent->block + skip + i));
		unsynced_add(pager->unsynced, run->start + i, true, sum);
	}
	err = io_write(pager->io, run->start * PAGE_SIZE, &part, 1);
	if (err != 0)
		return err;
	pager_wrote(pager, run);
	mover->budget -= run->count < mover->budget ? run->count : mover->budget;
	mover->room -= run->count < mover->room ? run->count : mover->room;
	return 0;
}

/* Take a run of the length of an extent, as low as possible. @return -ENOSPC: there is none */
static int take_whole(struct mover *mover, uint64_t count, uint64_t below, struct run *ret_run)
{
	if (!mover_has_room(mover, count))
		return -ENOSPC;
	mover->pager->changed = true;
	return space_alloc_low(mover->pager->space, count, below, ret_run);
}

/* Move an extent of a value's tree. */
static int move_extent(struct mover *mover, struct value *value, const struct extent *extent)
{
	uint64_t end = extent->block + extent->count;
	struct run run;
	int err = take_whole(mover, extent->count, mover->ceiling, &run);

	if (err == -ENOSPC && (mover->how != MOVE_PIECES || mover->full))
		return 0;
	if (!err) {
		err = copy_blocks(mover, extent, 0, &run);
		if (!err)
			err = extent_remove(mover->pager, value, extent->block, end);
		return err != 0 ? err
				: extent_add_run(
					  mover->pager, value, extent->block, &run, extent->sums);
	}
	for (uint64_t done = 0; done < extent->count; done += run.count) {
		uint64_t block = extent->block + done;

		err = pager_alloc(mover->pager, extent->count - done, &run);
		if (!err)
			err = copy_blocks(mover, extent, done, &run);
		if (!err)
			err = extent_remove(mover->pager, value, block, block + run.count);
		if (!err)
			err = extent_add_run(mover->pager, value, block, &run, extent->sums + done);
		if (err != 0)
			return err;
	}
	return 0;
}

/* ---- values in one extent -------------------------------------------------------------------- */

int moveblocks_single(struct mover *mover, struct path *path, const struct cell *cell,
	struct value *ret_value, bool *ret_changed)
{
	struct extent extent;
	struct run run;
	int err = extent_parse(
		mover->pager, 0, cell->value.data, EXTENT_SIZE(cell->value.blocks), &extent);

	mover->seen += cell->value.blocks;
	if (err != 0 || mover->how == MOVE_GATHER ||
		!mover_is_high(mover, extent.page, extent.count, extent.birth))
		return err;
	err = take_whole(mover, extent.count, mover->ceiling, &run);
	if (err == -ENOSPC && mover->how == MOVE_PIECES && !mover->full) {
		*ret_value = (struct value){.kind = CELL_TREE, .size = cell->value.size};
		*ret_changed = true;
		err = extent_add(mover->pager, ret_value, &extent);
		return err != 0 ? err : move_extent(mover, ret_value, &extent);
	}
	if (err != 0)
		return err == -ENOSPC ? 0 : err;
	err = copy_blocks(mover, &extent, 0, &run);
	if (!err)
		err = tree_touch(mover->pager, mover->tree, path, 0);
	if (!err) {
		struct cell writable;
		uint8_t *record;

		if (!node_cell(path->level[0].node, path->level[0].index, &writable))
			return -EUCLEAN;
		record = (uint8_t *)writable.value.data;
		store64(record, run.start | run.count << PAGE_BITS);
		store48(record + 8, mover->pager->txn);
		err = pager_release(mover->pager, extent.page, extent.count, extent.birth);
	}
	return err;
}

/* ---- values in a tree of extents ------------------------------------------------------------- */

/* Extents of a value that follow one another without a hole. */
struct stretch {
	uint64_t block, count;
	unsigned records;
	unsigned breaks; /* where the next extent is not the next in the file */
	bool mine;	 /* all of it may be moved */
};

static int find_stretch(
	struct mover *mover, const struct value *value, uint64_t block, struct stretch *stretch)
{
	struct extent extent;
	uint64_t page = 0;
	int err = extent_find(mover->pager, value, block, &extent);

	*stretch = (struct stretch){.block = extent.block, .mine = true};
	while (!err && extent.block == stretch->block + stretch->count &&
		stretch->count + extent.count <= GATHER_MAX) {
		if (stretch->records > 0 && extent.page != page)
			stretch->breaks++;
		stretch->records++;
		stretch->count += extent.count;
		stretch->mine = stretch->mine && mover_owns(mover, extent.birth);
		page = extent.page + extent.count;
		err = extent_find(mover->pager, value, stretch->block + stretch->count, &extent);
	}
	return err == -ENOENT && stretch->records > 0 ? 0 : err;
}

/* Is a stretch the whole value, and can its cell describe it as one extent? */
static bool fits_cell(const struct value *value, const struct stretch *stretch)
{
	return stretch->count <= EXTENT_CELL_BLOCKS && stretch->count == value->blocks &&
	       value->blocks == (value->size + PAGE_SIZE - 1) / PAGE_SIZE;
}

/* Copy a stretch to a run, which takes its place. */
static int replace_stretch(struct mover *mover, struct value *value, const struct stretch *stretch,
	const struct run *run, struct value_buffer *buffer)
{
	uint32_t sums[GATHER_MAX];
	int err = 0;

	for (uint64_t done = 0; !err && done < stretch->count;) {
		struct extent extent;

		err = extent_find(mover->pager, value, stretch->block + done, &extent);
		if (err != 0)
			return err;
		memcpy(sums + done, extent.sums, 4 * extent.count);
		err = copy_blocks(
			mover, &extent, 0, &(struct run){run->start + done, extent.count});
		done += extent.count;
	}
	if (err != 0)
		return err;
	if (fits_cell(value, stretch)) {
		struct extent whole = {
			.page = run->start, .count = run->count, .birth = mover->pager->txn};

		memcpy(whole.sums, sums, 4 * run->count);
		extent_format(&whole, buffer->bytes);
		err = extent_free(mover->pager, value);
		*value = (struct value){.kind = CELL_EXTENT,
			.size = value->size,
			.blocks = run->count,
			.data = buffer->bytes};
		return err;
	}
	err = extent_remove(mover->pager, value, stretch->block, stretch->block + stretch->count);
	return err != 0 ? err : extent_add_run(mover->pager, value, stretch->block, run, sums);
}

/* Bring the next stretch of a value together, unless it is. ret_next: the block behind it */
static int gather(struct mover *mover, struct value *value, uint64_t block,
	struct value_buffer *buffer, uint64_t *ret_next, bool *ret_changed)
{
	struct stretch stretch;
	struct run run;
	int err = find_stretch(mover, value, block, &stretch);

	if (err != 0)
		return err;
	*ret_next = stretch.block + stretch.count;
	mover->seen += stretch.count;
	if (!stretch.mine || (stretch.breaks == 0 && !fits_cell(value, &stretch)))
		return 0;
	err = take_whole(mover, stretch.count, UINT64_MAX, &run);
	if (err != 0)
		return err == -ENOSPC ? 0 : err;
	*ret_changed = true;
	return replace_stretch(mover, value, &stretch, &run, buffer);
}

/* Look at the next extent of a value, and at the nodes above it. */
static int lower(struct mover *mover, struct value *value, uint64_t block, uint64_t *ret_next,
	bool *ret_changed)
{
	struct format_tree tree = {.root = value->root, .depth = value->depth};
	struct extent extent;
	struct path path;
	int err = extent_path(mover->pager, &tree, block, &path, &extent);

	if (err != 0)
		return err;
	*ret_next = extent.block + extent.count;
	mover->seen += extent.count;
	err = mover_lower_nodes(mover, &tree, &path);
	if (!err && tree.root != value->root) {
		value->root = tree.root;
		*ret_changed = true;
	}
	if (err != 0 || !mover_is_high(mover, extent.page, extent.count, extent.birth))
		return err;
	*ret_changed = true;
	return move_extent(mover, value, &extent);
}

int moveblocks_tree(struct mover *mover, struct value *value, struct value_buffer *buffer,
	struct move_position *position, bool *ret_changed)
{
	int err = 0;

	while (!err && mover->budget > mover->pager->dirty_live && !mover->full) {
		uint64_t next;

		if (value->kind != CELL_TREE || value->depth == 0)
			err = -ENOENT;
		else if (mover->how == MOVE_GATHER)
			err = gather(mover, value, position->block, buffer, &next, ret_changed);
		else
			err = lower(mover, value, position->block, &next, ret_changed);
		if (!err && !mover->full)
			position->block = next;
	}
	if (err != -ENOENT)
		return err;
	position->block = UINT64_MAX;
	return 0;
}
