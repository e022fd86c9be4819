/* The attribute blob. Its format is in attr.h. Decoding checks every byte: a blob that decodes is
 * encoded to the same bytes again. */
#include "attr.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ALL_FIELDS (2u * ATTR_XATTR - 1)

/* What is left to read. bad: something was wrong, and all that is read since is 0. */
struct reader {
	const unsigned char *at;
	size_t left;
	bool bad;
};

static uint64_t read_fixed(struct reader *reader, size_t size)
{
	uint64_t value = 0;

	if (reader->left < size) {
		reader->bad = true;
		reader->left = 0;
		return 0;
	}
	for (size_t i = 0; i < size; i++)
		value |= (uint64_t)reader->at[i] << (8 * i);
	reader->at += size;
	reader->left -= size;
	return value;
}

static uint64_t read_varint(struct reader *reader)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint64_t byte = read_fixed(reader, 1);

		value |= (byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if ((byte == 0 && shift > 0) || (shift == 63 && byte > 1))
			reader->bad = true;
		return value;
	}
	reader->bad = true;
	return 0;
}

static uint32_t read_id(struct reader *reader)
{
	uint64_t id = read_varint(reader);

	reader->bad |= id > UINT32_MAX;
	return (uint32_t)id;
}

static void read_skip(struct reader *reader, uint64_t size)
{
	if (size > reader->left) {
		reader->bad = true;
		size = reader->left;
	}
	reader->at += size;
	reader->left -= (size_t)size;
}

/* Compare names as strings: a prefix comes first. */
static int compare_names(
	const unsigned char *a, size_t a_size, const unsigned char *b, size_t b_size)
{
	int order = memcmp(a, b, a_size < b_size ? a_size : b_size);

	return order ? order : (a_size > b_size) - (a_size < b_size);
}

/* Check the extended attributes up to the end of the blob. */
static void read_xattrs(struct reader *reader, struct attr *attr)
{
	const unsigned char *last = NULL;
	size_t last_size = 0;

	attr->xattrs = reader->at;
	attr->xattrs_size = reader->left;
	reader->bad |= reader->left == 0;
	while (reader->left > 0 && !reader->bad) {
		size_t size = (size_t)read_fixed(reader, 1);
		const unsigned char *name = reader->at;

		read_skip(reader, size);
		if (size == 0 || reader->bad || memchr(name, '\0', size) != NULL ||
			(last && compare_names(last, last_size, name, size) >= 0)) {
			reader->bad = true;
			return;
		}
		last = name;
		last_size = size;
		read_skip(reader, read_varint(reader));
	}
}

static bool is_file_type(mode_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || S_ISFIFO(mode) ||
	       S_ISSOCK(mode) || S_ISCHR(mode) || S_ISBLK(mode);
}

static int64_t unzigzag(uint64_t value)
{
	return (int64_t)((value >> 1u) ^ (0 - (value & 1)));
}

static void read_times(struct reader *reader, unsigned fields, struct attr *attr)
{
	if (fields & ATTR_CTIME)
		attr->mtime_ns = attr->ctime_ns = (int64_t)read_fixed(reader, 8);
	if (fields & ATTR_MTIME) {
		int64_t delta = unzigzag(read_varint(reader));

		reader->bad |= delta == 0 || !(fields & ATTR_CTIME);
		reader->bad |= __builtin_add_overflow(attr->ctime_ns, delta, &attr->mtime_ns);
	}
	if (fields & ATTR_ATIME)
		attr->atime_ns = (int64_t)read_fixed(reader, 8);
}

static void read_fields(struct reader *reader, unsigned fields, struct attr *attr)
{
	if (fields & ATTR_MODE) {
		attr->mode = (mode_t)read_fixed(reader, 2);
		reader->bad |= !is_file_type(attr->mode);
	}
	if (fields & ATTR_UID)
		attr->uid = read_id(reader);
	if (fields & ATTR_GID)
		attr->gid = read_id(reader);
	if (fields & ATTR_INO) {
		attr->ino = read_varint(reader);
		reader->bad |= attr->ino == 0;
	}
	read_times(reader, fields, attr);
	if (fields & ATTR_RDEV)
		attr->rdev = read_varint(reader);
	if (fields & ATTR_LINK)
		attr->link = read_varint(reader);
	if (fields & ATTR_XATTR)
		read_xattrs(reader, attr);
}

