/* Handles of open files.
 *
 * A handle that made, truncated or wrote a file has to publish it: when the handle is flushed,
 * synced or released, the content of the file goes to the store. A handle that only reads publishes
 * nothing, so it does not publish what another handle is still writing.
 */
#ifndef FS_OPS_FILE_H
#define FS_OPS_FILE_H

#include "fs/tree/open_file.h"

struct found;
struct fs;
struct inode;
struct kt_txn;

/** Make a handle of a node. @return 0; -ENOMEM */
int file_new(struct fs *fs, struct inode *node, int flags, struct fs_file **ret_file);

/** Free a handle. The node and its content stay. */
void file_free(struct fs_file *file);

/** Publish what was written through a handle. The lock is not held.
 *  @return 0; -ESTALE the entry has changed or gone: nothing was published; or why it failed */
int file_publish(struct fs *fs, struct fs_file *file);

/** Find what is at the node of a regular file.
 *  @return 0; -ENOENT it is gone; -EISDIR, -ELOOP, -ENXIO as fs_open_file() */
int file_find(struct fs *fs, struct kt_txn *txn, struct inode *node, struct found *ret_found);

/** Open what is at a node, as fs_open_file() does. The lock is held. */
int file_open_node(struct fs *fs, struct kt_txn *txn, struct inode *node, int flags,
	struct fs_file **ret_file);

/** Truncate a file to nothing through a handle, if its next value can be published as a whole, as if
 *  it had been opened with O_TRUNC. Else nothing is done: the caller truncates it as to any size. The
 *  lock is not held. */
void file_empty(struct fs *fs, struct fs_file *file);

/** Publish a file that was put aside (aside.h), under the name that it has: it is going to be changed
 *  in the store. With any other file nothing is done. The lock is not held. */
int file_publish_aside(struct fs *fs, struct inode *node);

#endif
