/* tar: the files and directories that a mount of the store shows, in the pax format, which has room
 * for any name, size and time, and for extended attributes. Read is what libarchive reads as tar,
 * compressed or not.
 *
 * An entry's path is that of its key (names.h). Paths are taken as they are and made plain first:
 * "./a" and "/a" are "a". A directory that is a piece of a long name has no place of its own.
 */
#include "formats.h"

#include "attr.h"
#include "names.h"
#include "xattrs.h"

#include <archive.h>
#include <archive_entry.h>

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEPARATOR '/'

/* Room for a path with "./" or a '/' more. */
#define PATH_SIZE (NAMES_PATH_SIZE + 2)

static int fail(struct exchange *exchange, struct archive *archive)
{
	const char *why = archive_error_string(archive);
	int err = archive_errno(archive);

	if (err == ENOSPC || err == ENOMEM || err == EDQUOT || err == EIO || err == EFBIG)
		return -err;
	return exchange_bad(exchange, "%s", why != NULL ? why : "not to be understood");
}

/* Names are UTF-8 where they can be; the program's own locale stays "C". */
static locale_t use_utf8(locale_t *ret_old)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);

	*ret_old = utf8 != (locale_t)0 ? uselocale(utf8) : (locale_t)0;
	return utf8;
}

static void end_utf8(locale_t utf8, locale_t old)
{
	if (utf8 == (locale_t)0)
		return;
	uselocale(old);
	freelocale(utf8);
}

/* ---- write ---- */

struct writer {
	struct exchange *exchange;
	struct archive *archive;
	struct archive_entry *entry;
	struct kt_cursor *below[2]; /* of entries and directories */
	uint64_t written;	    /* bytes of the value */
	bool stopped;		    /* nothing is to be written any more */
	char path[PATH_SIZE];
};

/* Does a key of a tree begin with this one and a separator? */
static int has_below(struct kt_cursor *cursor, const struct kt_slice *key, bool *ret_has)
{
	unsigned char dir[KT_KEY_MAX + 1];
	struct kt_slice found;
	int err;

	memcpy(dir, key->data, key->size);
	dir[key->size] = SEPARATOR;
	err = kt_cursor_seek(cursor, dir, key->size + 1);
	*ret_has = false;
	if (err != 0)
		return err == -ENOENT ? 0 : err;
	found = kt_cursor_key(cursor);
	*ret_has = found.size > key->size && memcmp(found.data, dir, key->size + 1) == 0;
	return 0;
}

/* The path of a key. @return 0; -ENOENT it has none */
static int find_path(struct writer *writer, bool is_directory, const struct kt_slice *key)
{
	bool has = false;
	int err = 0;

	if (is_directory) {
		if (key->size == 0) {
			strcpy(writer->path, "./");
			return 0;
		}
		if (((const char *)key->data)[key->size - 1] != SEPARATOR)
			return -ENOENT;
		err = names_path_of_key(SEPARATOR, key->data, key->size - 1, false, writer->path);
		strcat(writer->path, "/");
		return err;
	}
	for (int i = 0; i < 2 && err == 0 && !has; i++)
		err = has_below(writer->below[i], key, &has);
	return err != 0 ? err
			: names_path_of_key(SEPARATOR, key->data, key->size, has, writer->path);
}

/* Tell libarchive where the value has data, if it has holes. */
static int add_ranges(struct writer *writer, const struct record *record)
{
	const struct kt_slice *key = &record->key;
	uint64_t begin, end = 0;
	int err = 0;

	while (err == 0) {
		err = kt_next_data(writer->exchange->txn, key->data, key->size, end, &begin, &end);
		if (err == 0 && begin == 0 && end == record->stat.size)
			return 0;
		if (err == 0)
			archive_entry_sparse_add_entry(
				writer->entry, (int64_t)begin, (int64_t)(end - begin));
	}
	if (err != -ENXIO)
		return err;
	if (archive_entry_sparse_count(writer->entry) == 0) /* all of it is a hole */
		archive_entry_sparse_add_entry(writer->entry, (int64_t)record->stat.size, 0);
	return 0;
}

