/* JSON lines: one object for each entry or made directory.
 *
 *     {"key":"a/b","value":"text","mtime_ns":1789000000000000000,"attr_base64":"AQ..."}
 *     {"key_base64":"/w==","value_base64":"AAE="}
 *     {"key":"c","link":"a/b"}                                         one more key of an entry
 *     {"directory":"a/","mtime_ns":...,"attr_base64":...}
 *     {"key":"large","size":3000000000,"mtime_ns":...}                 a large value: its size,
 *     {"key":"large","offset":0,"mtime_ns":...,"value_base64":"..."}   and then its pieces
 *
 * Bytes that are UTF-8 are text, others base64 under a name that says so. Without mtime_ns a value
 * is put as by "keytree put": it keeps the attributes there are.
 */
#include "mount/text/base64.h"
#include "mount/convert/formats.h"
#include "mount/text/json_line.h"

#include <jansson.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- write ---- */

struct writer {
	FILE *file;
	struct json_line line;
	const struct record *record; /* whose pieces are written */
};

static void begin_line(struct writer *writer, const struct record *record)
{
	json_line_begin(&writer->line);
	json_line_bytes(&writer->line, record->is_directory ? "directory" : "key", record->key);
}

static int jsonl_write_piece(void *arg, uint64_t offset, const void *data, size_t size)
{
	struct writer *writer = arg;

	begin_line(writer, writer->record);
	json_line_number(&writer->line, "offset", (int64_t)offset);
	json_line_number(&writer->line, "mtime_ns", writer->record->stat.mtime_ns);
	json_line_base64(&writer->line, "value", (struct kt_slice){data, size});
	return json_line_end(&writer->line, writer->file);
}

static int jsonl_write_record(void *arg, struct convert *convert, const struct record *record)
{
	struct writer *writer = arg;
	struct json_line *line = &writer->line;
	bool large = record->stat.size > CONVERT_PIECE_SIZE;
	struct kt_slice value;
	int err = 0;

	begin_line(writer, record);
	if (record->is_link) {
		json_line_bytes(line, "link", record->link);
		return json_line_end(line, writer->file);
	}
	if (large) {
		json_line_number(line, "size", (int64_t)record->stat.size);
	} else if (!record->is_directory) {
		err = kt_cursor_value(record->cursor, &value);
		if (!err)
			json_line_bytes(line, "value", value);
	}
	json_line_number(line, "mtime_ns", record->stat.mtime_ns);
	if (record->stat.attr.size > 0)
		json_line_base64(line, "attr", record->stat.attr);
	if (!err)
		err = json_line_end(line, writer->file);
	writer->record = record;
	return !err && large ? convert_each_piece(convert, record, jsonl_write_piece, writer) : err;
}

static int write_jsonl(struct convert *convert)
{
	struct writer writer = {.file = fdopen(dup(convert->fd), "w")};
	int err;

	if (writer.file == NULL)
		return -errno;
	err = convert_each_record(convert, jsonl_write_record, &writer);
	if (fclose(writer.file) != 0 && !err)
		err = -errno;
	json_line_fini(&writer.line);
	return err;
}

/* ---- read ---- */

struct reader {
	struct convert *convert;
	uint64_t line; /* number */
	json_t *object;
	unsigned char *decoded[4]; /* bytes that were base64; owned */
	unsigned decoded_count;
};

static int jsonl_malformed(const struct reader *reader, const char *why)
{
	return convert_malformed(
		reader->convert, "line %llu: %s", (unsigned long long)reader->line, why);
}

static int decode(struct reader *reader, json_t *text, struct kt_slice *ret_bytes)
{
	unsigned char *bytes;
	size_t size;

	if (!json_is_string(text))
		return jsonl_malformed(reader, "a member named *_base64 must be a string");
	bytes = malloc(json_string_length(text) + 1);
	if (bytes == NULL)
		return -ENOMEM;
	reader->decoded[reader->decoded_count++] = bytes;
	if (base64_decode(json_string_value(text), json_string_length(text), bytes, &size) != 0)
		return jsonl_malformed(reader, "a member named *_base64 is not valid base64");
	*ret_bytes = (struct kt_slice){bytes, size};
	return 0;
}

/* Bytes under one of two names, as text or as base64. @return 0; -ENOENT there are none */
static int read_bytes(struct reader *reader, const char *text_name, const char *base64_name,
	struct kt_slice *ret_bytes)
{
	json_t *text = json_object_get(reader->object, text_name);
	json_t *base64 = json_object_get(reader->object, base64_name);

	if (text != NULL && base64 != NULL)
		return jsonl_malformed(
			reader, "a key or value is given both as text and as base64");
	if (base64 != NULL)
		return decode(reader, base64, ret_bytes);
	if (text == NULL)
		return -ENOENT;
	if (!json_is_string(text))
		return jsonl_malformed(reader, "a key or value must be a string");
	*ret_bytes = (struct kt_slice){json_string_value(text), json_string_length(text)};
	return 0;
}

/* A number under a name. @return 0; -ENOENT there is none */
static int read_number(struct reader *reader, const char *name, int64_t *ret_number)
{
	json_t *number = json_object_get(reader->object, name);

	if (number == NULL)
		return -ENOENT;
	if (!json_is_integer(number))
		return jsonl_malformed(
			reader, "\"mtime_ns\", \"size\" and \"offset\" must be whole numbers");
	*ret_number = json_integer_value(number);
	return 0;
}

