/* The bytes of an archive without its compression. See tar_input.h. */
#include "mount/convert/tar_input.h"

#include "mount/convert/tar.h"

#include <archive.h>
#include <archive_entry.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Long names and pax records are kept in memory. */
#define TAR_HEADER_MAX ((size_t)64 << 20)

int tar_input_malformed(struct tar_input *input, const char *why)
{
	return convert_malformed(input->convert, "entry %llu: %s",
		(unsigned long long)input->convert->records + 1, why);
}

int tar_bytes_add(struct tar_bytes *bytes, const void *data, size_t size)
{
	char *grown = realloc(bytes->data, bytes->size + size + 1);

	if (grown == NULL)
		return -ENOMEM;
	if (size > 0)
		memcpy(grown + bytes->size, data, size);
	bytes->data = grown;
	bytes->size += size;
	grown[bytes->size] = '\0';
	return 0;
}

int tar_bytes_set(struct tar_bytes *bytes, const void *data, size_t size)
{
	bytes->size = 0;
	return tar_bytes_add(bytes, data, size);
}

int tar_input_open(struct convert *convert, struct tar_input *input)
{
	struct archive_entry *all;
	struct archive *archive = archive_read_new();
	int code;

	*input = (struct tar_input){.convert = convert, .archive = archive};
	if (archive == NULL)
		return -ENOMEM;
	archive_read_support_filter_gzip(archive);
	archive_read_support_filter_xz(archive);
	archive_read_support_filter_zstd(archive);
	archive_read_support_format_raw(archive);
	archive_read_support_format_empty(archive);
	if (archive_read_open_fd(archive, convert->fd, 256 * 1024) != ARCHIVE_OK)
		return tar_fail(convert, archive);
	code = archive_read_next_header(archive, &all);
	input->is_empty = code == ARCHIVE_EOF;
	return code < ARCHIVE_WARN ? tar_fail(convert, archive) : 0;
}

void tar_input_close(struct tar_input *input)
{
	archive_read_free(input->archive);
	free(input->globals.data);
}

uint64_t tar_input_done(const struct tar_input *input)
{
	return (uint64_t)archive_filter_bytes(input->archive, -1);
}

int tar_input_read(struct tar_input *input, void *buffer, size_t size, size_t *ret_size)
{
	size_t used = 0;
	la_ssize_t part = !input->is_empty;

	while (used < size && part > 0) {
		part = archive_read_data(input->archive, (char *)buffer + used, size - used);
		if (part < 0)
			return tar_fail(input->convert, input->archive);
		used += (size_t)part;
	}
	*ret_size = used;
	return 0;
}

int tar_input_body(struct tar_input *input, void *buffer, size_t size)
{
	size_t used;
	int err = tar_input_read(input, buffer, size, &used);

	if (!err && used < size)
		err = tar_input_malformed(input, "the archive is cut off");
	if (!err)
		input->body -= size;
	return err;
}

int tar_input_skip(struct tar_input *input)
{
	char waste[65536];
	int err = 0;

	while (!err && input->body > 0)
		err = tar_input_body(input, waste,
			input->body < sizeof(waste) ? (size_t)input->body : sizeof(waste));
	if (!err) {
		input->body = input->padding;
		input->padding = 0;
		err = tar_input_body(input, waste, (size_t)input->body);
	}
	return err;
}

int tar_input_take(struct tar_input *input, struct tar_bytes *bytes)
{
	char piece[65536];
	int err = 0;

	if (input->body > TAR_HEADER_MAX || bytes->size > TAR_HEADER_MAX)
		return tar_input_malformed(input, "a header of more than 64 MiB");
	while (!err && input->body > 0) {
		size_t size = input->body < sizeof(piece) ? (size_t)input->body : sizeof(piece);

		err = tar_input_body(input, piece, size);
		if (!err)
			err = tar_bytes_add(bytes, piece, size);
	}
	return err;
}
