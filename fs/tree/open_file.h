/* A handle of an open file. The operations on handles are in ops/ (file.h). */
#ifndef FS_TREE_OPEN_FILE_H
#define FS_TREE_OPEN_FILE_H

#include <fcntl.h>
#include <stdbool.h>
#include <sys/queue.h>

struct inode;

struct fs_file {
	LIST_ENTRY(fs_file) list; /* in fs->files */
	struct inode *node;	  /* its opens count the handle */
	int flags;		  /* of open(2) */
	bool contested;	  /* others change the file while it is read (foreign/contested.h) */
	bool unpublished; /* it made, truncated or wrote the file, which was not published since */
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

#endif
