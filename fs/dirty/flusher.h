/* The thread in the background. It does late what need not be done at once:
 *
 *     writes gathered for existing values, and times of directories   FLUSHER_STORE_MS after the
 * first bringing commits to the disk                                   commit_seconds after the
 * first
 *
 * It sleeps while there is nothing of that.
 */
#ifndef FS_DIRTY_FLUSHER_H
#define FS_DIRTY_FLUSHER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define FLUSHER_STORE_MS 1000

struct dirty_file;
struct fs;
struct inode;

struct flusher {
	pthread_t thread;
	pthread_cond_t wake;
	bool running, stop;
	int64_t store_due_ms, flush_due_ms; /* on the monotonic clock; 0: nothing to do */
};

/** Start the thread. @return 0 or an error of pthread_create() */
int flusher_start(struct fs *fs);

/** End the thread, if it runs. What is due stays undone. */
void flusher_stop(struct fs *fs);

/** Something was committed. fs->lock is held. */
void flusher_expect_flush(struct fs *fs);

/** Something was gathered. fs->lock is held. */
void flusher_expect_publish(struct fs *fs);

/** Content is to be saved late: its time begins now. fs->lock is held. */
void flusher_expect_delayed(struct fs *fs, struct dirty_file *dirty);

/** Names in a directory have changed now. fs->lock is held. */
void flusher_touch(struct fs *fs, struct inode *directory);

/** Store what was gathered for existing values, and times of directories, in one transaction.
 *  @param all  also what is to be saved late and has not waited for a second yet */
int flusher_publish_dirty(struct fs *fs, bool all);

#endif