static void set_xattrs(struct archive_entry *entry, const struct attr *attr)
{
	struct xattrs_walk walk = xattrs_walk(attr->xattrs);
	struct xattr xattr;
	char name[256];

	while ((attr->fields & ATTR_XATTR) && xattrs_next(&walk, &xattr)) {
		snprintf(name, sizeof(name), "%.*s", (int)xattr.name.size,
			(const char *)xattr.name.data);
		archive_entry_xattr_add_entry(entry, name, xattr.value.data, xattr.value.size);
	}
}

static void set_time(
	int64_t ns, struct archive_entry *entry, void (*set)(struct archive_entry *, time_t, long))
{
	int64_t seconds = ns / 1000000000 - (ns % 1000000000 < 0);

	set(entry, (time_t)seconds, (long)(ns - seconds * 1000000000));
}

static int set_attributes(struct writer *writer, const struct record *record)
{
	struct archive_entry *entry = writer->entry;
	mode_t type = record->is_directory ? S_IFDIR : S_IFREG;
	mode_t mode = record->is_directory ? 0755 : 0644;
	struct attr attr;

	if (attr_decode(record->stat.attr.data, record->stat.attr.size, &attr) != 0)
		attr = (struct attr){0};
	if (attr.fields & ATTR_MODE) {
		type = record->is_directory || S_ISDIR(attr.mode) ? type : attr.mode & S_IFMT;
		mode = attr.mode & 07777;
	}
	archive_entry_set_mode(entry, type | mode);
	archive_entry_set_uid(entry, attr.fields & ATTR_UID ? attr.uid : getuid());
	archive_entry_set_gid(entry, attr.fields & ATTR_GID ? attr.gid : getgid());
	if (attr.fields & ATTR_RDEV)
		archive_entry_set_rdev(entry, (dev_t)attr.rdev);
	set_time(record->stat.mtime_ns, entry, archive_entry_set_mtime);
	if (attr.fields & ATTR_ATIME)
		set_time(attr.atime_ns, entry, archive_entry_set_atime);
	set_xattrs(entry, &attr);
	return 0;
}

/* The value of a symbolic link is where it leads; a file's is its content. */
static int set_value(struct writer *writer, const struct record *record)
{
	struct archive_entry *entry = writer->entry;
	struct kt_slice value;
	char *target;
	int err;

	if (archive_entry_filetype(entry) == S_IFREG) {
		archive_entry_set_size(entry, (int64_t)record->stat.size);
		return record->stat.size > 0 ? add_ranges(writer, record) : 0;
	}
	archive_entry_set_size(entry, 0);
	if (archive_entry_filetype(entry) != S_IFLNK)
		return 0;
	err = kt_get(writer->exchange->txn, record->key.data, record->key.size, &value);
	if (err != 0)
		return err;
	target = strndup(value.size > 0 ? value.data : "", value.size);
	if (target == NULL)
		return -ENOMEM;
	archive_entry_set_symlink(entry, target);
	free(target);
	return 0;
}

static int write_bytes(struct writer *writer, const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		la_ssize_t written = archive_write_data(writer->archive, at, size);

		if (written <= 0)
			return fail(writer->exchange, writer->archive);
		at += written;
		size -= (size_t)written;
		writer->written += (uint64_t)written;
	}
	return 0;
}

/* Write zeros up to an offset. libarchive drops those that it was told are a hole. */
static int write_hole(struct writer *writer, uint64_t end)
{
	static const char zeros[65536];
	int err = 0;

	while (err == 0 && writer->written < end) {
		uint64_t left = end - writer->written;

		err = write_bytes(
			writer, zeros, left < sizeof(zeros) ? (size_t)left : sizeof(zeros));
		if (err == 0)
			err = progress_step(&writer->exchange->progress,
				writer->exchange->done + writer->written);
	}
	return err;
}

