/* The file system in memory, as the modules of fs/ share it.
 *
 * Reading order:
 *     names, escape   keys and paths
 *     inode           who is referred to from outside, and where it is
 *     point           the present, or a snapshot
 *     attr, stat      attributes in a blob, and as a kernel sees them
 *     find, walk      questions to the store: what is at a place, what is in a directory
 *     update          a write transaction together with what it changes in memory
 *     gather, content what was written to a file and is not in the store yet
 *     scratch, aside  files of editors that are not for the store
 *     ahead           values for whoever is going to read them
 *     ops/            the operations of fs.h
 *     flusher         the thread in the background
 *     changes, notices   what others do to the store
 *     conflict        and to files that are being written
 *     snapdir         several file systems as one: the present, and snapshots of it
 *
 * Locks. fs->lock guards everything here. Whoever changes the store begins its write transaction
 * first and takes the lock then (update.h), so the lock is never held while waiting for another
 * writer; it is held while the transaction commits, so that nodes and keys agree for whoever holds
 * it. Who only reads takes the lock, begins a read transaction, and may let go of the lock before
 * reading much. kt_flush() is called without the lock.
 */
#ifndef FS_CORE_H
#define FS_CORE_H

#include "fs/fs.h"
#include "fs/ops/prefetch.h"
#include "fs/foreign/foreign.h"
#include "fs/dirty/flusher_due.h"
#include "fs/meta/inode_numbers.h"
#include "fs/tree/inode.h"
#include "fs/access/timepoint.h"

#include "keytree.h"

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
	struct dirty_file *dirty_files;	       /* of all files that have some */
	const struct fs_editor_hooks *editors; /* NULL: no file of an editor is special */
	size_t aside_count;		       /* of these, how many were put aside (aside.h) */
	struct dirty_file *abandoned;	       /* nameless entries to be deleted (conflict.h) */
	struct inode *touched;		       /* directories whose times are to be recorded */
	struct flusher flusher;
	struct foreign foreign;	  /* of others */
	struct prefetch prefetch; /* what is read, if nobody opens files */
	struct kept *kept;	  /* of the change under way (update.c) */
};

/* Free all handles that are open. */
void file_free_all(struct fs *fs);
void dir_free_all(struct fs *fs);

static inline int64_t core_ns(const struct timespec *time)
{
	return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

/* The time for stamps: coarse, as the kernel's own file systems take it. */
static inline int64_t core_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return core_ns(&now);
}

#endif
