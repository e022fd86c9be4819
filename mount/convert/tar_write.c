/* Records become entries of an archive: in the order of their keys, a directory before what is in
 * it, a value in pieces and its holes as holes. See tar.h.
 */
#include "mount/convert/tar.h"

#include "fs/clock.h"
#include "fs/meta/attr.h"
#include "fs/names/names.h"
#include "fs/meta/stat.h"
#include "fs/meta/xattr_list.h"

#include <archive.h>
#include <archive_entry.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct writer {
	struct convert *convert;
	struct archive *archive;
	struct archive_entry *entry;
	struct kt_cursor *below[2]; /* of entries and directories */
	uint64_t written;	    /* bytes of the value */
	bool stopped;		    /* nothing is to be written any more */
	char path[TAR_PATH_SIZE];
};

/* Does a key of a tree begin with this one and a separator? */
static int tar_has_below(struct kt_cursor *cursor, const struct kt_slice *key, bool *ret_has)
{
	unsigned char dir[KT_KEY_MAX + 1];
	struct kt_slice found;
	int err;

	memcpy(dir, key->data, key->size);
	dir[key->size] = TAR_SEPARATOR;
	err = kt_cursor_seek(cursor, dir, key->size + 1);
	*ret_has = false;
	if (err != 0)
		return err == -ENOENT ? 0 : err;
	found = kt_cursor_key(cursor);
	*ret_has = found.size > key->size && memcmp(found.data, dir, key->size + 1) == 0;
	return 0;
}

/* The path of a key. @return 0; -ENOENT it has none */
static int tar_find_path(struct writer *writer, bool is_directory, const struct kt_slice *key)
{
	bool has = false;
	int err = 0;

	if (is_directory) {
		if (key->size == 0) {
			strcpy(writer->path, "./");
			return 0;
		}
		if (((const char *)key->data)[key->size - 1] != TAR_SEPARATOR)
			return -ENOENT;
		err = names_path_of_key(
			TAR_SEPARATOR, key->data, key->size - 1, false, writer->path);
		strcat(writer->path, "/");
		return err;
	}
	for (int i = 0; i < 2 && !err && !has; i++)
		err = tar_has_below(writer->below[i], key, &has);
	return err != 0 ? err
			: names_path_of_key(TAR_SEPARATOR, key->data, key->size, has, writer->path);
}