static int write_piece(void *arg, uint64_t offset, const void *data, size_t size)
{
	struct writer *writer = arg;
	int err = write_hole(writer, offset);

	return err != 0 ? err : write_bytes(writer, data, size);
}

static int write_record(void *arg, struct exchange *exchange, const struct record *record)
{
	struct writer *writer = arg;
	int err;

	archive_entry_clear(writer->entry);
	err = set_attributes(writer, record);
	if (err == 0 && record->is_link) {
		err = find_path(writer, false, &record->link);
		archive_entry_set_hardlink(writer->entry, writer->path);
	} else if (err == 0 && !record->is_directory) {
		err = set_value(writer, record);
	}
	if (err == 0)
		err = find_path(writer, record->is_directory, &record->key);
	if (err != 0)
		return err == -ENOENT ? 0 : err;
	archive_entry_set_pathname(writer->entry, writer->path);
	if (err == 0 && archive_write_header(writer->archive, writer->entry) < ARCHIVE_WARN)
		err = fail(exchange, writer->archive);
	if (err != 0 || record->is_link || archive_entry_filetype(writer->entry) != S_IFREG)
		return err;
	writer->written = 0;
	err = exchange_each_piece(exchange, record, write_piece, writer);
	return err != 0 ? err : write_hole(writer, record->stat.size);
}

/* Compress as the ending of the path says. */
static int add_filter(struct archive *archive, const char *path)
{
	static const struct {
		const char *ending;
		int (*add)(struct archive *);
	} filters[] = {
		{".gz", archive_write_add_filter_gzip},
		{".tgz", archive_write_add_filter_gzip},
		{".xz", archive_write_add_filter_xz},
		{".zst", archive_write_add_filter_zstd},
	};
	const char *ending = strrchr(path, '.');

	for (size_t i = 0; ending != NULL && i < sizeof(filters) / sizeof(filters[0]); i++) {
		if (strcmp(ending, filters[i].ending) == 0)
			return filters[i].add(archive);
	}
	return ARCHIVE_OK;
}

/* Write to the file, for libarchive; which completes what was begun when it is freed, a value of
 * any size, unless that fails. */
static la_ssize_t write_out(struct archive *archive, void *arg, const void *data, size_t size)
{
	const struct writer *writer = arg;
	ssize_t written;

	do {
		written = writer->stopped ? 0 : write(writer->exchange->fd, data, size);
	} while (written < 0 && errno == EINTR);
	if (written <= 0)
		archive_set_error(archive, errno, "%s", strerror(errno));
	return written <= 0 ? -1 : written;
}

static int write_archive(struct writer *writer)
{
	struct exchange *exchange = writer->exchange;
	struct archive *archive = writer->archive;
	int err = 0;

	if (archive_write_set_format_pax(archive) != ARCHIVE_OK ||
		archive_write_set_options(archive, "pax:xattrheader=SCHILY") != ARCHIVE_OK ||
		add_filter(archive, exchange->path) < ARCHIVE_WARN ||
		archive_write_set_bytes_in_last_block(archive, 1) != ARCHIVE_OK || /* no padding */
		archive_write_open2(archive, writer, NULL, write_out, NULL, NULL) != ARCHIVE_OK)
		return fail(exchange, archive);
	err = exchange_each(exchange, write_record, writer);
	if (err != 0) {
		writer->stopped = true;
		return err;
	}
	return archive_write_close(archive) != ARCHIVE_OK ? fail(exchange, archive) : 0;
}

