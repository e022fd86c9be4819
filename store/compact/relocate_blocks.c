#include "store/compact/relocate_blocks.h"

#include "store/error.h"
#include "store/value/extent.h"
#include "store/io/io.h"
#include "store/tree/node.h"
#include "store/space/space.h"
#include "store/tree/unsynced.h"

#include <errno.h>
#include <string.h>

/* Blocks that are gathered at a time: as many as a new value gets in one run. */
#define GATHER_MAX 1024

/* ---- blocks ---------------------------------------------------------------------------------- */

/* Copy blocks of an extent to a run of the same length. Damage is found, not copied. */
static int relocate_copy_blocks(struct relocation *relocation, const struct extent *extent,
	uint64_t skip, const struct run *run)
{
	struct pager *pager = relocation->pager;
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
	relocation->budget -= run->count < relocation->budget ? run->count : relocation->budget;
	relocation->room -= run->count < relocation->room ? run->count : relocation->room;
	return 0;
}

/* Take a run of the length of an extent, as low as possible. @return -ENOSPC: there is none */
static int relocate_take_whole(
	struct relocation *relocation, uint64_t count, uint64_t below, struct run *ret_run)
{
	if (!relocate_has_room(relocation, count))
		return -ENOSPC;
	relocation->pager->changed = true;
	return space_alloc_low(relocation->pager->space, count, below, ret_run);
}

/* Move an extent of a value's tree. */
static int relocate_extent(
	struct relocation *relocation, struct value *value, const struct extent *extent)
{
	uint64_t end = extent->block + extent->count;
	struct run run;
	int err = relocate_take_whole(relocation, extent->count, relocation->ceiling, &run);

	if (err == -ENOSPC && (relocation->how != RELOCATE_PIECES || relocation->full))
		return 0;
	if (!err) {
		err = relocate_copy_blocks(relocation, extent, 0, &run);
		if (!err)
			err = extent_remove(relocation->pager, value, extent->block, end);
		return err != 0 ? err
				: extent_add_run(relocation->pager, value, extent->block, &run,
					  extent->sums);
	}
	for (uint64_t done = 0; done < extent->count; done += run.count) {
		uint64_t block = extent->block + done;

		err = pager_alloc(relocation->pager, extent->count - done, &run);
		if (!err)
			err = relocate_copy_blocks(relocation, extent, done, &run);
		if (!err)
			err = extent_remove(relocation->pager, value, block, block + run.count);
		if (!err)
			err = extent_add_run(
				relocation->pager, value, block, &run, extent->sums + done);
		if (err != 0)
			return err;
	}
	return 0;
}

/* ---- values in one extent -------------------------------------------------------------------- */

