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

static uint64_t range_end(const struct write_range *range)
{
	return range->offset + range->size;
}

void write_buffer_clear(struct write_buffer *buffer)
{
	for (size_t i = 0; i < buffer->count; i++)
		free(buffer->ranges[i].data);
	free(buffer->ranges);
	*buffer = (struct write_buffer){0};
}

/* Index of the first range that ends at or behind an offset. */
static size_t find_range(const struct write_buffer *buffer, uint64_t offset)
{
	size_t low = 0, high = buffer->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (range_end(&buffer->ranges[middle]) < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Make room for size bytes in a range. */
static int range_reserve(struct write_range *range, size_t size)
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
static int ranges_reserve(struct write_buffer *buffer)
{
	size_t capacity = buffer->capacity ? 2 * buffer->capacity : 4;
	struct write_range *ranges;

	if (buffer->count < buffer->capacity)
		return 0;
	ranges = realloc(buffer->ranges, capacity * sizeof(*ranges));
	if (ranges == NULL)
		return -ENOMEM;
	buffer->ranges = ranges;
	buffer->capacity = capacity;
	return 0;
}

static int insert_range(
	struct write_buffer *buffer, size_t index, uint64_t offset, const void *data, size_t size)
{
	struct write_range range = {.offset = offset, .size = size};
	int err = ranges_reserve(buffer);

	if (!err)
		err = range_reserve(&range, size);
	if (err)
		return err;
	memcpy(range.data, data, size);
	memmove(buffer->ranges + index + 1, buffer->ranges + index,
		(buffer->count - index) * sizeof(range));
	buffer->ranges[index] = range;
	buffer->count++;
	buffer->bytes += size;
	return 0;
}

/* Write over the ranges first to last, which become one. */
static int merge_ranges(struct write_buffer *buffer, size_t first, size_t last, uint64_t offset,
	const void *data, size_t size)
{
	struct write_range *range = &buffer->ranges[first];
	uint64_t end = range_end(&buffer->ranges[last]);
	uint64_t begin = range->offset < offset ? range->offset : offset;
	size_t lead = (size_t)(range->offset - begin);
	size_t old_size = range->size;
	int err;

	assert(first <= last && last < buffer->count);
	if (end < offset + size)
		end = offset + size;
	err = range_reserve(range, (size_t)(end - begin));
	if (err)
		return err;
	if (lead > 0)
		memmove(range->data + lead, range->data, old_size);
	range->offset = begin;
	range->size = (size_t)(end - begin);
	buffer->bytes += range->size - old_size;
	for (size_t i = first + 1; i <= last; i++) {
		struct write_range *other = &buffer->ranges[i];

		memcpy(range->data + (other->offset - begin), other->data, other->size);
		buffer->bytes -= other->size;
		free(other->data);
	}
	memcpy(range->data + (offset - begin), data, size);
	memmove(buffer->ranges + first + 1, buffer->ranges + last + 1,
		(buffer->count - last - 1) * sizeof(*range));
	buffer->count -= last - first;
	return 0;
}

int write_buffer_write(struct write_buffer *buffer, uint64_t offset, const void *data, size_t size)
{
	size_t first = find_range(buffer, offset);
	size_t behind = first;

	if (size == 0)
		return 0;
	while (behind < buffer->count && buffer->ranges[behind].offset <= offset + size)
		behind++;
	if (behind == first)
		return insert_range(buffer, first, offset, data, size);
	return merge_ranges(buffer, first, behind - 1, offset, data, size);
}

void write_buffer_read(const struct write_buffer *buffer, uint64_t offset, void *buf, size_t size)
{
	uint64_t end = offset + size;

	for (size_t i = find_range(buffer, offset); i < buffer->count; i++) {
		const struct write_range *range = &buffer->ranges[i];
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
static int split_range(struct write_buffer *buffer, size_t index, uint64_t offset)
{
	size_t head = (size_t)(offset - buffer->ranges[index].offset);
	size_t tail = buffer->ranges[index].size - head;
	int err = insert_range(buffer, index + 1, offset, buffer->ranges[index].data + head, tail);

	if (!err) {
		buffer->ranges[index].size = head;
		buffer->bytes -= tail;
	}
	return err;
}

/* Have a range begin at an offset, if one lies around it. @return the first range from there on */
static int cut_at(struct write_buffer *buffer, uint64_t offset, size_t *ret_index)
{
	size_t index = find_range(buffer, offset + 1);
	int err = 0;

	if (index < buffer->count && buffer->ranges[index].offset < offset) {
		err = split_range(buffer, index, offset);
		index++;
	}
	*ret_index = index;
	return err;
}

int write_buffer_punch(struct write_buffer *buffer, uint64_t offset, uint64_t size)
{
	size_t first, behind;
	int err = cut_at(buffer, offset, &first);

	if (!err)
		err = cut_at(buffer, offset + size, &behind);
	if (err || first == behind)
		return err;
	for (size_t i = first; i < behind; i++) {
		buffer->bytes -= buffer->ranges[i].size;
		free(buffer->ranges[i].data);
	}
	memmove(buffer->ranges + first, buffer->ranges + behind,
		(buffer->count - behind) * sizeof(buffer->ranges[0]));
	buffer->count -= behind - first;
	return 0;
}

bool write_buffer_next(
	const struct write_buffer *buffer, uint64_t offset, uint64_t *ret_begin, uint64_t *ret_end)
{
	size_t index = find_range(buffer, offset + 1);

	if (index == buffer->count)
		return false;
	*ret_begin = buffer->ranges[index].offset;
	*ret_end = range_end(&buffer->ranges[index]);
	return true;
}

void write_buffer_truncate(struct write_buffer *buffer, uint64_t offset)
{
	while (buffer->count > 0) {
		struct write_range *range = &buffer->ranges[buffer->count - 1];

		if (range_end(range) <= offset)
			return;
		if (range->offset < offset) {
			buffer->bytes -= range->size - (size_t)(offset - range->offset);
			range->size = (size_t)(offset - range->offset);
			return;
		}
		buffer->bytes -= range->size;
		free(range->data);
		buffer->count--;
	}
}

uint64_t write_buffer_end(const struct write_buffer *buffer)
{
	return buffer->count ? range_end(&buffer->ranges[buffer->count - 1]) : 0;
}

bool write_buffer_is_full(const struct write_buffer *buffer)
{
	return buffer->bytes > WRITE_BUFFER_BYTES_MAX || buffer->count > WRITE_BUFFER_RANGES_MAX;
}