/* What an object says; has_* what it says at all. */
struct said {
	struct record record;
	struct kt_slice value, link;
	int64_t size, offset;
	bool has_value, has_link, has_size, has_offset, has_mtime;
};

static int optional(int err, bool *ret_has)
{
	*ret_has = !err;
	return err == -ENOENT ? 0 : err;
}

static int read_said(struct reader *reader, struct said *said)
{
	struct record *record = &said->record;
	bool has_attr;
	int err = read_bytes(reader, "key", "key_base64", &record->key);

	if (err == -ENOENT) {
		err = read_bytes(reader, "directory", "directory_base64", &record->key);
		record->is_directory = true;
	}
	if (err == -ENOENT)
		return jsonl_malformed(reader, "\"key\" or \"directory\" is missing");
	if (!err)
		err = optional(read_bytes(reader, "value", "value_base64", &said->value),
			&said->has_value);
	if (!err)
		err = optional(
			read_bytes(reader, "link", "link_base64", &said->link), &said->has_link);
	if (!err)
		err = optional(
			read_bytes(reader, "attr", "attr_base64", &record->stat.attr), &has_attr);
	if (!err)
		err = optional(read_number(reader, "size", &said->size), &said->has_size);
	if (!err)
		err = optional(read_number(reader, "offset", &said->offset), &said->has_offset);
	if (!err)
		err = optional(
			read_number(reader, "mtime_ns", &record->stat.mtime_ns), &said->has_mtime);
	if (!err && !said->has_mtime)
		record->stat.mtime_ns = (int64_t)time(NULL) * 1000000000;
	if (!err && (said->size < 0 || said->offset < 0))
		return jsonl_malformed(reader, "\"size\" and \"offset\" must not be negative");
	if (!err && record->key.size > KT_KEY_MAX)
		return jsonl_malformed(reader, "the key is longer than 4096 bytes");
	return err;
}

static int put_said(struct reader *reader, const struct said *said)
{
	struct convert *convert = reader->convert;
	const struct record *record = &said->record;
	int err;

	if (record->is_directory)
		return said->has_value || said->has_size || said->has_offset || said->has_link
			       ? jsonl_malformed(reader, "a \"directory\" cannot have a value")
			       : convert_put(convert, record, &said->value);
	if (said->has_link) {
		if (said->has_value || said->has_size || said->has_offset)
			return jsonl_malformed(reader, "a \"link\" cannot have a value");
		err = convert_put_link(convert, &said->link, &record->key);
		return err == -ENOENT
			       ? jsonl_malformed(reader, "\"link\" names a key that does not exist")
			       : err;
	}
	if (said->has_size == said->has_value || (said->has_offset && said->has_size))
		return jsonl_malformed(
			reader, "\"value\", \"size\" and \"link\": exactly one is needed");
	if (said->has_offset) {
		err = convert_put_piece(convert, &record->key, (uint64_t)said->offset, &said->value,
			record->stat.mtime_ns);
		return err == -EFBIG ? jsonl_malformed(reader, "\"offset\" is too large") : err;
	}
	if (!said->has_mtime && !said->has_size)
		return convert_put_value(convert, &record->key, &said->value);
	err = convert_put(convert, record, &said->value);
	if (!err && said->has_size)
		err = kt_truncate(
			convert->txn, record->key.data, record->key.size, (uint64_t)said->size);
	if (!err && said->has_size)
		err = kt_set_mtime(
			convert->txn, record->key.data, record->key.size, record->stat.mtime_ns);
	return err;
}

static int read_line(struct reader *reader, const char *line, size_t size)
{
	struct said said = {0};
	json_error_t why;
	int err;

	if (strspn(line, " \t\r\n") == size)
		return 0;
	reader->object = json_loadb(line, size, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
	if (reader->object == NULL)
		return jsonl_malformed(reader, why.text);
	if (!json_is_object(reader->object))
		err = jsonl_malformed(reader, "not a JSON object");
	else
		err = read_said(reader, &said);
	if (!err)
		err = put_said(reader, &said);
	json_decref(reader->object);
	while (reader->decoded_count > 0)
		free(reader->decoded[--reader->decoded_count]);
	return err;
}

static int read_jsonl(struct convert *convert)
{
	struct reader reader = {.convert = convert};
	FILE *file = fdopen(dup(convert->fd), "r");
	size_t capacity = 0;
	uint64_t done = 0;
	char *line = NULL;
	ssize_t size;
	int err = 0;

	if (file == NULL)
		return -errno;
	errno = 0;
	while (!err && (size = getline(&line, &capacity, file)) >= 0) {
		reader.line++;
		done += (uint64_t)size;
		err = read_line(&reader, line, (size_t)size);
		if (!err)
			err = convert_record_done(convert, done);
		errno = 0;
	}
	if (!err && !feof(file))
		err = errno != 0 ? -errno : -EIO;
	free(line);
	fclose(file);
	return err;
}

const struct format format_jsonl = {
	.name = "jsonl",
	.endings = " .jsonl .ndjson",
	.streams = true,
	.write = write_jsonl,
	.read = read_jsonl,
};
