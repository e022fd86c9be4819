/* The attribute blob. Its format is in attr.h. Decoding checks every byte: a blob that decodes is
 * encoded to the same bytes again. */
#include "fs/meta/attr.h"

#include "fs/meta/varint.h"
#include "fs/meta/xattr_list.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ALL_FIELDS ((2u * ATTR_RDEV - 1) | ATTR_XATTR)

static uint32_t read_id(struct varint_reader *reader)
{
	uint64_t id = varint_read(reader);

	reader->bad |= id > UINT32_MAX;
	return (uint32_t)id;
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

static void read_times(struct varint_reader *reader, unsigned fields, struct attr *attr)
{
	if (fields & ATTR_CTIME)
		attr->mtime_ns = attr->ctime_ns = (int64_t)varint_read_fixed(reader, 8);
	if (fields & ATTR_MTIME) {
		int64_t delta = unzigzag(varint_read(reader));

		reader->bad |= delta == 0 || !(fields & ATTR_CTIME);
		reader->bad |= __builtin_add_overflow(attr->ctime_ns, delta, &attr->mtime_ns);
	}
	if (fields & ATTR_ATIME)
		attr->atime_ns = (int64_t)varint_read_fixed(reader, 8);
}

static void read_fields(struct varint_reader *reader, unsigned fields, struct attr *attr)
{
	if (fields & ATTR_MODE) {
		attr->mode = (mode_t)varint_read_fixed(reader, 2);
		reader->bad |= !is_file_type(attr->mode);
	}
	if (fields & ATTR_UID)
		attr->uid = read_id(reader);
	if (fields & ATTR_GID)
		attr->gid = read_id(reader);
	if (fields & ATTR_INO) {
		attr->ino = varint_read(reader);
		reader->bad |= attr->ino == 0;
	}
	read_times(reader, fields, attr);
	if (fields & ATTR_RDEV)
		attr->rdev = varint_read(reader);
	if (fields & ATTR_XATTR) {
		attr->xattrs = (struct kt_slice){reader->at, reader->left};
		reader->bad |= !xattr_list_check(attr->xattrs);
		reader->left = 0;
	}
}

int attr_decode(const void *blob, size_t size, struct attr *ret_attr)
{
	struct varint_reader reader = {.at = blob, .left = size};
	struct attr attr = {0};
	unsigned fields;

	if (size == 0) {
		*ret_attr = attr;
		return 0;
	}
	if (varint_read_fixed(&reader, 1) > ATTR_FORMAT)
		return -ENOTSUP;
	if (reader.at[-1] != ATTR_FORMAT)
		return -EUCLEAN;
	fields = (unsigned)varint_read_fixed(&reader, 2);
	if (fields & ~ALL_FIELDS)
		return -EUCLEAN;
	read_fields(&reader, fields, &attr);
	if (reader.bad || reader.left > 0)
		return -EUCLEAN;
	attr.fields = fields & ~(unsigned)ATTR_MTIME;
	*ret_attr = attr;
	return 0;
}

static uint64_t zigzag(int64_t value)
{
	return ((uint64_t)value << 1u) ^ (value < 0 ? UINT64_MAX : 0);
}

static unsigned char *write_times(unsigned char *at, const struct attr *attr, unsigned fields)
{
	if (fields & ATTR_CTIME)
		at = varint_write_fixed(at, (uint64_t)attr->ctime_ns, 8);
	if (fields & ATTR_MTIME)
		at = varint_write(at, zigzag(attr->mtime_ns - attr->ctime_ns));
	if (fields & ATTR_ATIME)
		at = varint_write_fixed(at, (uint64_t)attr->atime_ns, 8);
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
	at = varint_write_fixed(at, ATTR_FORMAT, 1);
	at = varint_write_fixed(at, fields, 2);
	if (fields & ATTR_MODE)
		at = varint_write_fixed(at, attr->mode, 2);
	if (fields & ATTR_UID)
		at = varint_write(at, attr->uid);
	if (fields & ATTR_GID)
		at = varint_write(at, attr->gid);
	if (fields & ATTR_INO)
		at = varint_write(at, attr->ino);
	at = write_times(at, attr, fields);
	if (fields & ATTR_RDEV)
		at = varint_write(at, attr->rdev);
	if (fields & ATTR_XATTR) {
		memcpy(at, attr->xattrs.data, attr->xattrs.size);
		at += attr->xattrs.size;
	}
	return (size_t)(at - (unsigned char *)ret_blob);
}

int attr_blob_init(const struct attr *attr, struct attr_blob *ret_blob)
{
	ret_blob->large = NULL;
	ret_blob->bytes = ret_blob->fixed;
	if (attr->xattrs.size > 0) {
		ret_blob->large = malloc(ATTR_FIXED_MAX + attr->xattrs.size);
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
