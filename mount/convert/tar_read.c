/* Entries of an archive become records. Paths are taken as they are and made plain first: "./a" and
 * "/a" are "a". A directory that is a piece of a long name has no place of its own. See tar.h.
 */
#include "mount/convert/tar.h"

#include "fs/clock.h"
#include "fs/meta/attr.h"
#include "fs/names/names.h"
#include "fs/meta/xattr_list.h"

#include <archive.h>
#include <archive_entry.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	struct convert *convert;
	struct archive *archive;
	struct archive_entry *entry;
	struct record record;
	struct attr attr;
	struct kt_slice xattrs; /* list; its bytes are owned */
	size_t key_size;
	unsigned char key[KT_KEY_MAX + 1];
	char path[TAR_PATH_SIZE];
	size_t gathered; /* bytes in piece, of the value from offset on */
	uint64_t offset;
	unsigned char piece[CONVERT_PIECE_SIZE];
};

static int tar_malformed(struct reader *reader, const char *why)
{
	const char *path = archive_entry_pathname(reader->entry);

	return convert_malformed(reader->convert, "entry %llu (%s): %s",
		(unsigned long long)reader->convert->records + 1, path != NULL ? path : "?", why);
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
	int err = path != NULL ? make_plain(path, reader->path) : -EINVAL;

	if (!err && reader->path[0] == '\0') /* the root, which is a directory only */
		err = -EISDIR;
	if (!err)
		err = names_key_of_path(TAR_SEPARATOR, reader->path, key, ret_size, &value);
	if (!err && value && archive_entry_filetype(reader->entry) == S_IFDIR)
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

static int get_xattrs(struct reader *reader)
{
	struct kt_slice value, list;
	const char *name;
	const void *data;
	int err = 0;

	archive_entry_xattr_reset(reader->entry);
	while (!err &&
		archive_entry_xattr_next(reader->entry, &name, &data, &value.size) == ARCHIVE_OK) {
		value.data = data;
		if (strlen(name) == 0 || strlen(name) > 255)
			return tar_malformed(reader, "the name of an extended attribute is empty "
						     "or longer than 255 bytes");
		err = xattr_list_set(reader->xattrs, name, &value, &list);
		if (!err) {
			free((void *)reader->xattrs.data);
			reader->xattrs = list;
		}
	}
	return err;
}

static int get_attributes(struct reader *reader)
{
	struct archive_entry *entry = reader->entry;
	struct attr *attr = &reader->attr;
	int err = get_xattrs(reader);

	*attr = (struct attr){
		.fields = ATTR_MODE | ATTR_UID | ATTR_GID,
		.mode = archive_entry_mode(entry),
		.uid = (uid_t)archive_entry_uid(entry),
		.gid = (gid_t)archive_entry_gid(entry),
		.xattrs = reader->xattrs,
	};
	if (S_ISCHR(attr->mode) || S_ISBLK(attr->mode)) {
		attr->fields |= ATTR_RDEV;
		attr->rdev = archive_entry_rdev(entry);
	}
	if (archive_entry_atime_is_set(entry)) {
		attr->fields |= ATTR_ATIME;
		attr->atime_ns =
			clock_ns(archive_entry_atime(entry), archive_entry_atime_nsec(entry));
	}
	if (attr->xattrs.size > 0)
		attr->fields |= ATTR_XATTR;
	reader->record.stat.mtime_ns =
		clock_ns(archive_entry_mtime(entry), archive_entry_mtime_nsec(entry));
	return err;
}

/* Put the record, with a value or none. */
static int tar_put(struct reader *reader, const void *value, size_t size)
{
	struct kt_slice bytes = {value, size};
	struct attr_blob blob;
	int err = attr_blob_init(&reader->attr, &blob);

	if (err != 0)
		return err;
	reader->record.key = (struct kt_slice){reader->key, reader->key_size};
	reader->record.stat.attr = (struct kt_slice){blob.bytes, blob.size};
	err = convert_put(reader->convert, &reader->record, &bytes);
	attr_blob_fini(&blob);
	return err;
}

static int flush_piece(struct reader *reader)
{
	const struct kt_slice key = {reader->key, reader->key_size};
	const struct kt_slice piece = {reader->piece, reader->gathered};
	int err = piece.size > 0 ? convert_put_piece(reader->convert, &key, reader->offset, &piece,
					   reader->record.stat.mtime_ns)
				 : 0;

	reader->offset += reader->gathered;
	reader->gathered = 0;
	return err;
}

/* Gather what follows on what was gathered; else write that first. */
static int tar_read_piece(
	struct reader *reader, const unsigned char *data, size_t size, uint64_t offset)
{
	int err = 0;

	if (offset != reader->offset + reader->gathered) {
		err = flush_piece(reader);
		reader->offset = offset;
	}
	while (!err && size > 0) {
		size_t room = sizeof(reader->piece) - reader->gathered;
		size_t part = size < room ? size : room;

		memcpy(reader->piece + reader->gathered, data, part);
		reader->gathered += part;
		data += part;
		size -= part;
		if (part == room)
			err = flush_piece(reader);
	}
	return err;
}

static int tar_read_blocks(struct reader *reader)
{
	const void *data;
	la_int64_t offset;
	size_t size;
	int code, err = 0;

	while (!err && (code = archive_read_data_block(reader->archive, &data, &size, &offset)) !=
			       ARCHIVE_EOF) {
		if (code != ARCHIVE_OK)
			return tar_malformed(reader, archive_error_string(reader->archive));
		err = tar_read_piece(reader, data, size, (uint64_t)offset);
	}
	return err;
}

/* A small value is put at once; of a large one, or one with holes, the entry first. */
static int tar_read_file(struct reader *reader)
{
	uint64_t size = (uint64_t)archive_entry_size(reader->entry);
	struct kt_txn *txn = reader->convert->txn;
	bool whole = size < sizeof(reader->piece) && archive_entry_sparse_count(reader->entry) == 0;
	int err = whole ? 0 : tar_put(reader, NULL, 0);

	reader->offset = reader->gathered = 0;
	if (!err)
		err = tar_read_blocks(reader);
	if (!err && whole)
		return tar_put(reader, reader->piece, reader->gathered);
	if (!err)
		err = flush_piece(reader);
	if (!err)
		err = kt_truncate(txn, reader->key, reader->key_size, size);
	return err != 0 ? err
			: kt_set_mtime(
				  txn, reader->key, reader->key_size, reader->record.stat.mtime_ns);
}

/* A further name of a file that came before. */
static int read_link(struct reader *reader, const char *path)
{
	unsigned char key[KT_KEY_MAX + 1];
	const struct kt_slice to = {reader->key, reader->key_size};
	struct kt_slice from = {.data = key};
	int err = find_key(reader, path, key, &from.size);

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
	const char *target = archive_entry_symlink(reader->entry);
	const char *link = archive_entry_hardlink(reader->entry);

	if (link != NULL)
		return read_link(reader, link);
	switch (archive_entry_filetype(reader->entry)) {
	case S_IFDIR:
		return read_directory(reader);
	case S_IFREG:
		return tar_read_file(reader);
	case S_IFLNK:
		return target != NULL ? tar_put(reader, target, strlen(target))
				      : tar_malformed(reader, "a symbolic link without a target");
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK:
		return tar_put(reader, NULL, 0);
	default:
		return tar_malformed(reader, "a file type that a store cannot hold");
	}
}

static int read_entry(struct reader *reader)
{
	bool is_directory = archive_entry_filetype(reader->entry) == S_IFDIR;
	int err = find_key(
		reader, archive_entry_pathname(reader->entry), reader->key, &reader->key_size);

	if (is_directory && err == -EISDIR)
		err = 0;
	if (is_directory && err == -EINVAL && is_piece(reader->path))
		return 0;
	if (err == -ENAMETOOLONG)
		return tar_malformed(
			reader, "a name is longer than 255 bytes, or the key longer than 4096");
	if (err == -EINVAL || err == -EISDIR)
		return tar_malformed(reader, "this path stands for no key");
	reader->record = (struct record){.is_directory = is_directory};
	if (!err)
		err = get_attributes(reader);
	if (!err)
		err = read_by_type(reader);
	free((void *)reader->xattrs.data);
	reader->xattrs = (struct kt_slice){NULL, 0};
	return err;
}

static int read_archive(struct reader *reader)
{
	struct archive *archive = reader->archive;
	int code = ARCHIVE_OK, err = 0;

	archive_read_support_filter_all(archive);
	archive_read_support_format_tar(archive);
	archive_read_support_format_empty(archive);
	if (archive_read_open_fd(archive, reader->convert->fd, 256 * 1024) != ARCHIVE_OK)
		return tar_fail(reader->convert, archive);
	while (!err && (code = archive_read_next_header(archive, &reader->entry)) != ARCHIVE_EOF) {
		if (code < ARCHIVE_WARN)
			return tar_fail(reader->convert, archive);
		err = read_entry(reader);
		if (!err)
			err = convert_record_done(
				reader->convert, (uint64_t)archive_filter_bytes(archive, -1));
	}
	return err;
}

int tar_read(struct convert *convert)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	int err = -ENOMEM;

	if (reader == NULL)
		return err;
	reader->convert = convert;
	reader->archive = archive_read_new();
	if (reader->archive != NULL)
		err = read_archive(reader);
	archive_read_free(reader->archive);
	free(reader);
	return err;
}
