/* The operations of fs.h. Private to fs/ops: other folders use fs.h, update.h and file.h.
 *
 * One file has one operation, or a few that are done alike. An operation that only reads takes the
 * lock and a read transaction (query.h). One that changes something takes a write transaction and
 * then the lock, changes the store, commits, and then changes what is in memory, which cannot fail
 * any more (update.h).
 *
 * Reading order:
 *     query, update   how operations begin and end
 *     new_node        nodes are given out; attributes of what is made
 *     find_name       lookup, root, forget
 *     getattr, readlink, readdir, xattr   operations that ask
 *     file            handles of open files, and how they publish what was written
 *     open, create, read, write, sync, release   operations on open files
 *     fallocate       fallocate, lseek and copy_file_range
 *     change_attr, setattr   attributes are changed
 *     make_node, link        names are made
 *     remove, unlink         names are removed
 *     move_keys, rename, rename_exchange   names are moved
 */
#ifndef FS_OPS_OPS_INTERNAL_H
#define FS_OPS_OPS_INTERNAL_H

#include "fs/ops/query.h"
#include "fs/access/update.h"

#endif