/* Tell libarchive where the value has data, if it has holes. */
static int add_ranges(struct writer *writer, const struct record *record)
{
	const struct kt_slice *key = &record->key;
	uint64_t begin, end = 0;
	int err = 0;

	while (!err) {
		err = kt_next_data(writer->convert->txn, key->data, key->size, end, &begin, &end);
		if (!err && begin == 0 && end == record->stat.size)
			return 0;
		if (!err)
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
	struct xattr_list_cursor walk = xattr_list_begin(attr->xattrs);
	struct xattr xattr;
	char name[256];

	while ((attr->fields & ATTR_XATTR) && xattr_list_next(&walk, &xattr)) {
		snprintf(name, sizeof(name), "%.*s", (int)xattr.name.size,
			(const char *)xattr.name.data);
		archive_entry_xattr_add_entry(entry, name, xattr.value.data, xattr.value.size);
	}
}

/* libarchive writes the two numbers with a point between them, so before 1970 they must be those of
 * the decimal: -1.25 is not -2 s and 750000000 ns. It has no -0, so the last second of 1969 loses its
 * fraction. */
static void set_time(
	int64_t ns, struct archive_entry *entry, void (*set)(struct archive_entry *, time_t, long))
{
	struct timespec time = clock_timespec(ns);

	if (time.tv_sec < -1 && time.tv_nsec > 0) {
		time.tv_sec++;
		time.tv_nsec = 1000000000 - time.tv_nsec;
	} else if (time.tv_sec == -1) {
		time.tv_nsec = 0;
	}
	set(entry, time.tv_sec, time.tv_nsec);
}

static int set_attributes(struct writer *writer, const struct record *record)
{
	struct archive_entry *entry = writer->entry;
	mode_t type = record->is_directory ? S_IFDIR : S_IFREG;
	mode_t mode = record->is_directory ? 0755 : 0644;
	struct known known;
	struct attr attr = {0};

	if (stat_known(&record->stat, &known) == 0)
		attr = known.attr;
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
static int set_target(struct archive_entry *entry, const struct record *record)
{
	struct kt_slice value;
	char *target;
	int err = kt_cursor_value(record->cursor, &value);

	if (err != 0)
		return err;
	target = strndup(value.data, value.size);
	if (target == NULL)
		return -ENOMEM;
	if (strlen(target) == value.size)
		archive_entry_set_symlink(entry, target);
	else
		archive_entry_set_filetype(entry, S_IFREG);
	free(target);
	return 0;
}

/* The value of a symbolic link is where it leads, if it can lead there; a file's is its content. */
static int set_value(struct writer *writer, const struct record *record)
{
	struct archive_entry *entry = writer->entry;
	int err = archive_entry_filetype(entry) == S_IFLNK ? set_target(entry, record) : 0;

	if (err != 0)
		return err;
	if (archive_entry_filetype(entry) == S_IFREG) {
		archive_entry_set_size(entry, (int64_t)record->stat.size);
		return record->stat.size > 0 ? add_ranges(writer, record) : 0;
	}
	archive_entry_set_size(entry, 0);
	return 0;
}

static int write_bytes(struct writer *writer, const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		la_ssize_t written = archive_write_data(writer->archive, at, size);

		if (written <= 0)
			return tar_fail(writer->convert, writer->archive);
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

	while (!err && writer->written < end) {
		uint64_t left = end - writer->written;

		err = write_bytes(
			writer, zeros, left < sizeof(zeros) ? (size_t)left : sizeof(zeros));
		if (!err)
			err = progress_step(&writer->convert->progress,
				writer->convert->done + writer->written);
	}
	return err;
}

static int tar_write_piece(void *arg, uint64_t offset, const void *data, size_t size)
{
	struct writer *writer = arg;
	int err = write_hole(writer, offset);

	return err != 0 ? err : write_bytes(writer, data, size);
}

static int tar_write_record(void *arg, struct convert *convert, const struct record *record)
{
	struct writer *writer = arg;
	int err;

	archive_entry_clear(writer->entry);
	err = set_attributes(writer, record);
	if (!err && record->is_link) {
		err = tar_find_path(writer, false, &record->link);
		archive_entry_set_hardlink(writer->entry, writer->path);
	} else if (!err && !record->is_directory) {
		err = set_value(writer, record);
	}
	if (!err)
		err = tar_find_path(writer, record->is_directory, &record->key);
	if (err != 0)
		return err == -ENOENT ? 0 : err;
	if (archive_entry_filetype(writer->entry) == S_IFSOCK) {
		if (convert->left_out++ == 0)
			snprintf(convert->left_out_path, sizeof(convert->left_out_path), "%.255s",
				writer->path);
		return 0;
	}
	archive_entry_set_pathname(writer->entry, writer->path);
	if (!err && archive_write_header(writer->archive, writer->entry) < ARCHIVE_WARN)
		err = tar_fail(convert, writer->archive);
	if (err != 0 || record->is_link || archive_entry_filetype(writer->entry) != S_IFREG)
		return err;
	writer->written = 0;
	err = convert_each_piece(convert, record, tar_write_piece, writer);
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
		written = writer->stopped ? 0 : write(writer->convert->fd, data, size);
	} while (written < 0 && errno == EINTR);
	if (written <= 0)
		archive_set_error(archive, errno, "%s", strerror(errno));
	return written <= 0 ? -1 : written;
}

static int write_archive(struct writer *writer)
{
	struct convert *convert = writer->convert;
	struct archive *archive = writer->archive;
	int err = 0;

	if (archive_write_set_format_pax(archive) != ARCHIVE_OK ||
		archive_write_set_options(archive, "pax:xattrheader=SCHILY") != ARCHIVE_OK ||
		add_filter(archive, convert->path) < ARCHIVE_WARN ||
		archive_write_set_bytes_in_last_block(archive, 1) != ARCHIVE_OK || /* no padding */
		archive_write_open2(archive, writer, NULL, write_out, NULL, NULL) != ARCHIVE_OK)
		return tar_fail(convert, archive);
	err = convert_each_record(convert, tar_write_record, writer);
	if (err != 0) {
		writer->stopped = true;
		return err;
	}
	return archive_write_close(archive) != ARCHIVE_OK ? tar_fail(convert, archive) : 0;
}

int tar_write(struct convert *convert)
{
	struct writer *writer = calloc(1, sizeof(*writer));
	int err = -ENOMEM;

	if (writer == NULL)
		return err;
	writer->convert = convert;
	writer->archive = archive_write_new();
	writer->entry = archive_entry_new();
	if (writer->archive != NULL && writer->entry != NULL)
		err = kt_cursor_open(convert->txn, &writer->below[0]);
	if (!err)
		err = kt_cursor_open(kt_tree(convert->txn, KT_DIRECTORIES), &writer->below[1]);
	if (!err)
		err = write_archive(writer);
	kt_cursor_close(writer->below[0]);
	kt_cursor_close(writer->below[1]);
	archive_entry_free(writer->entry);
	archive_write_free(writer->archive);
	free(writer);
	return err;
}
