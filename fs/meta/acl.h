/* POSIX access control lists, as the bytes of the two attributes that hold them:
 *
 *     version 2 (4 bytes), then each entry: tag (2 bytes), permissions (2), id (4); little-endian
 *
 * The kernel decides by them. The file system keeps the list and the mode of a file in step, and
 * hands the default list of a directory down to what is made in it.
 */
#ifndef FS_META_ACL_H
#define FS_META_ACL_H

#include "fs/meta/attr.h"

#include <stdbool.h>
#include <sys/types.h>

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

/** Is it a list that a file can have? */
bool acl_check(struct kt_slice acl);

/** Does a list say no more than a mode does?
 *  @param acl  one that acl_check() accepts */
bool acl_is_minimal(struct kt_slice acl);

/** A mode whose permission bits are those of a list. @param acl  likewise */
mode_t acl_mode(struct kt_slice acl, mode_t mode);

/** The permission bits of attributes have been set: make their list say the same.
 *  @param attr      its xattrs may become those of ret_list
 *  @param ret_list  malloc'd; returned, free with free(); NULL: nothing had to change
 *  @return 0; -ENOMEM */
int acl_follow_mode(struct attr *attr, void **ret_list);

/** Give a new file or directory the default list of the directory that it is made in, if there is
 *  one.
 *  @param directory  xattrs of the directory; borrowed
 *  @param umask      applied if there is no such list
 *  @param attr       has a mode and no xattrs; gets those, malloc'd, and permission bits */
int acl_inherit(struct kt_slice directory, mode_t umask, struct attr *attr);

#endif