static int write_tar(struct exchange *exchange)
{
	struct writer *writer = calloc(1, sizeof(*writer));
	locale_t old, utf8 = use_utf8(&old);
	int err = -ENOMEM;

	if (writer != NULL) {
		writer->exchange = exchange;
		writer->archive = archive_write_new();
		writer->entry = archive_entry_new();
		if (writer->archive != NULL && writer->entry != NULL)
			err = kt_cursor_open(exchange->txn, &writer->below[0]);
		if (err == 0)
			err = kt_cursor_open(
				kt_tree(exchange->txn, KT_DIRECTORIES), &writer->below[1]);
		if (err == 0)
			err = write_archive(writer);
		kt_cursor_close(writer->below[0]);
		kt_cursor_close(writer->below[1]);
		archive_entry_free(writer->entry);
		archive_write_free(writer->archive);
		free(writer);
	}
	end_utf8(utf8, old);
	return err;
}

/* ---- read ---- */

struct reader {
	struct exchange *exchange;
	struct archive *archive;
	struct archive_entry *entry;
	struct record record;
	struct attr attr;
	struct kt_slice xattrs; /* list; its bytes are owned */
	size_t key_size;
	unsigned char key[KT_KEY_MAX + 1];
	char path[PATH_SIZE];
	size_t gathered; /* bytes in piece, of the value from offset on */
	uint64_t offset;
	unsigned char piece[EXCHANGE_PIECE];
};

static int bad(struct reader *reader, const char *why)
{
	const char *path = archive_entry_pathname(reader->entry);

	return exchange_bad(reader->exchange, "entry %llu (%s): %s",
		(unsigned long long)reader->exchange->records + 1, path != NULL ? path : "?", why);
}

