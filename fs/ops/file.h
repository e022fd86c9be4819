/* Open files, as the modules that work on them share them. */
#ifndef FS_OPS_FILE_H
#define FS_OPS_FILE_H

#include <fcntl.h>
#include <stdbool.h>
#include <sys/queue.h>

struct found;
struct fs;
struct inode;
struct kt_txn;

struct fs_file {
	LIST_ENTRY(fs_file) list; /* in fs->files */
	struct inode *node;	  /* its opens count the handle */
	int flags;		  /* of open(2) */
	bool unpublished; /* was made, truncated or written through this handle, and not stored since */
	bool read;	  /* was read through this handle */
	bool wrote;	  /* was written through this handle */
	bool stale; /* others have changed the entry since, and nothing can be written any more */
};

static inline bool file_can_write(const struct fs_file *file)
{
	return (file->flags & O_ACCMODE) != O_RDONLY;
}

static inline bool file_can_read(const struct fs_file *file)
{
	return (file->flags & O_ACCMODE) != O_WRONLY;
}

/** A new handle of a node. @return 0; -ENOMEM */
int file_new(struct fs *fs, struct inode *node, int flags, struct fs_file **ret_file);

/** Find what is at the node of a regular file.
 *  @return 0; -ENOENT it is gone; -EISDIR, -ELOOP, -ENXIO as fs_open_file() */
int file_find(struct fs *fs, struct kt_txn *txn, struct inode *node, struct found *ret_found);

/** Open what is at a node, as fs_open_file() does. The lock is held. */
int file_open_node(struct fs *fs, struct kt_txn *txn, struct inode *node, int flags,
	struct fs_file **ret_file);

/** A file is going to be truncated to nothing through a handle: its next value is stored as a
 * whole, as if it had been opened so. If that cannot be, it is truncated as to other sizes. The
 * lock is not held. */
void file_empty(struct fs *fs, struct fs_file *file);

/** A file that was put aside (aside.h) is going to be changed in the store: rename it there first.
 *  Of others nothing is done. The lock is not held. */
int file_settle_aside(struct fs *fs, struct inode *node);

#endif
