#include "store/value/value_edit.h"

#include "store/value/block_write.h"
#include "store/value/extent.h"
#include "store/tree/pager.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A value that is not a tree and stays below this is rewritten whole when part of it changes: one
 * run of blocks is cheaper than a tree. */
#define REWRITE_MAX (16 * PAGE_SIZE)

/* ---- making ---------------------------------------------------------------------------------- */

static int make_blocks(struct pager *pager, const struct blocks *blocks, uint64_t size,
	struct value_buffer *buffer, struct value *value)
{
	struct extent extent = {.birth = pager->txn};
	struct run run;
	int err;

	*value = (struct value){.kind = CELL_TREE, .size = size};
	if (blocks->end > EXTENT_CELL_BLOCKS)
		return blocks_write_new(pager, value, blocks, 0, blocks->end);
	err = blocks_place(pager, blocks, 0, blocks->end, &run, extent.sums);
	if (err != 0)
		return err;
	if (run.count < blocks->end) {
		err = extent_add_run(pager, value, 0, &run, extent.sums);
		return err != 0 ? err
				: blocks_write_new(pager, value, blocks, run.count, blocks->end);
	}
	extent.page = run.start;
	extent.count = run.count;
	extent_format(&extent, buffer->bytes);
	*value = (struct value){
		.kind = CELL_EXTENT, .size = size, .blocks = run.count, .data = buffer->bytes};
	return 0;
}

int value_make(struct pager *pager, const void *data, uint64_t size, size_t inline_room,
	struct value_buffer *buffer, struct value *value)
{
	struct value none = {.kind = CELL_INLINE};
	struct blocks blocks;
	int err;

	if (size <= inline_room) {
		*value = (struct value){.kind = CELL_INLINE, .size = size, .data = data};
		return 0;
	}
	err = blocks_init(pager, &none, 0, data, size, &blocks);
	return err != 0 ? err : make_blocks(pager, &blocks, size, buffer, value);
}

/* ---- changing -------------------------------------------------------------------------------- */

/* Rewrite a small value whole: size bytes, of which data replaces those at offset. */
static int rewrite(struct pager *pager, struct value *value, uint64_t size, uint64_t offset,
	const void *data, size_t data_size, size_t inline_room, struct value_buffer *buffer)
{
	uint8_t *bytes = calloc(1, size > 0 ? size : 1);
	struct value old = *value;
	size_t got;
	int err;

	if (bytes == NULL)
		return -ENOMEM;
	err = value_verify(pager, &old, 0, value_blocks(size));
	if (!err)
		err = value_read(pager, &old, 0, bytes, size, &got);
	if (!err && data_size > 0)
		memcpy(bytes + offset, data, data_size);
	if (!err)
		err = value_make(pager, bytes, size, inline_room, buffer, value);
	if (!err && value->kind == CELL_INLINE && size > 0)
		value->data = memcpy(buffer->bytes, bytes, size);
	if (!err)
		err = value_free(pager, &old);
	free(bytes);
	return err;
}

/* Turn a value of another kind into a tree. */
static int to_tree(struct pager *pager, struct value *value)
{
	struct value old = *value;
	struct extent extent;
	struct blocks blocks;
	int err;

	if (old.kind == CELL_TREE)
		return 0;
	*value = (struct value){.kind = CELL_TREE, .size = old.size};
	if (old.kind == CELL_EXTENT) {
		err = value_extent(pager, &old, &extent);
		return err != 0 ? err : extent_add(pager, value, &extent);
	}
	if (old.size == 0)
		return 0;
	err = blocks_init(pager, &old, 0, old.data, old.size, &blocks);
	return err != 0 ? err : blocks_write_new(pager, value, &blocks, 0, blocks.end);
}

/* Write into a tree, without regard to the value's size. */
static int write_tree(
	struct pager *pager, struct value *value, uint64_t offset, const void *data, size_t size)
{
	struct blocks blocks;
	int err = blocks_init(pager, value, offset, data, size, &blocks);

	return err != 0 ? err : blocks_write(pager, value, &blocks);
}

int value_write(struct pager *pager, struct value *value, uint64_t offset, const void *data,
	size_t size, size_t inline_room, struct value_buffer *buffer)
{
	uint64_t end = offset + size;
	uint64_t new_size = end > value->size ? end : value->size;
	int err;

	if (value->kind == CELL_LINK)
		return value_not_followed();
	if (size == 0)
		return 0;
	if (value->kind != CELL_TREE &&
		(new_size <= inline_room || (new_size <= REWRITE_MAX && offset <= value->size)))
		return rewrite(pager, value, new_size, offset, data, size, inline_room, buffer);
	err = to_tree(pager, value);
	if (!err)
		err = write_tree(pager, value, offset, data, size);
	if (!err)
		value->size = new_size;
	return err;
}

/* Zero part of one block of a tree, unless it is a hole. */
static int zero_part(struct pager *pager, struct value *value, uint64_t offset, size_t size)
{
	static const uint8_t zeros[PAGE_SIZE];
	struct extent extent;
	int err;

	if (size == 0)
		return 0;
	err = extent_find(pager, value, offset / PAGE_SIZE, &extent);
	if (err == -ENOENT || (!err && extent.block > offset / PAGE_SIZE))
		return 0;
	return err != 0 ? err : write_tree(pager, value, offset, zeros, size);
}

int value_resize(struct pager *pager, struct value *value, uint64_t size, size_t inline_room,
	struct value_buffer *buffer)
{
	bool shrinks = size < value->size;
	int err;

	if (value->kind == CELL_LINK)
		return value_not_followed();
	if (size == value->size)
		return 0;
	if (size <= inline_room || (shrinks && value->kind == CELL_EXTENT && size <= REWRITE_MAX))
		return rewrite(pager, value, size, 0, NULL, 0, inline_room, buffer);
	err = to_tree(pager, value);
	if (!err && shrinks && size % PAGE_SIZE != 0)
		err = zero_part(pager, value, size, PAGE_SIZE - size % PAGE_SIZE);
	if (!err && shrinks)
		err = extent_remove(
			pager, value, value_blocks(size), value_blocks((uint64_t)INT64_MAX));
	if (!err)
		value->size = size;
	return err;
}

int value_punch(struct pager *pager, struct value *value, uint64_t offset, uint64_t size,
	size_t inline_room, struct value_buffer *buffer)
{
	uint64_t end, first, last;
	int err;

	if (value->kind == CELL_LINK)
		return value_not_followed();
	if (offset >= value->size || size == 0)
		return 0;
	end = value->size - offset < size ? value->size : offset + size;
	if (value->kind == CELL_INLINE) {
		static const uint8_t zeros[INLINE_MAX];

		return rewrite(pager, value, value->size, offset, zeros, end - offset, inline_room,
			buffer);
	}
	err = to_tree(pager, value);
	if (err != 0)
		return err;
	first = value_blocks(offset);
	last = end == value->size ? value_blocks(end) : end / PAGE_SIZE;
	if (first > last)
		return zero_part(pager, value, offset, end - offset);
	err = zero_part(pager, value, offset, first * PAGE_SIZE - offset);
	if (!err && last * PAGE_SIZE < end)
		err = zero_part(pager, value, last * PAGE_SIZE, end - last * PAGE_SIZE);
	return err != 0 ? err : extent_remove(pager, value, first, last);
}
