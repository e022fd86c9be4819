/* Writes gathered in memory. See write_buffer.h.
 *
 * A write takes the place of all ranges that it overlaps or touches: they become one, which keeps
 * the memory of the first.
 */
#include "fs/dirty/write_buffer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t range_end(const struct gather_range *range)
{
	return range->offset + range->size;
}

void gather_clear(struct gather *gather)
{
	for (size_t i = 0; i < gather->count; i++)
		free(gather->ranges[i].data);
	free(gather->ranges);
	*gather = (struct gather){0};
}

/* Index of the first range that ends at or behind an offset. */
static size_t find_range(const struct gather *gather, uint64_t offset)
{
	size_t low = 0, high = gather->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (range_end(&gather->ranges[middle]) < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Make room for size bytes in a range. */
static int range_reserve(struct gather_range *range, size_t size)
{
	size_t capacity = range->capacity < 256 ? 256 : range->capacity;
	unsigned char *data;

	if (size <= range->capacity)
		return 0;
	while (capacity < size)
		capacity *= 2;
	data = realloc(range->data, capacity);
	if (data == NULL)
		return -ENOMEM;
	range->data = data;
	range->capacity = capacity;
	return 0;
}

/* Make room for one range more. */
static int ranges_reserve(struct gather *gather)
{
	size_t capacity = gather->capacity ? 2 * gather->capacity : 4;
	struct gather_range *ranges;

	if (gather->count < gather->capacity)
		return 0;
	ranges = realloc(gather->ranges, capacity * sizeof(*ranges));
	if (ranges == NULL)
		return -ENOMEM;
	gather->ranges = ranges;
	gather->capacity = capacity;
	return 0;
}

static int insert_range(
	struct gather *gather, size_t index, uint64_t offset, const void *data, size_t size)
{
	struct gather_range range = {.offset = offset, .size = size};
	int err = ranges_reserve(gather);

	if (!err)
		err = range_reserve(&range, size);
	if (err)
		return err;
	memcpy(range.data, data, size);
	memmove(gather->ranges + index + 1, gather->ranges + index,
		(gather->count - index) * sizeof(range));
	gather->ranges[index] = range;
	gather->count++;
	gather->bytes += size;
	return 0;
}

/* Write over the ranges first to last, which become one. */
static int merge_ranges(struct gather *gather, size_t first, size_t last, uint64_t offset,
	const void *data, size_t size)
{
	struct gather_range *range = &gather->ranges[first];
	uint64_t end = range_end(&gather->ranges[last]);
	uint64_t begin = range->offset < offset ? range->offset : offset;
	size_t lead = (size_t)(range->offset - begin);
	size_t old_size = range->size;
	int err;

	assert(first <= last && last < gather->count);
	if (end < offset + size)
		end = offset + size;
	err = range_reserve(range, (size_t)(end - begin));
	if (err)
		return err;
	if (lead > 0)
		memmove(range->data + lead, range->data, old_size);
	range->offset = begin;
	range->size = (size_t)(end - begin);
	gather->bytes += range->size - old_size;
	for (size_t i = first + 1; i <= last; i++) {
		struct gather_range *other = &gather->ranges[i];

		memcpy(range->data + (other->offset - begin), other->data, other->size);
		gather->bytes -= other->size;
		free(other->data);
	}
	memcpy(range->data + (offset - begin), data, size);
	memmove(gather->ranges + first + 1, gather->ranges + last + 1,
		(gather->count - last - 1) * sizeof(*range));
	gather->count -= last - first;
	return 0;
}

int gather_write(struct gather *gather, uint64_t offset, const void *data, size_t size)
{
	size_t first = find_range(gather, offset);
	size_t behind = first;

	if (size == 0)
		return 0;
	while (behind < gather->count && gather->ranges[behind].offset <= offset + size)
		behind++;
	if (behind == first)
		return insert_range(gather, first, offset, data, size);
	return merge_ranges(gather, first, behind - 1, offset, data, size);
}

void gather_read(const struct gather *gather, uint64_t offset, void *buf, size_t size)
{
	uint64_t end = offset + size;

	for (size_t i = find_range(gather, offset); i < gather->count; i++) {
		const struct gather_range *range = &gather->ranges[i];
		uint64_t from = range->offset > offset ? range->offset : offset;
		uint64_t to = range_end(range) < end ? range_end(range) : end;

		if (range->offset >= end)
			break;
		if (from < to)
			memcpy((unsigned char *)buf + (from - offset),
				range->data + (from - range->offset), (size_t)(to - from));
	}
}

/* Cut a range in two at an offset inside it. */
static int split_range(struct gather *gather, size_t index, uint64_t offset)
{
	size_t head = (size_t)(offset - gather->ranges[index].offset);
	size_t tail = gather->ranges[index].size - head;
	int err = insert_range(gather, index + 1, offset, gather->ranges[index].data + head, tail);

	if (!err) {
		gather->ranges[index].size = head;
		gather->bytes -= tail;
	}
	return err;
}

/* Have a range begin at an offset, if one lies around it. @return the first range from there on */
static int cut_at(struct gather *gather, uint64_t offset, size_t *ret_index)
{
	size_t index = find_range(gather, offset + 1);
	int err = 0;

	if (index < gather->count && gather->ranges[index].offset < offset) {
		err = split_range(gather, index, offset);
		index++;
	}
	*ret_index = index;
	return err;
}

int gather_punch(struct gather *gather, uint64_t offset, uint64_t size)
{
	size_t first, behind;
	int err = cut_at(gather, offset, &first);

	if (!err)
		err = cut_at(gather, offset + size, &behind);
	if (err || first == behind)
		return err;
	for (size_t i = first; i < behind; i++) {
		gather->bytes -= gather->ranges[i].size;
		free(gather->ranges[i].data);
	}
	memmove(gather->ranges + first, gather->ranges + behind,
		(gather->count - behind) * sizeof(gather->ranges[0]));
	gather->count -= behind - first;
	return 0;
}

bool gather_next(
	const struct gather *gather, uint64_t offset, uint64_t *ret_begin, uint64_t *ret_end)
{
	size_t index = find_range(gather, offset + 1);

	if (index == gather->count)
		return false;
	*ret_begin = gather->ranges[index].offset;
	*ret_end = range_end(&gather->ranges[index]);
	return true;
}

void gather_truncate(struct gather *gather, uint64_t offset)
{
	while (gather->count > 0) {
		struct gather_range *range = &gather->ranges[gather->count - 1];

		if (range_end(range) <= offset)
			return;
		if (range->offset < offset) {
			gather->bytes -= range->size - (size_t)(offset - range->offset);
			range->size = (size_t)(offset - range->offset);
			return;
		}
		gather->bytes -= range->size;
		free(range->data);
		gather->count--;
	}
}

uint64_t gather_end(const struct gather *gather)
{
	return gather->count ? range_end(&gather->ranges[gather->count - 1]) : 0;
}

bool gather_is_full(const struct gather *gather)
{
	return gather->bytes > GATHER_BYTES_MAX || gather->count > GATHER_RANGES_MAX;
}