/* Make a path plain: without "." and empty names. @return 0; -EINVAL */
static int make_plain(const char *path, char plain[PATH_SIZE])
{
	size_t used = 0;

	while (*path != '\0') {
		size_t length = strcspn(path, "/");

		if (length == 2 && memcmp(path, "..", 2) == 0)
			return -EINVAL;
		if (length > 0 && !(length == 1 && *path == '.')) {
			if (used + length + 2 > PATH_SIZE)
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

	if (err == 0 && reader->path[0] == '\0') /* the root, which is a directory only */
		err = -EISDIR;
	if (err == 0)
		err = names_key_of_path(SEPARATOR, reader->path, key, ret_size, &value);
	if (err == 0 && value && archive_entry_filetype(reader->entry) == S_IFDIR)
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

static int64_t get_ns(time_t seconds, long ns)
{
	return (int64_t)seconds * 1000000000 + ns;
}

static int get_xattrs(struct reader *reader)
{
	struct kt_slice value, list;
	const char *name;
	const void *data;
	int err = 0;

	archive_entry_xattr_reset(reader->entry);
	while (err == 0 &&
		archive_entry_xattr_next(reader->entry, &name, &data, &value.size) == ARCHIVE_OK) {
		value.data = data;
		if (strlen(name) == 0 || strlen(name) > 255)
			return bad(reader, "an extended attribute with such a name");
		err = xattrs_set(reader->xattrs, name, &value, &list);
		if (err == 0) {
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
			get_ns(archive_entry_atime(entry), archive_entry_atime_nsec(entry));
	}
	if (attr->xattrs.size > 0)
		attr->fields |= ATTR_XATTR;
	reader->record.stat.mtime_ns =
		get_ns(archive_entry_mtime(entry), archive_entry_mtime_nsec(entry));
	return err;
}

/* Put the record, with a value or none. */
static int put(struct reader *reader, const void *value, size_t size)
{
	struct kt_slice bytes = {value, size};
	struct attr_blob blob;
	int err = attr_blob_init(&reader->attr, &blob);

	if (err != 0)
		return err;
	reader->record.key = (struct kt_slice){reader->key, reader->key_size};
	reader->record.stat.attr = (struct kt_slice){blob.bytes, blob.size};
	err = exchange_put(reader->exchange, &reader->record, &bytes);
	attr_blob_fini(&blob);
	return err;
}

static int flush_piece(struct reader *reader)
{
	const struct kt_slice key = {reader->key, reader->key_size};
	const struct kt_slice piece = {reader->piece, reader->gathered};
	int err = piece.size > 0 ? exchange_put_piece(reader->exchange, &key, reader->offset,
					   &piece, reader->record.stat.mtime_ns)
				 : 0;

	reader->offset += reader->gathered;
	reader->gathered = 0;
	return err;
}

/* Gather what follows on what was gathered; else write that first. */
static int gather(struct reader *reader, const unsigned char *data, size_t size, uint64_t offset)
{
	int err = 0;

	if (offset != reader->offset + reader->gathered) {
		err = flush_piece(reader);
		reader->offset = offset;
	}
	while (err == 0 && size > 0) {
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

static int read_blocks(struct reader *reader)
{
	const void *data;
	la_int64_t offset;
	size_t size;
	int code, err = 0;

	while (err == 0 && (code = archive_read_data_block(
				    reader->archive, &data, &size, &offset)) != ARCHIVE_EOF) {
		if (code != ARCHIVE_OK)
			return bad(reader, archive_error_string(reader->archive));
		err = gather(reader, data, size, (uint64_t)offset);
	}
	return err;
}

/* A small value is put at once; of a large one, or one with holes, the entry first. */
static int read_file(struct reader *reader)
{
	uint64_t size = (uint64_t)archive_entry_size(reader->entry);
	struct kt_txn *txn = reader->exchange->txn;
	bool whole = size < sizeof(reader->piece) && archive_entry_sparse_count(reader->entry) == 0;
	int err = whole ? 0 : put(reader, NULL, 0);

	reader->offset = reader->gathered = 0;
	if (err == 0)
		err = read_blocks(reader);
	if (err == 0 && whole)
		return put(reader, reader->piece, reader->gathered);
	if (err == 0)
		err = flush_piece(reader);
	if (err == 0)
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

	if (err == 0)
		err = exchange_put_link(reader->exchange, &from, &to);
	if (err == -ENOENT || err == -EINVAL || err == -EISDIR || err == -ENAMETOOLONG)
		return bad(reader, "a link to a file that is not there");
	return err;
}

static int read_directory(struct reader *reader)
{
	if (reader->path[0] != '\0')
		reader->key[reader->key_size++] = SEPARATOR;
	else
		reader->key_size = 0;
	return reader->key_size > KT_KEY_MAX ? bad(reader, "the key would be too long")
					     : put(reader, NULL, 0);
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
		return read_file(reader);
	case S_IFLNK:
		return target != NULL ? put(reader, target, strlen(target))
				      : bad(reader, "a link to nowhere");
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK:
		return put(reader, NULL, 0);
	default:
		return bad(reader, "a file of an unknown type");
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
		return bad(reader, "the name or the key would be too long");
	if (err == -EINVAL || err == -EISDIR)
		return bad(reader, "no key has such a path");
	reader->record = (struct record){.is_directory = is_directory};
	if (err == 0)
		err = get_attributes(reader);
	if (err == 0)
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
	if (archive_read_open_fd(archive, reader->exchange->fd, 256 * 1024) != ARCHIVE_OK)
		return fail(reader->exchange, archive);
	while (err == 0 &&
		(code = archive_read_next_header(archive, &reader->entry)) != ARCHIVE_EOF) {
		if (code < ARCHIVE_WARN)
			return fail(reader->exchange, archive);
		err = read_entry(reader);
		if (err == 0)
			err = exchange_next(
				reader->exchange, (uint64_t)archive_filter_bytes(archive, -1));
	}
	return err;
}

static int read_tar(struct exchange *exchange)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	locale_t old, utf8 = use_utf8(&old);
	int err = -ENOMEM;

	if (reader != NULL) {
		reader->exchange = exchange;
		reader->archive = archive_read_new();
		if (reader->archive != NULL)
			err = read_archive(reader);
		archive_read_free(reader->archive);
		free(reader);
	}
	end_utf8(utf8, old);
	return err;
}

const struct format format_tar = {
	.name = "tar",
	.endings = " .tar .tar.gz .tgz .tar.xz .tar.zst",
	.streams = true,
	.write = write_tar,
	.read = read_tar,
};