int attr_decode(const void *blob, size_t size, struct attr *ret_attr)
{
	struct reader reader = {.at = blob, .left = size};
	struct attr attr = {0};
	unsigned fields;

	if (size == 0) {
		*ret_attr = attr;
		return 0;
	}
	if (read_fixed(&reader, 1) > ATTR_FORMAT)
		return -ENOTSUP;
	if (reader.at[-1] != ATTR_FORMAT)
		return -EUCLEAN;
	fields = (unsigned)read_fixed(&reader, 2);
	if (fields > ALL_FIELDS)
		return -EUCLEAN;
	read_fields(&reader, fields, &attr);
	if (reader.bad || reader.left > 0)
		return -EUCLEAN;
	attr.fields = fields & ~(unsigned)ATTR_MTIME;
	*ret_attr = attr;
	return 0;
}

static unsigned char *write_fixed(unsigned char *at, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		*at++ = (unsigned char)(value >> (8 * i));
	return at;
}

static unsigned char *write_varint(unsigned char *at, uint64_t value)
{
	for (; value >= 0x80; value >>= 7u)
		*at++ = (unsigned char)(value | 0x80);
	*at++ = (unsigned char)value;
	return at;
}

static uint64_t zigzag(int64_t value)
{
	return ((uint64_t)value << 1u) ^ (value < 0 ? UINT64_MAX : 0);
}

static unsigned char *write_times(unsigned char *at, const struct attr *attr, unsigned fields)
{
	if (fields & ATTR_CTIME)
		at = write_fixed(at, (uint64_t)attr->ctime_ns, 8);
	if (fields & ATTR_MTIME)
		at = write_varint(at, zigzag(attr->mtime_ns - attr->ctime_ns));
	if (fields & ATTR_ATIME)
		at = write_fixed(at, (uint64_t)attr->atime_ns, 8);
	return at;
}

size_t attr_encode(const struct attr *attr, void *ret_blob)
{
	unsigned char *at = ret_blob;
	unsigned fields = attr->fields;
	int64_t delta;

	/* an mtime too far away to be written down counts as one an application wrote */
	if ((fields & ATTR_CTIME) && attr->mtime_ns != attr->ctime_ns &&
		!__builtin_sub_overflow(attr->mtime_ns, attr->ctime_ns, &delta))
		fields |= ATTR_MTIME;
	at = write_fixed(at, ATTR_FORMAT, 1);
	at = write_fixed(at, fields, 2);
	if (fields & ATTR_MODE)
		at = write_fixed(at, attr->mode, 2);
	if (fields & ATTR_UID)
		at = write_varint(at, attr->uid);
	if (fields & ATTR_GID)
		at = write_varint(at, attr->gid);
	if (fields & ATTR_INO)
		at = write_varint(at, attr->ino);
	at = write_times(at, attr, fields);
	if (fields & ATTR_RDEV)
		at = write_varint(at, attr->rdev);
	if (fields & ATTR_LINK)
		at = write_varint(at, attr->link);
	if (fields & ATTR_XATTR) {
		memcpy(at, attr->xattrs, attr->xattrs_size);
		at += attr->xattrs_size;
	}
	return (size_t)(at - (unsigned char *)ret_blob);
}

int attr_blob_init(const struct attr *attr, struct attr_blob *ret_blob)
{
	ret_blob->large = NULL;
	ret_blob->bytes = ret_blob->fixed;
	if (attr->xattrs_size > 0) {
		ret_blob->large = malloc(ATTR_FIXED_MAX + attr->xattrs_size);
		if (ret_blob->large == NULL)
			return -ENOMEM;
		ret_blob->bytes = ret_blob->large;
	}
	ret_blob->size = attr_encode(attr, ret_blob->large ? ret_blob->large : ret_blob->fixed);
	return 0;
}

void attr_blob_fini(struct attr_blob *blob)
{
	free(blob->large);
}
