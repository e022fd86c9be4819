/* Attributes of a file or directory, and the blob that holds them in an entry of the store.
 *
 *     OFFSET SIZE  DESCRIPTION
 *     0      1     ATTR_FORMAT
 *     1      2     fields that follow, enum attr_field combined, little-endian; in this order:
 *                  ATTR_MODE   2 bytes: file type and permission bits
 *                  ATTR_UID    varint
 *                  ATTR_GID    varint
 *                  ATTR_INO    varint: inode number
 *                  ATTR_CTIME  8 bytes: nanoseconds since 1970
 *                  ATTR_MTIME  varint: mtime of the entry when the blob was written, less ctime,
 *                              zigzag. Always there when ctime is and they differ
 *                  ATTR_ATIME  8 bytes
 *                  ATTR_RDEV   varint: device number
 *                  ATTR_XATTR  to the end: a list of extended attributes (xattr_list.h), not empty
 *
 * All integers are little-endian; varints are in varint.h. A field that is missing shows the
 * default of the mount. An entry without a blob has no fields.
 *
 * A blob has the mtime that the entry had when the blob was written. If the entry has another
 * mtime now, an application has written it since, and its ctime is that mtime.
 *
 * The folder, in reading order: attr (the blob), varint, xattr_list (extended attributes in it),
 * stat (attributes as a kernel sees them), acl (access control lists), inode_numbers.
 */
#ifndef FS_META_ATTR_H
#define FS_META_ATTR_H

#include "keytree.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ATTR_FORMAT 1

/** Fields that a blob may have. */
enum attr_field {
	ATTR_MODE = 1 << 0,
	ATTR_UID = 1 << 1,
	ATTR_GID = 1 << 2,
	ATTR_INO = 1 << 3,
	ATTR_CTIME = 1 << 4,
	ATTR_MTIME = 1 << 5,
	ATTR_ATIME = 1 << 6,
	ATTR_RDEV = 1 << 7,
	ATTR_XATTR = 1 << 9, /* bit 8 is not used */
};

/** Room for any blob without extended attributes. */
#define ATTR_FIXED_MAX (3 + 2 + 2 * 5 + 10 + 8 + 10 + 8 + 10)

struct attr {
	unsigned fields; /* those that have a value: enum attr_field combined, without ATTR_MTIME */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	uint64_t ino;
	int64_t ctime_ns;
	int64_t mtime_ns; /* set whenever ctime_ns is */
	int64_t atime_ns;
	uint64_t rdev;
	struct kt_slice xattrs; /* a list (xattr_list.h); borrowed */
};

/** Give attributes a list of extended ones. @param list  borrowed; may be empty */
static inline void attr_set_xattrs(struct attr *attr, struct kt_slice list)
{
	attr->xattrs = list;
	attr->fields &= ~(unsigned)ATTR_XATTR;
	attr->fields |= list.size > 0 ? ATTR_XATTR : 0;
}

/** Read a blob.
 *  @param blob      NULL when size is 0, which is an entry without a blob; borrowed
 *  @param ret_attr  its xattrs point into the blob
 *  @return 0; -EUCLEAN it is no such blob; -ENOTSUP it is of a newer format */
int attr_decode(const void *blob, size_t size, struct attr *ret_attr);

/** Write a blob.
 *  @param ret_blob  room for ATTR_FIXED_MAX + attr->xattrs.size bytes
 *  @return its size */
size_t attr_encode(const struct attr *attr, void *ret_blob);

/** A blob in memory: on the stack, unless it has extended attributes. */
struct attr_blob {
	const void *bytes;
	size_t size;
	unsigned char fixed[ATTR_FIXED_MAX];
	void *large; /* NULL: it is in fixed */
};

/** Make a blob. @param ret_blob  do not copy it; end with attr_blob_fini() @return 0; -ENOMEM */
int attr_blob_init(const struct attr *attr, struct attr_blob *ret_blob);
void attr_blob_fini(struct attr_blob *blob);

#endif
