/* The thread in the background. It does what flusher_due.h says once it is due, and sleeps until
 * then. */
#ifndef FS_ACCESS_FLUSHER_H
#define FS_ACCESS_FLUSHER_H

#include "fs/dirty/flusher_due.h"

/** Start the thread. @return 0 or an error of pthread_create() */
int flusher_start(struct fs *fs);

/** End the thread, if it runs. What is due is not done. */
void flusher_stop(struct fs *fs);

/** Publish writes into existing values, files that are due, and times of directories, in one
 *  transaction. If that fails, each file by itself: those that cannot be published stay in memory, are
 *  told of (fs_options.unsaved), and will be tried again.
 *  @param all  also files that are published late and are not due yet
 *  @return 0, or why the first of those failed */
int flusher_publish_dirty(struct fs *fs, bool all);

/** Tell of a file that cannot be saved, unless that was told. The lock is held. */
void flusher_tell_unsaved(struct fs *fs, struct dirty_file *dirty, int err);

#endif
