/* The state of a file system in memory, which the folders of fs/ share.
 *
 * The folders from the lowest to the highest; each uses those before it:
 *     names/      keys and paths: key.h, names.h, escape.h
 *     meta/       attributes in a blob, and as a kernel sees them: attr.h, stat.h, acl.h
 *     tree/       inodes, children of a directory, offsets of listings: inode.h first
 *     dirty/      what was written to a file and is not in the store yet: dirty_file.h first
 *     foreign/    what other processes commit, and what is invalidated for it: foreign.h first
 *     access/     how operations read and change the store: update.h first
 *     editors/    files of editors that are not for the store; reached through editor_hooks.h
 *     ops/        the operations of fs.h, a file for each
 *     snapshots/  several file systems as one: the present, and snapshots of it
 *
 * Locks. fs->lock guards everything here. A change of the store begins its write transaction first
 * and takes the lock then (access/update.h), so the lock is never held while waiting for another
 * writer. The lock is held while the transaction commits, so nodes and keys agree for every holder
 * of the lock. A reader takes the lock, begins a read transaction, and may release the lock before
 * it reads much. kt_flush() is called without the lock.
 */
#ifndef FS_CORE_H
#define FS_CORE_H

#include "fs/clock.h"
#include "fs/fs.h"
#include "fs/ops/prefetch.h"
#include "fs/foreign/foreign.h"
#include "fs/dirty/flusher_due.h"
#include "fs/meta/inode_numbers.h"
#include "fs/tree/inode.h"
#include "fs/access/timepoint.h"

#include "keytree_fs.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/queue.h>
#include <time.h>

struct fs_editor_hooks;

struct fs {
	struct kt_store *store; /* borrowed */
	struct fs_options options;
	char separator;
	struct timepoint timepoint;

	pthread_mutex_t lock; /* guards what follows */
	struct inodes nodes;
	struct inode_numbers inode_numbers; /* numbers for files that are made in memory */
	LIST_HEAD(, fs_file) files;	    /* open handles */
	LIST_HEAD(, fs_dir) dirs;
	struct dirty_file *dirty_files;	       /* all of them */
	const struct fs_editor_hooks *editors; /* NULL: no file of an editor is special */
	size_t aside_count;		       /* of these, how many were put aside (aside.h) */
	struct dirty_file *abandoned;	       /* nameless entries to be deleted (conflict.h) */
	struct inode *touched;		       /* directories whose times are to be recorded */
	struct flusher flusher;
	struct foreign foreign;	  /* commits of other processes */
	struct prefetch prefetch; /* which files are read, where the kernel opens none */
	struct kept *kept;	  /* of the change under way (update.c) */
};

/* Free all handles that are open. */
void file_free_all(struct fs *fs);
void dir_free_all(struct fs *fs);

/* The time for stamps: coarse, as the kernel's own file systems take it. */
static inline int64_t core_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return clock_timespec_ns(&now);
}

#endif
