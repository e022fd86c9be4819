#include "store/value/block_write.h"

#include "store/error.h"
#include "store/value/extent.h"
#include "store/io/io.h"
#include "store/tree/pager.h"
#include "store/tree/pager_savepoint.h"
#include "store/value/value.h"
#include "store/tree/unsynced.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

static const uint8_t *block_at(const struct blocks *blocks, uint64_t block)
{
	if (block == blocks->first && blocks->own_first)
		return blocks->first_block;
	if (block + 1 == blocks->end && blocks->own_last)
		return blocks->last_block;
	return blocks->data + (block * PAGE_SIZE - blocks->offset);
}

/* Blocks that are checksummed and then written together. They still fit the processor's cache. */
#define WRITE_BLOCKS 32

static int write_part(struct pager *pager, const struct blocks *blocks, uint64_t first,
	const struct run *run, uint32_t *sums)
{
	struct iovec parts[3];
	size_t count = 0;

	for (uint64_t i = 0; i < run->count; i++) {
		const uint8_t *block = block_at(blocks, first + i);
		struct iovec *last = count > 0 ? &parts[count - 1] : NULL;
		uint64_t sum = block_checksum(block, pager->seed);

		sums[i] = (uint32_t)sum;
		unsynced_add(pager->unsynced, run->start + i, true, sum);
		if (last != NULL && (const uint8_t *)last->iov_base + last->iov_len == block)
			last->iov_len += PAGE_SIZE;
		else
			parts[count++] = (struct iovec){(void *)block, PAGE_SIZE};
	}
	return io_write(pager->io, run->start * PAGE_SIZE, parts, count);
}

int blocks_write_run(struct pager *pager, const struct blocks *blocks, uint64_t first,
	const struct run *run, uint32_t *sums)
{
	int err = 0;

	for (uint64_t done = 0; !err && done < run->count; done += WRITE_BLOCKS) {
		uint64_t left = run->count - done;
		struct run part = {run->start + done, left < WRITE_BLOCKS ? left : WRITE_BLOCKS};

		err = write_part(pager, blocks, first + done, &part, sums + done);
	}
	if (err)
		return err;
	pager_wrote(pager, run);
	for (uint64_t i = 0; i < run->count; i++)
		pager_saw_block(pager, run->start + i, sums[i]);
	return 0;
}

int blocks_place(struct pager *pager, const struct blocks *blocks, uint64_t first, uint64_t want,
	struct run *ret_run, uint32_t *sums)
{
	for (;;) {
		int full, err = pager_alloc(pager, want, ret_run);

		if (err)
			return err;
		full = blocks_write_run(pager, blocks, first, ret_run, sums);
		if (!error_is_full(full))
			return full;
		/* The list of unsynced pages holds pages that are not in the file. */
		pager->unsynced->overflow = true;
		err = pager_release(pager, ret_run->start, ret_run->count, pager->txn);
		if (err)
			return err;
		if (!pager->source->avoid_growth(pager->space))
			return full;
	}
}

/* Complete the first or last block with the bytes that the value holds there now. */
static int complete(struct pager *pager, const struct value *value, struct blocks *blocks,
	uint64_t block, uint64_t size, uint8_t *buf)
{
	uint64_t begin = block * PAGE_SIZE;
	uint64_t from = blocks->offset > begin ? blocks->offset : begin;
	uint64_t end = blocks->offset + size;
	uint64_t to = end < begin + PAGE_SIZE ? end : begin + PAGE_SIZE;
	size_t got = 0;
	int err = value_verify(pager, value, block, block + 1);

	if (!err)
		err = value_read(pager, value, begin, buf, PAGE_SIZE, &got);
	if (err != 0)
		return err;
	memset(buf + got, 0, PAGE_SIZE - got);
	memcpy(buf + (from - begin), blocks->data + (from - blocks->offset), to - from);
	return 0;
}

int blocks_init(struct pager *pager, const struct value *value, uint64_t offset, const void *data,
	uint64_t size, struct blocks *blocks)
{
	uint64_t end = offset + size;
	int err = 0;

	blocks->data = data;
	blocks->offset = offset;
	blocks->first = offset / PAGE_SIZE;
	blocks->end = value_blocks(end);
	blocks->own_last = end % PAGE_SIZE != 0;
	blocks->own_first =
		offset % PAGE_SIZE != 0 && !(blocks->own_last && blocks->first + 1 == blocks->end);
	if (offset % PAGE_SIZE != 0 && blocks->first + 1 == blocks->end)
		blocks->own_last = true;
	if (blocks->own_first)
		err = complete(pager, value, blocks, blocks->first, size, blocks->first_block);
	if (!err && blocks->own_last)
		err = complete(pager, value, blocks, blocks->end - 1, size, blocks->last_block);
	return err;
}

/* Most blocks written by one call of extent_add_run(): bounds the array of checksums. */
#define RUN_MAX 1024

int blocks_write_new(struct pager *pager, struct value *value, const struct blocks *blocks,
	uint64_t first, uint64_t end)
{
	uint32_t sums[RUN_MAX];

	while (first < end) {
		struct run run;
		uint64_t want = end - first < RUN_MAX ? end - first : RUN_MAX;
		int err = blocks_place(pager, blocks, first, want, &run, sums);

		if (!err)
			err = extent_remove(pager, value, first, first + run.count);
		if (!err)
			err = extent_add_run(pager, value, first, &run, sums);
		if (err != 0)
			return err;
		first += run.count;
	}
	return 0;
}

/* Write blocks from one on that lies in an extent: in place as far as that is allowed, or into new
 * pages. ret_end: the block behind those written, at most what it was. */
static int blocks_write_extent(struct pager *pager, struct value *value,
	const struct blocks *blocks, uint64_t block, struct extent *extent, uint64_t *ret_end)
{
	uint64_t skip = block - extent->block;
	struct run run = {extent->page + skip, extent->count - skip};
	bool in_place;
	int err;

	if (run.count > *ret_end - block)
		run.count = *ret_end - block;
	in_place = pager_may_overwrite(pager, &run, extent->birth, &run.count);
	*ret_end = block + run.count;
	if (!in_place)
		return blocks_write_new(pager, value, blocks, block, *ret_end);
	err = blocks_write_run(pager, blocks, block, &run, extent->sums + skip);
	return err != 0 ? err : extent_update(pager, value, extent);
}

int blocks_write(struct pager *pager, struct value *value, const struct blocks *blocks)
{
	uint64_t block = blocks->first;

	while (block < blocks->end) {
		uint64_t end = blocks->end;
		struct extent extent;
		int err = extent_find(pager, value, block, &extent);

		if (err != 0 && err != -ENOENT)
			return err;
		if (!err && extent.block <= block) {
			err = blocks_write_extent(pager, value, blocks, block, &extent, &end);
		} else {
			if (!err && extent.birth == pager->txn && extent.block < end)
				end = extent.block;
			else if (!err && extent.birth != pager->txn &&
				 extent.block + extent.count < end)
				end = extent.block + extent.count;
			err = blocks_write_new(pager, value, blocks, block, end);
		}
		if (err != 0)
			return err;
		block = end;
	}
	return 0;
}
