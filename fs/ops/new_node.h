/* Giving out nodes to the kernel, and the attributes of new files and directories. */
#ifndef FS_OPS_NEW_NODE_H
#define FS_OPS_NEW_NODE_H

#include "fs/access/lookup.h"
#include "fs/fs.h"

/** Get the node at a place; make one if there is none. If others have replaced the file by one of
 *  another type, the old node loses the place: the kernel expects that the type of a node never
 *  changes.
 *  @param found  what is known of the place
 *  @return 0; -ENOMEM */
int new_node_at(struct fs *fs, const struct place *place, const struct found *found,
	struct inode **ret_node);

/** Give out a reference to a node.
 *  @param found  what is known of it */
void new_node_give(
	struct fs *fs, struct inode *node, const struct found *found, struct fs_entry *ret_entry);

/** Give out a reference to the node at a place, made if need be. @return 0; -ENOMEM */
int new_node_give_at(struct fs *fs, const struct place *place, const struct found *found,
	struct fs_entry *ret_entry);

/** What is known of a file or directory that is made now. Its group is the directory's if that says
 *  so (setgid). Access control lists come from the directory, too.
 *  @param txn   any transaction
 *  @param mode  with the file type; the caller's umask is applied, unless the directory has a
 *               default list
 *  @param ret_known  end with new_node_attr_fini() */
int new_node_attr(struct fs *fs, struct kt_txn *txn, const struct fs_caller *caller,
	struct inode *directory, mode_t mode, uint64_t ino, struct known *ret_known);

/** Free what new_node_attr() has given. Zeroed: nothing. */
void new_node_attr_fini(struct known *known);

#endif