int relocate_blocks_single(struct relocation *relocation, struct path *path,
	const struct cell *cell, struct value *ret_value, bool *ret_changed)
{
	struct extent extent;
	struct run run;
	int err = extent_parse(
		relocation->pager, 0, cell->value.data, EXTENT_SIZE(cell->value.blocks), &extent);

	relocation->seen += cell->value.blocks;
	if (err != 0 || relocation->how == RELOCATE_GATHER ||
		!relocate_is_high(relocation, extent.page, extent.count, extent.birth))
		return err;
	err = relocate_take_whole(relocation, extent.count, relocation->ceiling, &run);
	if (err == -ENOSPC && relocation->how == RELOCATE_PIECES && !relocation->full) {
		*ret_value = (struct value){.kind = CELL_TREE, .size = cell->value.size};
		*ret_changed = true;
		err = extent_add(relocation->pager, ret_value, &extent);
		return err != 0 ? err : relocate_extent(relocation, ret_value, &extent);
	}
	if (err != 0)
		return err == -ENOSPC ? 0 : err;
	err = relocate_copy_blocks(relocation, &extent, 0, &run);
	if (!err)
		err = tree_touch(relocation->pager, relocation->tree, path, 0);
	if (!err) {
		struct cell writable;
		uint8_t *record;

		if (!node_cell(path->level[0].node, path->level[0].index, &writable))
			return -EUCLEAN;
		record = (uint8_t *)writable.value.data;
		store64(record, run.start | run.count << PAGE_BITS);
		store48(record + 8, relocation->pager->txn);
		err = pager_release(relocation->pager, extent.page, extent.count, extent.birth);
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

static int stretch_find(struct relocation *relocation, const struct value *value, uint64_t block,
	struct stretch *stretch)
{
	struct extent extent;
	uint64_t page = 0;
	int err = extent_find(relocation->pager, value, block, &extent);

	*stretch = (struct stretch){.block = extent.block, .mine = true};
	while (!err && extent.block == stretch->block + stretch->count &&
		stretch->count + extent.count <= GATHER_MAX) {
		if (stretch->records > 0 && extent.page != page)
			stretch->breaks++;
		stretch->records++;
		stretch->count += extent.count;
		stretch->mine = stretch->mine && relocate_owns(relocation, extent.birth);
		page = extent.page + extent.count;
		err = extent_find(
			relocation->pager, value, stretch->block + stretch->count, &extent);
	}
	return err == -ENOENT && stretch->records > 0 ? 0 : err;
}

/* Is a stretch the whole value, and can its cell describe it as one extent? */
static bool stretch_fits_cell(const struct value *value, const struct stretch *stretch)
{
	return stretch->count <= EXTENT_CELL_BLOCKS && stretch->count == value->blocks &&
	       value->blocks == (value->size + PAGE_SIZE - 1) / PAGE_SIZE;
}

/* Copy a stretch to a run, which takes its place. */
static int stretch_replace(struct relocation *relocation, struct value *value,
	const struct stretch *stretch, const struct run *run, struct value_buffer *buffer)
{
	uint32_t sums[GATHER_MAX];
	int err = 0;

	for (uint64_t done = 0; !err && done < stretch->count;) {
		struct extent extent;

		err = extent_find(relocation->pager, value, stretch->block + done, &extent);
		if (err != 0)
			return err;
		memcpy(sums + done, extent.sums, 4 * extent.count);
		err = relocate_copy_blocks(
			relocation, &extent, 0, &(struct run){run->start + done, extent.count});
		done += extent.count;
	}
	if (err != 0)
		return err;
	if (stretch_fits_cell(value, stretch)) {
		struct extent whole = {
			.page = run->start, .count = run->count, .birth = relocation->pager->txn};

		memcpy(whole.sums, sums, 4 * run->count);
		extent_format(&whole, buffer->bytes);
		err = extent_free(relocation->pager, value);
		*value = (struct value){.kind = CELL_EXTENT,
			.size = value->size,
			.blocks = run->count,
			.data = buffer->bytes};
		return err;
	}
	err = extent_remove(
		relocation->pager, value, stretch->block, stretch->block + stretch->count);
	return err != 0 ? err : extent_add_run(relocation->pager, value, stretch->block, run, sums);
}

/* Bring the next stretch of a value together, unless it is. ret_next: the block behind it */
static int relocate_gather(struct relocation *relocation, struct value *value, uint64_t block,
	struct value_buffer *buffer, uint64_t *ret_next, bool *ret_changed)
{
	struct stretch stretch;
	struct run run;
	int err = stretch_find(relocation, value, block, &stretch);

	if (err != 0)
		return err;
	*ret_next = stretch.block + stretch.count;
	relocation->seen += stretch.count;
	if (!stretch.mine || (stretch.breaks == 0 && !stretch_fits_cell(value, &stretch)))
		return 0;
	err = relocate_take_whole(relocation, stretch.count, UINT64_MAX, &run);
	if (err != 0)
		return err == -ENOSPC ? 0 : err;
	*ret_changed = true;
	return stretch_replace(relocation, value, &stretch, &run, buffer);
}

/* Look at the next extent of a value, and at the nodes above it. */
static int relocate_lower(struct relocation *relocation, struct value *value, uint64_t block,
	uint64_t *ret_next, bool *ret_changed)
{
	struct format_tree tree = {.root = value->root, .depth = value->depth};
	struct extent extent;
	struct path path;
	int err = extent_path(relocation->pager, &tree, block, &path, &extent);

	if (err != 0)
		return err;
	*ret_next = extent.block + extent.count;
	relocation->seen += extent.count;
	err = relocate_lower_nodes(relocation, &tree, &path);
	if (!err && tree.root != value->root) {
		value->root = tree.root;
		*ret_changed = true;
	}
	if (err != 0 || !relocate_is_high(relocation, extent.page, extent.count, extent.birth))
		return err;
	*ret_changed = true;
	return relocate_extent(relocation, value, &extent);
}

int relocate_blocks_tree(struct relocation *relocation, struct value *value,
	struct value_buffer *buffer, struct relocate_position *position, bool *ret_changed)
{
	int err = 0;

	while (!err && relocation->budget > relocation->pager->dirty_live && !relocation->full) {
		uint64_t next;

		if (value->kind != CELL_TREE || value->depth == 0)
			err = -ENOENT;
		else if (relocation->how == RELOCATE_GATHER)
			err = relocate_gather(
				relocation, value, position->block, buffer, &next, ret_changed);
		else
			err = relocate_lower(
				relocation, value, position->block, &next, ret_changed);
		if (!err && !relocation->full)
			position->block = next;
	}
	if (err != -ENOENT)
		return err;
	position->block = UINT64_MAX;
	return 0;
}
