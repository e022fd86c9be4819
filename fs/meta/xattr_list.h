/* A list of extended attributes, as attribute blobs hold it (attr.h): in ascending order of the
 * names, each 1 byte size and the name, varint size and the value. An empty list has no bytes.
 */
#ifndef FS_META_XATTR_LIST_H
#define FS_META_XATTR_LIST_H

#include "keytree.h"

#include <stdbool.h>
#include <stddef.h>

/** A position in a list. */
struct xattr_list_cursor {
	struct kt_slice left;
};

struct xattr {
	struct kt_slice name, value;
};

/** Is this a valid list that is not empty? */
bool xattr_list_check(struct kt_slice list);

/** Begin a walk. @param list  one that xattr_list_check() accepts, or empty; borrowed */
struct xattr_list_cursor xattr_list_begin(struct kt_slice list);

/** The next attribute. @return false: there is none */
bool xattr_list_next(struct xattr_list_cursor *walk, struct xattr *ret_xattr);

/** Find an attribute. @param ret_value  lies in the list @return whether there is one */
bool xattr_list_find(struct kt_slice list, const char *name, struct kt_slice *ret_value);

/** Make a list in which an attribute is set, or missing.
 *  @param list       the old list; borrowed
 *  @param name       1 to 255 bytes, NUL-terminated; borrowed
 *  @param value      NULL: remove the attribute; borrowed
 *  @param ret_list   malloc'd; returned, free with free(). NULL if it is empty
 *  @return 0; -ENOMEM */
int xattr_list_set(struct kt_slice list, const char *name, const struct kt_slice *value,
	struct kt_slice *ret_list);

#endif
