#include "store/value/value.h"

#include "store/error.h"
#include "store/value/extent.h"
#include "store/io/io.h"
#include "store/tree/pager.h"

#include <errno.h>
#include <string.h>

int value_extent(struct pager *pager, const struct value *value, struct extent *ret_extent)
{
	return extent_parse(pager, 0, value->data, EXTENT_SIZE(value->blocks), ret_extent);
}

int value_free(struct pager *pager, const struct value *value)
{
	struct extent extent;
	int err;

	switch (value->kind) {
	case CELL_EXTENT:
		err = value_extent(pager, value, &extent);
		return err != 0 ? err
				: pager_release(pager, extent.page, extent.count, extent.birth);
	case CELL_TREE:
		return extent_free(pager, value);
	default:
		return 0;
	}
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Blocks that are read together to be verified. */
#define VALUE_VERIFY_BLOCKS 16

/* Largest value of which a view is verified as a whole, in blocks: a view of a larger one, of which
 * perhaps a few bytes are wanted, is verified only if the transaction asks for it (KT_VERIFY). */
#define VALUE_VIEW_BLOCKS (UINT64_C(4) << 20 >> PAGE_SHIFT)

/* Must a block of an extent be verified? Each is once, when it is first met. A store in memory has no
 * disk that could rot. */
static bool value_is_unproved(struct pager *pager, const struct extent *extent, uint64_t block)
{
	uint64_t i = block - extent->block;

	if (pager_verifies(pager))
		return true;
	return pager->io != NULL && pager->io->durable &&
	       !pager_has_seen_block(pager, extent->page + i, extent->sums[i]);
}

/* Compare the bytes of a block with its checksum. */
static int value_verify_block(
	struct pager *pager, const struct extent *extent, uint64_t block, const void *data)
{
	uint64_t i = block - extent->block;

	if ((uint32_t)block_checksum(data, pager->seed) != extent->sums[i])
		return error_set(-EBADMSG, "page %llu: block %llu of a value",
			(unsigned long long)(extent->page + i), (unsigned long long)block);
	pager_saw_block(pager, extent->page + i, extent->sums[i]);
	return 0;
}

/* Verify blocks of an extent, from first to end. They are read and not touched in the map: a block that
 * the disk cannot read is an error and no signal.
 * @param again  those that were verified before, too */
static int value_verify_extent(
	struct pager *pager, const struct extent *extent, uint64_t first, uint64_t end, bool again)
{
	uint8_t buf[VALUE_VERIFY_BLOCKS * PAGE_SIZE];

	while (first < end) {
		uint64_t count = 0;
		int err;

		if (!again && !value_is_unproved(pager, extent, first)) {
			first++;
			continue;
		}
		while (count < VALUE_VERIFY_BLOCKS && first + count < end &&
			(again || value_is_unproved(pager, extent, first + count)))
			count++;
		err = io_read(pager->io, (extent->page + (first - extent->block)) << PAGE_SHIFT,
			buf, count << PAGE_SHIFT);
		for (uint64_t i = 0; !err && i < count; i++)
			err = value_verify_block(pager, extent, first + i, buf + (i << PAGE_SHIFT));
		if (err)
			return err;
		first += count;
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
		err = value_extent(pager, value, extent);
	if (!err && block >= extent->block + extent->count)
		err = -ENOENT;
	return err;
}

int value_verify(struct pager *pager, const struct value *value, uint64_t first, uint64_t end)
{
	while (value->kind != CELL_INLINE && first < end) {
		struct extent extent;
		uint64_t last;
		int err = find_extent(pager, value, first, &extent);

		if (err != 0 || extent.block >= end)
			return err == -ENOENT ? 0 : err;
		last = extent.block + extent.count;
		first = extent.block > first ? extent.block : first;
		err = value_verify_extent(pager, &extent, first, last < end ? last : end, true);
		if (err != 0)
			return err;
		first = last;
	}
	return 0;
}

/* Copy bytes of an extent, verified. A page fault brings in a cluster around it and forgets what was
 * read before; read(2) reads ahead of a stream, and of a random access no more than it asked for.
 * Whole blocks are verified where they were copied to, the others before.
 * @param skip  bytes of the extent before those that are wanted */
static int value_read_extent(
	struct pager *pager, const struct extent *extent, uint64_t skip, uint8_t *buf, size_t size)
{
	uint64_t at = (extent->page << PAGE_SHIFT) + skip;
	uint64_t first = extent->block + skip / PAGE_SIZE;
	uint64_t end = extent->block + (skip + size + PAGE_SIZE - 1) / PAGE_SIZE;
	uint64_t whole = extent->block + (skip + PAGE_SIZE - 1) / PAGE_SIZE;
	uint64_t whole_end = extent->block + (skip + size) / PAGE_SIZE;
	int err = value_verify_extent(pager, extent, first, whole < end ? whole : end, false);

	if (!err && whole_end >= whole)
		err = value_verify_extent(
			pager, extent, whole_end > first ? whole_end : first, end, false);
	if (!err && size < PAGE_SIZE) {
		memcpy(buf, pager->map + at, size);
		err = pager_check(pager);
	} else if (!err) {
		err = io_read(pager->io, at, buf, size);
	}
	for (uint64_t block = whole; !err && block < whole_end; block++)
		if (value_is_unproved(pager, extent, block))
			err = value_verify_block(pager, extent, block,
				buf + ((block - extent->block) * PAGE_SIZE - skip));
	return err;
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
		if (!err)
			begin = extent.block * PAGE_SIZE;
		if (begin <= offset) {
			uint64_t skip = offset - begin;

			if (extent.count * PAGE_SIZE - skip < part)
				part = extent.count * PAGE_SIZE - skip;
			err = value_read_extent(pager, &extent, skip, buf, part);
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

int value_not_followed(void)
{
	return error_damaged(0, "a link that leads to a link");
}

int value_read(struct pager *pager, const struct value *value, uint64_t offset, void *buf,
	size_t size, size_t *ret_read)
{
	if (value->kind == CELL_LINK)
		return value_not_followed();
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
	return pager_check(pager);
}

int value_view(struct pager *pager, const struct value *value, const void **ret_data)
{
	uint64_t end = value_blocks(value->size);
	uint64_t block = 0, first = 0;

	*ret_data = NULL;
	if (value->kind == CELL_LINK)
		return value_not_followed();
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
		if (end <= VALUE_VIEW_BLOCKS || pager_verifies(pager))
			err = value_verify_extent(
				pager, &extent, block, block + extent.count, false);
		if (err)
			return err;
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
		return value_not_followed();
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

/* A contiguous run of blocks of a value. */
struct piece {
	uint64_t page; /* 0: they are a hole */
	uint64_t count;
};

/* Find the piece of a value that begins at a block, up to end. */
static int find_piece(struct pager *pager, const struct value *value, uint64_t block, uint64_t end,
	struct piece *ret_piece)
{
	struct extent extent;
	int err = find_extent(pager, value, block, &extent);

	if (err != 0 && err != -ENOENT)
		return err;
	*ret_piece = (struct piece){0, end - block};
	if (err == -ENOENT || extent.block >= end)
		return 0;
	if (extent.block > block) {
		ret_piece->count = extent.block - block;
		return 0;
	}
	ret_piece->page = extent.page + (block - extent.block);
	if (extent.block + extent.count < end)
		ret_piece->count = extent.block + extent.count - block;
	return 0;
}

int value_next_change(struct pager *from, const struct value *before, struct pager *to,
	const struct value *value, uint64_t offset, struct value_change *ret_change)
{
	uint64_t block = value_blocks(offset), end = value_blocks(value->size), first = end;
	bool stored = false;

	while (block < end) {
		struct piece was, is;
		int err = find_piece(from, before, block, end, &was);

		if (!err)
			err = find_piece(to, value, block, end, &is);
		if (err != 0)
			return err;
		if (was.page != is.page && first == end) {
			first = block;
			stored = is.page != 0;
		} else if (first != end && (was.page == is.page || stored != (is.page != 0))) {
			break;
		}
		block += was.count < is.count ? was.count : is.count;
	}
	if (first == end)
		return -ENXIO;
	ret_change->begin = first * PAGE_SIZE;
	ret_change->end = block * PAGE_SIZE < value->size ? block * PAGE_SIZE : value->size;
	ret_change->stored = stored;
	return 0;
}

uint64_t value_stored(const struct value *value)
{
	return value->kind == CELL_INLINE ? value->size : value->blocks * PAGE_SIZE;
}
