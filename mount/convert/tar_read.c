/* Entries of an archive become records. Paths are taken as they are and made plain first: "./a" and
 * "/a" are "a". A directory that is a piece of a long name has no place of its own. See tar.h.
 */
#include "mount/convert/tar.h"
#include "mount/convert/tar_input.h"

#include "fs/clock.h"
#include "fs/names/names.h"

#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	struct convert *convert;
	struct tar_input input;
	struct tar_entry entry;
	struct record record;
	size_t key_size;
	unsigned char key[KT_KEY_MAX + 1];
	char path[TAR_PATH_SIZE];
	unsigned char piece[CONVERT_PIECE_SIZE];
};

static int tar_malformed(struct reader *reader, const char *why)
{
	return convert_malformed(reader->convert, "entry %llu (%s): %s",
		(unsigned long long)reader->convert->records + 1, reader->entry.path.data, why);
}

/* Make a path plain: without "." and empty names. @return 0; -EINVAL */
static int make_plain(const char *path, char plain[TAR_PATH_SIZE])
{
	size_t used = 0;

	while (*path != '\0') {
		size_t length = strcspn(path, "/");

		if (length == 2 && memcmp(path, "..", 2) == 0)
			return -EINVAL;
		if (length > 0 && !(length == 1 && *path == '.')) {
			if (used + length + 2 > TAR_PATH_SIZE)
				return -ENAMETOOLONG;
			if (used > 0)
				plain[used++] = '/';
			memcpy(plain + used, path, length);
			used += length;
		}
		path += length + (path[length] == '/');
	}
	plain[used] = '\0';
	return 0;
}

static int find_key(struct reader *reader, const char *path, unsigned char *key, size_t *ret_size)
{
	bool value;
	int err = make_plain(path, reader->path);

	if (!err && reader->path[0] == '\0') /* the root, which is a directory only */
		err = -EISDIR;
	if (!err)
		err = names_key_of_path(TAR_SEPARATOR, reader->path, key, ret_size, &value);
	if (!err && value && S_ISDIR(reader->entry.attr.mode))
		err = -EINVAL;
	return err;
}

static bool is_piece(const char *path)
{
	const char *name = strrchr(path, '/');
	size_t length;

	name = name != NULL ? name + 1 : path;
	length = strlen(name);
	return length >= NAMES_PIECE_MAX && strcmp(name + length - 2, "%+") == 0;
}

/* Put the record, with a value or none. */
static int tar_put(struct reader *reader, const void *value, size_t size)
{
	struct kt_slice bytes = {value, size};
	struct attr_blob blob;
	int err = attr_blob_init(&reader->entry.attr, &blob);

	if (err != 0)
		return err;
	reader->record.key = (struct kt_slice){reader->key, reader->key_size};
	reader->record.stat.attr = (struct kt_slice){blob.bytes, blob.size};
	err = convert_put(reader->convert, &reader->record, &bytes);
	attr_blob_fini(&blob);
	return err;
}

/* Write a range of the value, which is there already. */
static int tar_write_range(struct reader *reader, const struct tar_data *range)
{
	const struct kt_slice key = {reader->key, reader->key_size};
	uint64_t done = 0;
	int err = 0;

	while (!err && done < range->size) {
		uint64_t left = range->size - done;
		struct kt_slice piece = {reader->piece,
			left < sizeof(reader->piece) ? (size_t)left : sizeof(reader->piece)};

		err = tar_input_body(&reader->input, reader->piece, piece.size);
		if (!err)
			err = convert_put_piece(reader->convert, &key, range->offset + done, &piece,
				reader->entry.mtime_ns);
		done += piece.size;
	}
	return err;
}

