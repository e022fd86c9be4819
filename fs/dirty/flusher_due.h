/* What the thread in the background is to do, and when. The thread itself is access/flusher.h.
 *
 *     what                                                  when
 *     publish writes into existing values,                  FLUSHER_PUBLISH_MS after the first
 *       files that are published late, times of directories
 *     publish files that are kept open and grow slowly      age_seconds after their first write
 *     flush commits to the disk                             commit_seconds after the first
 */
#ifndef FS_DIRTY_FLUSHER_DUE_H
#define FS_DIRTY_FLUSHER_DUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define FLUSHER_PUBLISH_MS 1000
#define FLUSHER_AGE_SECONDS 30

struct dirty_file;
struct fs;
struct inode;

struct flusher {
	pthread_t thread;
	pthread_cond_t wake;
	bool running, stop;
	uint64_t round; /* of files that are published each by itself */
	int64_t publish_due_ms, flush_due_ms,
		age_due_ms; /* on the monotonic clock; 0: nothing to do */
};

/** The monotonic clock. */
int64_t flusher_clock_ms(void);

/** Something was committed: flush it later. fs->lock is held. */
void flusher_expect_flush(struct fs *fs);

/** Something was written: publish it later. fs->lock is held. */
void flusher_expect_publish(struct fs *fs);

/** A file is to be published late: its time begins now. fs->lock is held. */
void flusher_expect_delayed(struct fs *fs, struct dirty_file *dirty);

/** Whole content was written: if it stays unpublished it is published by its age. fs->lock is held. */
void flusher_expect_age(struct fs *fs, struct dirty_file *dirty);

/** How old content is to be for that. */
int64_t flusher_age_ms(const struct fs *fs);

/** Names in a directory have changed now: record its times later. fs->lock is held. */
void flusher_touch(struct fs *fs, struct inode *directory);

#endif
