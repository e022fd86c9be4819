#include "value.h"

#include "error.h"
#include "extent.h"
#include "io.h"
#include "pager.h"
#include "written.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

/* A value that is not a tree and stays below this is rewritten whole when part of it changes: one
 * run of blocks is cheaper than a tree. */
#define REWRITE_MAX (16 * PAGE_SIZE)

static uint64_t blocks_of(uint64_t size)
{
	return size / PAGE_SIZE + (size % PAGE_SIZE != 0);
}

/* ---- writing blocks -------------------------------------------------------------------------- */

/* Bytes to be written, seen as blocks: the first and the last are complete in buffers of their own,
 * where the bytes do not fill them. */
struct source {
	const uint8_t *data; /* byte at offset of the value */
	uint64_t offset;
	uint64_t first, end; /* blocks */
	bool own_first, own_last;
	uint8_t first_block[PAGE_SIZE];
	uint8_t last_block[PAGE_SIZE];
};

static const uint8_t *source_block(const struct source *source, uint64_t block)
{
	if (block == source->first && source->own_first)
		return source->first_block;
	if (block + 1 == source->end && source->own_last)
		return source->last_block;
	return source->data + (block * PAGE_SIZE - source->offset);
}

/* Write the blocks from first on to the pages of a run, and note their checksums. */
static int write_run(struct pager *pager, const struct source *source, uint64_t first,
	const struct run *run, uint32_t *sums)
{
	struct iovec parts[3];
	size_t count = 0;
	int err;

	for (uint64_t i = 0; i < run->count; i++) {
		const uint8_t *block = source_block(source, first + i);
		struct iovec *last = count > 0 ? &parts[count - 1] : NULL;
		uint64_t sum = block_checksum(block, pager->seed);

		sums[i] = (uint32_t)sum;
		written_add(pager->written, run->start + i, true, sum);
		if (last != NULL && (const uint8_t *)last->iov_base + last->iov_len == block)
			last->iov_len += PAGE_SIZE;
		else
			parts[count++] = (struct iovec){(void *)block, PAGE_SIZE};
	}
	err = io_write(pager->io, run->start * PAGE_SIZE, parts, count);
	if (err == 0)
		pager_wrote(pager, run);
	return err;
}

static int verify_blocks(
	struct pager *pager, const struct value *value, uint64_t first, uint64_t end);

/* Complete the first or last block of a source by what the value holds there now. */
static int complete(struct pager *pager, const struct value *value, struct source *source,
	uint64_t block, uint64_t size, uint8_t *buf)
{
	uint64_t begin = block * PAGE_SIZE;
	uint64_t from = source->offset > begin ? source->offset : begin;
	uint64_t end = source->offset + size;
	uint64_t to = end < begin + PAGE_SIZE ? end : begin + PAGE_SIZE;
	size_t got = 0;
	int err = verify_blocks(pager, value, block, block + 1);

	if (err == 0)
		err = value_read(pager, value, begin, buf, PAGE_SIZE, &got);
	if (err != 0)
		return err;
	memset(buf + got, 0, PAGE_SIZE - got);
	memcpy(buf + (from - begin), source->data + (from - source->offset), to - from);
	return 0;
}

/* A source of size > 0 bytes at an offset, completed from the value. */
static int source_init(struct pager *pager, const struct value *value, uint64_t offset,
	const void *data, uint64_t size, struct source *source)
{
	uint64_t end = offset + size;
	int err = 0;

	source->data = data;
	source->offset = offset;
	source->first = offset / PAGE_SIZE;
	source->end = blocks_of(end);
	source->own_last = end % PAGE_SIZE != 0;
	source->own_first =
		offset % PAGE_SIZE != 0 && !(source->own_last && source->first + 1 == source->end);
	if (offset % PAGE_SIZE != 0 && source->first + 1 == source->end)
		source->own_last = true;
	if (source->own_first)
		err = complete(pager, value, source, source->first, size, source->first_block);
	if (err == 0 && source->own_last)
		err = complete(pager, value, source, source->end - 1, size, source->last_block);
	return err;
}

/* Add the blocks of a run to a value's tree, as records of the greatest size. */
static int add_run(struct pager *pager, struct value *value, uint64_t block, const struct run *run,
	const uint32_t *sums)
{
	for (uint64_t done = 0; done < run->count;) {
		uint64_t left = run->count - done;
		struct extent extent = {.block = block + done,
			.page = run->start + done,
			.count = left < EXTENT_MAX_BLOCKS ? left : EXTENT_MAX_BLOCKS,
			.birth = pager->txn};
		int err;

		memcpy(extent.sums, sums + done, 4 * extent.count);
		err = extent_add(pager, value, &extent);
		if (err != 0)
			return err;
		done += extent.count;
	}
	return 0;
}