/* A small value is put at once; of a large one, or one with holes, the entry first. */
static int tar_read_file(struct reader *reader)
{
	const struct tar_entry *entry = &reader->entry;
	const struct tar_data all = {0, entry->size};
	struct kt_txn *txn = reader->convert->txn;
	size_t count = entry->is_sparse ? entry->data_count : 1;
	int err;

	if (!entry->is_sparse && entry->size < sizeof(reader->piece)) {
		err = tar_input_body(&reader->input, reader->piece, (size_t)entry->size);
		return err != 0 ? err : tar_put(reader, reader->piece, (size_t)entry->size);
	}
	err = tar_put(reader, NULL, 0);
	for (size_t i = 0; i < count && !err; i++)
		err = tar_write_range(reader, entry->is_sparse ? &entry->data[i] : &all);
	if (!err)
		err = kt_truncate(txn, reader->key, reader->key_size, entry->size);
	return err != 0 ? err : kt_set_mtime(txn, reader->key, reader->key_size, entry->mtime_ns);
}

/* A further name of a file that came before. pax lets it carry the bytes again. */
static int read_link(struct reader *reader)
{
	unsigned char key[KT_KEY_MAX + 1];
	const struct kt_slice to = {reader->key, reader->key_size};
	struct kt_slice from = {.data = key};
	int err = find_key(reader, reader->entry.target.data, key, &from.size);

	if (!err)
		err = convert_put_link(reader->convert, &from, &to);
	if (err == -ENOENT || err == -EINVAL || err == -EISDIR || err == -ENAMETOOLONG)
		return tar_malformed(
			reader, "a hard link to a file that is not in the archive before it");
	return err;
}

static int read_directory(struct reader *reader)
{
	if (reader->path[0] != '\0')
		reader->key[reader->key_size++] = TAR_SEPARATOR;
	else
		reader->key_size = 0;
	return reader->key_size > KT_KEY_MAX
		       ? tar_malformed(reader, "the key would be longer than 4096 bytes")
		       : tar_put(reader, NULL, 0);
}

static int read_by_type(struct reader *reader)
{
	const struct tar_bytes *target = &reader->entry.target;

	if (reader->entry.is_link)
		return read_link(reader);
	switch (reader->entry.attr.mode & S_IFMT) {
	case S_IFDIR:
		return read_directory(reader);
	case S_IFREG:
		return tar_read_file(reader);
	case S_IFLNK:
		return target->size > 0 ? tar_put(reader, target->data, target->size)
					: tar_malformed(reader, "a symbolic link without a target");
	default: /* a pipe or a device */
		return tar_put(reader, NULL, 0);
	}
}

static int read_entry(struct reader *reader)
{
	struct tar_entry *entry = &reader->entry;
	bool is_directory = S_ISDIR(entry->attr.mode);
	int err = find_key(reader, entry->path.data, reader->key, &reader->key_size);

	if (is_directory && err == -EISDIR)
		err = 0;
	if (is_directory && err == -EINVAL && is_piece(reader->path))
		return 0;
	if (err == -ENAMETOOLONG)
		return tar_malformed(
			reader, "a name is longer than 255 bytes, or the key longer than 4096");
	if (err == -EINVAL || err == -EISDIR)
		return tar_malformed(reader, "this path stands for no key");
	attr_set_xattrs(&entry->attr, entry->attr.xattrs);
	if (!err && (!clock_is_exact(entry->mtime_ns) ||
			    ((entry->attr.fields & ATTR_ATIME) &&
				    !clock_is_exact(entry->attr.atime_ns))))
		return tar_malformed(reader, "a time before 1678 or after 2261");
	reader->record = (struct record){.is_directory = is_directory};
	reader->record.stat.mtime_ns = entry->mtime_ns;
	return err != 0 ? err : read_by_type(reader);
}

static int read_archive(struct reader *reader)
{
	struct convert *convert = reader->convert;
	int err = 0;

	while (!err && (err = tar_next_entry(&reader->input, &reader->entry)) == 0) {
		err = read_entry(reader);
		if (!err)
			err = convert_record_done(convert, tar_input_done(&reader->input));
	}
	tar_entry_fini(&reader->entry);
	return err == -ENODATA ? 0 : err;
}

int tar_read(struct convert *convert)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	int err = reader != NULL ? 0 : -ENOMEM;

	if (err != 0)
		return err;
	reader->convert = convert;
	err = tar_input_open(convert, &reader->input);
	if (!err)
		err = read_archive(reader);
	tar_input_close(&reader->input);
	free(reader);
	return err;
}
