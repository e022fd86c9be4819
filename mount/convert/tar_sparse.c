/* Where a sparse file has data, in the four ways in which GNU tar writes it. See tar_input.h.
 *
 *     old GNU    four ranges in the header, then blocks of 21
 *     pax 0.0    a record for each offset and each size
 *     pax 0.1    one record with all of them
 *     pax 1.0    lines at the begin of the body, up to a whole block
 */
#include "mount/convert/tar_input.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

/* A hole for every page of 64 GiB: more is not believed. */
#define TAR_SPARSE_MAX ((size_t)1 << 24)

#define TAR_SPARSE_HEADER 386 /* offset of the ranges in a header of old GNU */
#define TAR_SPARSE_MORE 482   /* are there blocks with more? */
#define TAR_SPARSE_SIZE 483   /* of the file */

size_t tar_digits(const char *bytes, size_t size, uint64_t *ret_number)
{
	uint64_t number = 0;
	size_t at = 0;

	for (; at < size && isdigit((unsigned char)bytes[at]); at++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
			__builtin_add_overflow(number, (uint64_t)(bytes[at] - '0'), &number))
			return 0;
	}
	*ret_number = number;
	return at;
}

int tar_sparse_add(struct tar_input *input, struct tar_entry *entry, uint64_t offset, uint64_t size)
{
	const struct tar_data *last =
		entry->data_count > 0 ? &entry->data[entry->data_count - 1] : NULL;
	uint64_t end;

	if (__builtin_add_overflow(offset, size, &end) || end > INT64_MAX ||
		entry->data_count == TAR_SPARSE_MAX ||
		(last != NULL && offset < last->offset + last->size))
		return tar_input_malformed(input, "the list of its holes does not fit the file");
	if (entry->data_count == entry->data_room) {
		size_t room = entry->data_room > 0 ? 2 * entry->data_room : 16;
		struct tar_data *grown = realloc(entry->data, room * sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		entry->data = grown;
		entry->data_room = room;
	}
	entry->data[entry->data_count++] = (struct tar_data){offset, size};
	return 0;
}

/* Add the ranges at a place in a block; an empty field ends them. */
static int tar_sparse_fields(
	struct tar_input *input, const char *fields, int count, struct tar_entry *entry)
{
	int64_t offset, size;
	int err = 0;

	for (int i = 0; i < count && !err && fields[0] != '\0'; i++, fields += 24) {
		if (!tar_number(fields, 12, &offset) || !tar_number(fields + 12, 12, &size) ||
			offset < 0 || size < 0)
			return tar_input_malformed(input, "the list of its holes is malformed");
		err = tar_sparse_add(input, entry, (uint64_t)offset, (uint64_t)size);
	}
	return err;
}

int tar_sparse_header(struct tar_input *input, const char *block, struct tar_entry *entry)
{
	char more[TAR_BLOCK_SIZE];
	bool has_more = block[TAR_SPARSE_MORE] != '\0';
	int64_t size;
	size_t got;
	int err = tar_sparse_fields(input, block + TAR_SPARSE_HEADER, 4, entry);

	if (!tar_number(block + TAR_SPARSE_SIZE, 12, &size) || size < 0)
		return tar_input_malformed(input, "the size in its header is malformed");
	entry->is_sparse = true;
	entry->size = (uint64_t)size;
	while (!err && has_more) { /* the blocks do not count as body */
		err = tar_input_read(input, more, sizeof(more), &got);
		if (!err && got < sizeof(more))
			err = tar_input_malformed(input, "the archive is cut off");
		if (!err)
			err = tar_sparse_fields(input, more, 21, entry);
		has_more = more[504] != '\0';
	}
	return err;
}

int tar_sparse_list(struct tar_input *input, const char *list, size_t size, struct tar_entry *entry)
{
	uint64_t numbers[2];
	int err = 0;

	for (unsigned i = 0; !err && size > 0; i++) {
		size_t digits = tar_digits(list, size, &numbers[i % 2]);

		if (digits == 0 || (digits < size && list[digits] != ','))
			return tar_input_malformed(input, "the list of its holes is malformed");
		digits += digits < size;
		list += digits;
		size -= digits;
		if (i % 2 == 1)
			err = tar_sparse_add(input, entry, numbers[0], numbers[1]);
	}
	return err;
}

/* Read a line with a number, of at most 20 digits. */
static int tar_sparse_line(struct tar_input *input, uint64_t *ret_number)
{
	char line[21];
	size_t used = 0;
	int err;

	do {
		if (used == sizeof(line) || input->body == 0)
			return tar_input_malformed(input, "the list of its holes is malformed");
		err = tar_input_body(input, &line[used], 1);
	} while (!err && line[used++] != '\n');
	if (!err && (used < 2 || tar_digits(line, used, ret_number) != used - 1))
		err = tar_input_malformed(input, "the list of its holes is malformed");
	return err;
}

int tar_sparse_body(struct tar_input *input, struct tar_entry *entry)
{
	const uint64_t body = input->body;
	char waste[TAR_BLOCK_SIZE];
	uint64_t count = 0, offset = 0, size = 0;
	size_t rest;
	int err = tar_sparse_line(input, &count);

	for (; !err && count > 0; count--) {
		err = tar_sparse_line(input, &offset);
		if (!err)
			err = tar_sparse_line(input, &size);
		if (!err)
			err = tar_sparse_add(input, entry, offset, size);
	}
	rest = -(size_t)(body - input->body) % TAR_BLOCK_SIZE;
	if (!err && rest > input->body)
		err = tar_input_malformed(input, "the list of its holes is malformed");
	return err != 0 ? err : tar_input_body(input, waste, rest);
}

int tar_sparse_check(struct tar_input *input, const struct tar_entry *entry)
{
	uint64_t sum = 0, end = 0;

	for (size_t i = 0; i < entry->data_count; i++) { /* which do not overlap */
		sum += entry->data[i].size;
		end = entry->data[i].offset + entry->data[i].size;
	}
	return sum > input->body || end > entry->size
		       ? tar_input_malformed(input, "the list of its holes does not fit the file")
		       : 0;
}