/* Blocks written by one call of add_run(): bounds its checksums. */
#define RUN_MAX 1024

/* Put blocks of the source from first to end into new pages. */
static int write_new(struct pager *pager, struct value *value, const struct source *source,
	uint64_t first, uint64_t end)
{
	uint32_t sums[RUN_MAX];

	while (first < end) {
		struct run run;
		uint64_t want = end - first < RUN_MAX ? end - first : RUN_MAX;
		int err = pager_alloc(pager, want, &run);

		if (err == 0)
			err = write_run(pager, source, first, &run, sums);
		if (err == 0)
			err = extent_remove(pager, value, first, first + run.count);
		if (err == 0)
			err = add_run(pager, value, first, &run, sums);
		if (err != 0)
			return err;
		first += run.count;
	}
	return 0;
}

/* Write a source into a tree: in place where this transaction wrote the blocks, else into new ones.
 */
static int write_blocks(struct pager *pager, struct value *value, const struct source *source)
{
	uint64_t block = source->first;

	while (block < source->end) {
		uint64_t end = source->end;
		struct extent extent;
		int err = extent_find(pager, value, block, &extent);
		bool found = err == 0 && extent.birth == pager->txn;

		if (err != 0 && err != -ENOENT)
			return err;
		if (found && extent.block <= block) {
			struct run run = {extent.page + (block - extent.block), 0};

			if (extent.block + extent.count < end)
				end = extent.block + extent.count;
			run.count = end - block;
			err = write_run(
				pager, source, block, &run, extent.sums + (block - extent.block));
			if (err == 0)
				err = extent_update(pager, value, &extent);
		} else {
			if (found && extent.block < end)
				end = extent.block;
			else if (err == 0 && extent.birth != pager->txn &&
				 extent.block + extent.count < end)
				end = extent.block + extent.count;
			err = write_new(pager, value, source, block, end);
		}
		if (err != 0)
			return err;
		block = end;
	}
	return 0;
}

/* ---- making and freeing ---------------------------------------------------------------------- */

static int make_blocks(struct pager *pager, const struct source *source, uint64_t size,
	struct value_buffer *buffer, struct value *value)
{
	struct extent extent = {.birth = pager->txn};
	struct run run;
	int err;

	*value = (struct value){.kind = CELL_TREE, .size = size};
	if (source->end > EXTENT_CELL_BLOCKS)
		return write_new(pager, value, source, 0, source->end);
	err = pager_alloc(pager, source->end, &run);
	if (err == 0)
		err = write_run(pager, source, 0, &run, extent.sums);
	if (err != 0)
		return err;
	if (run.count < source->end) {
		err = add_run(pager, value, 0, &run, extent.sums);
		return err != 0 ? err : write_new(pager, value, source, run.count, source->end);
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
	struct source source;
	int err;

	if (size <= inline_room) {
		*value = (struct value){.kind = CELL_INLINE, .size = size, .data = data};
		return 0;
	}
	err = source_init(pager, &none, 0, data, size, &source);
	return err != 0 ? err : make_blocks(pager, &source, size, buffer, value);
}

/* The record of a CELL_EXTENT value. */
static int single_extent(struct pager *pager, const struct value *value, struct extent *ret_extent)
{
	return extent_parse(pager, 0, value->data, EXTENT_SIZE(value->blocks), ret_extent);
}

int value_free(struct pager *pager, const struct value *value)
{
	struct extent extent;
	int err;

	switch (value->kind) {
	case CELL_EXTENT:
		err = single_extent(pager, value, &extent);
		return err != 0 ? err
				: pager_release(pager, extent.page, extent.count, extent.birth);
	case CELL_TREE:
		return extent_free(pager, value);
	default:
		return 0;
	}
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Compare blocks of an extent, from first to end, with their checksums. */
static int verify_extent(
	struct pager *pager, const struct extent *extent, uint64_t first, uint64_t end)
{
	for (uint64_t i = first - extent->block; i < end - extent->block; i++) {
		const uint8_t *data = pager->map + (extent->page + i) * PAGE_SIZE;

		if ((uint32_t)block_checksum(data, pager->seed) != extent->sums[i])
			return error_set(-EBADMSG, "page %llu: block %llu of a value",
				(unsigned long long)(extent->page + i),
				(unsigned long long)(extent->block + i));
	}
	return 0;
}

/* Find the extent that holds a block of a value in blocks, or the next one. */
static int find_extent(
	struct pager *pager, const struct value *value, uint64_t block, struct extent *extent)
{
	int err;

	if (value->kind == CELL_TREE)
		err = extent_find(pager, value, block, extent);
	else
		err = single_extent(pager, value, extent);
	if (err == 0 && block >= extent->block + extent->count)
		err = -ENOENT;
	if (err != 0 || !pager_verifies(pager))
		return err;
	return verify_extent(pager, extent, extent->block, extent->block + extent->count);
}

/* Compare blocks of a value with their checksums, before what they hold is written once more under
 * a new one. */
static int verify_blocks(
	struct pager *pager, const struct value *value, uint64_t first, uint64_t end)
{
	while (value->kind != CELL_INLINE && first < end) {
		struct extent extent;
		uint64_t last;
		int err = find_extent(pager, value, first, &extent);

		if (err != 0 || extent.block >= end)
			return err == -ENOENT ? 0 : err;
		last = extent.block + extent.count;
		first = extent.block > first ? extent.block : first;
		err = verify_extent(pager, &extent, first, last < end ? last : end);
		if (err != 0)
			return err;
		first = last;
	}
	return 0;
}

/* Copy bytes of the file. A page fault brings in a cluster around it and forgets what was read
 * before; read(2) reads ahead of a stream, and of a random access no more than it asked for. */
static int read_file(struct pager *pager, uint64_t at, uint8_t *buf, size_t size)
{
	if (size >= PAGE_SIZE)
		return io_read(pager->io, at, buf, size);
	memcpy(buf, pager->map + at, size);
	return 0;
}

static int read_blocks(
	struct pager *pager, const struct value *value, uint64_t offset, uint8_t *buf, size_t size)
{
	while (size > 0) {
		struct extent extent;
		uint64_t begin = UINT64_MAX; /* of the extent, in bytes of the value */
		size_t part = size;
		int err = find_extent(pager, value, offset / PAGE_SIZE, &extent);

		if (err != 0 && err != -ENOENT)
			return err;
		if (err == 0)
			begin = extent.block * PAGE_SIZE;
		if (begin <= offset) {
			uint64_t skip = offset - begin;

			if (extent.count * PAGE_SIZE - skip < part)
				part = extent.count * PAGE_SIZE - skip;
			err = read_file(pager, extent.page * PAGE_SIZE + skip, buf, part);
			if (err != 0)
				return err;
		} else {
			if (begin - offset < part)
				part = begin - offset;
			memset(buf, 0, part);
		}
		offset += part;
		buf += part;
		size -= part;
	}
	return 0;
}

static int not_yet_linked(void)
{
	return error_damaged(0, "a link where none may be");
}

int value_read(struct pager *pager, const struct value *value, uint64_t offset, void *buf,
	size_t size, size_t *ret_read)
{
	if (value->kind == CELL_LINK)
		return not_yet_linked();
	if (offset >= value->size)
		size = 0;
	else if (value->size - offset < size)
		size = value->size - offset;
	*ret_read = size;
	if (size == 0)
		return 0;
	if (value->kind != CELL_INLINE)
		return read_blocks(pager, value, offset, buf, size);
	memcpy(buf, value->data + offset, size);
	return 0;
}

int value_view(struct pager *pager, const struct value *value, const void **ret_data)
{
	uint64_t end = blocks_of(value->size);
	uint64_t block = 0, first = 0;

	*ret_data = NULL;
	if (value->kind == CELL_LINK)
		return not_yet_linked();
	if (value->kind == CELL_INLINE) {
		*ret_data = value->data;
		return 0;
	}
	while (block < end) {
		struct extent extent;
		int err = find_extent(pager, value, block, &extent);

		if (err != 0)
			return err == -ENOENT ? 0 : err;
		if (block == 0)
			first = extent.page;
		if (extent.block != block || extent.page != first + block)
			return 0;
		block += extent.count;
	}
	*ret_data = pager->map + first * PAGE_SIZE;
	return 0;
}

int value_next_data(struct pager *pager, const struct value *value, uint64_t offset,
	uint64_t *ret_begin, uint64_t *ret_end)
{
	struct extent extent;
	uint64_t begin, end;
	int err;

	if (value->kind == CELL_LINK)
		return not_yet_linked();
	if (offset >= value->size)
		return -ENXIO;
	if (value->kind == CELL_INLINE) {
		*ret_begin = offset;
		*ret_end = value->size;
		return 0;
	}
	err = find_extent(pager, value, offset / PAGE_SIZE, &extent);
	if (err != 0)
		return err == -ENOENT ? -ENXIO : err;
	begin = extent.block * PAGE_SIZE;
	do
		end = (extent.block + extent.count) * PAGE_SIZE;
	while (find_extent(pager, value, end / PAGE_SIZE, &extent) == 0 &&
		extent.block * PAGE_SIZE == end);
	if (begin >= value->size)
		return -ENXIO;
	*ret_begin = begin > offset ? begin : offset;
	*ret_end = end < value->size ? end : value->size;
	return 0;
}

uint64_t value_stored(const struct value *value)
{
	return value->kind == CELL_INLINE ? value->size : value->blocks * PAGE_SIZE;
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
	err = verify_blocks(pager, &old, 0, blocks_of(size));
	if (err == 0)
		err = value_read(pager, &old, 0, bytes, size, &got);
	if (err == 0 && data_size > 0)
		memcpy(bytes + offset, data, data_size);
	if (err == 0)
		err = value_make(pager, bytes, size, inline_room, buffer, value);
	if (err == 0 && value->kind == CELL_INLINE && size > 0)
		value->data = memcpy(buffer->bytes, bytes, size);
	if (err == 0)
		err = value_free(pager, &old);
	free(bytes);
	return err;
}

/* Turn a value of another kind into a tree. */
static int to_tree(struct pager *pager, struct value *value)
{
	struct value old = *value;
	struct extent extent;
	struct source source;
	int err;

	if (old.kind == CELL_TREE)
		return 0;
	*value = (struct value){.kind = CELL_TREE, .size = old.size};
	if (old.kind == CELL_EXTENT) {
		err = single_extent(pager, &old, &extent);
		return err != 0 ? err : extent_add(pager, value, &extent);
	}
	if (old.size == 0)
		return 0;
	err = source_init(pager, &old, 0, old.data, old.size, &source);
	return err != 0 ? err : write_new(pager, value, &source, 0, source.end);
}

/* Write into a tree, without regard to the value's size. */
static int write_tree(
	struct pager *pager, struct value *value, uint64_t offset, const void *data, size_t size)
{
	struct source source;
	int err = source_init(pager, value, offset, data, size, &source);

	return err != 0 ? err : write_blocks(pager, value, &source);
}

int value_write(struct pager *pager, struct value *value, uint64_t offset, const void *data,
	size_t size, size_t inline_room, struct value_buffer *buffer)
{
	uint64_t end = offset + size;
	uint64_t new_size = end > value->size ? end : value->size;
	int err;

	if (value->kind == CELL_LINK)
		return not_yet_linked();
	if (size == 0)
		return 0;
	if (value->kind != CELL_TREE &&
		(new_size <= inline_room || (new_size <= REWRITE_MAX && offset <= value->size)))
		return rewrite(pager, value, new_size, offset, data, size, inline_room, buffer);
	err = to_tree(pager, value);
	if (err == 0)
		err = write_tree(pager, value, offset, data, size);
	if (err == 0)
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
	if (err == -ENOENT || (err == 0 && extent.block > offset / PAGE_SIZE))
		return 0;
	return err != 0 ? err : write_tree(pager, value, offset, zeros, size);
}

int value_resize(struct pager *pager, struct value *value, uint64_t size, size_t inline_room,
	struct value_buffer *buffer)
{
	bool shrinks = size < value->size;
	int err;

	if (value->kind == CELL_LINK)
		return not_yet_linked();
	if (size == value->size)
		return 0;
	if (size <= inline_room || (shrinks && value->kind == CELL_EXTENT && size <= REWRITE_MAX))
		return rewrite(pager, value, size, 0, NULL, 0, inline_room, buffer);
	err = to_tree(pager, value);
	if (err == 0 && shrinks && size % PAGE_SIZE != 0)
		err = zero_part(pager, value, size, PAGE_SIZE - size % PAGE_SIZE);
	if (err == 0 && shrinks)
		err = extent_remove(pager, value, blocks_of(size), blocks_of((uint64_t)INT64_MAX));
	if (err == 0)
		value->size = size;
	return err;
}

int value_punch(struct pager *pager, struct value *value, uint64_t offset, uint64_t size,
	size_t inline_room, struct value_buffer *buffer)
{
	uint64_t end, first, last;
	int err;

	if (value->kind == CELL_LINK)
		return not_yet_linked();
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
	first = blocks_of(offset);
	last = end == value->size ? blocks_of(end) : end / PAGE_SIZE;
	if (first > last)
		return zero_part(pager, value, offset, end - offset);
	err = zero_part(pager, value, offset, first * PAGE_SIZE - offset);
	if (err == 0 && last * PAGE_SIZE < end)
		err = zero_part(pager, value, last * PAGE_SIZE, end - last * PAGE_SIZE);
	return err != 0 ? err : extent_remove(pager, value, first, last);
}
