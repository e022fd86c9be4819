/* What the thread in the background is to do, and when. See flusher_due.h. */
#include "fs/dirty/flusher_due.h"

#include "fs/dirty/dirty_file.h"
#include "fs/core.h"

#include <assert.h>

int64_t flusher_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return clock_timespec_ns(&now) / 1000000;
}

/* Make something due, unless it is already. */
static void flusher_set_due(struct flusher *flusher, int64_t *due_ms, int64_t delay_ms)
{
	if (*due_ms != 0)
		return;
	*due_ms = flusher_clock_ms() + delay_ms;
	if (flusher->running)
		pthread_cond_signal(&flusher->wake);
}

void flusher_expect_flush(struct fs *fs)
{
	flusher_set_due(&fs->flusher, &fs->flusher.flush_due_ms,
		(int64_t)fs->options.commit_seconds * 1000);
}

void flusher_expect_publish(struct fs *fs)
{
	flusher_set_due(&fs->flusher, &fs->flusher.publish_due_ms, FLUSHER_PUBLISH_MS);
}

void flusher_expect_delayed(struct fs *fs, struct dirty_file *dirty)
{
	dirty->plan = DIRTY_DELAYED;
	dirty->due_ms = flusher_clock_ms() + FLUSHER_PUBLISH_MS;
	flusher_expect_publish(fs);
}

int64_t flusher_age_ms(const struct fs *fs)
{
	return (int64_t)(fs->options.age_seconds != 0 ? fs->options.age_seconds
						      : FLUSHER_AGE_SECONDS) *
	       1000;
}

void flusher_expect_age(struct fs *fs, struct dirty_file *dirty)
{
	int64_t now_ms, left_ms;

	if (dirty->since_ms != 0 && fs->flusher.age_due_ms != 0)
		return;
	now_ms = flusher_clock_ms();
	if (dirty->since_ms == 0)
		dirty->since_ms = now_ms;
	left_ms = dirty->since_ms + flusher_age_ms(fs) - now_ms;
	if (left_ms < FLUSHER_PUBLISH_MS)
		left_ms = FLUSHER_PUBLISH_MS;
	flusher_set_due(&fs->flusher, &fs->flusher.age_due_ms, left_ms);
}

void flusher_touch(struct fs *fs, struct inode *directory)
{
	assert(directory->kind != INODE_FILE);
	directory->touched_ns = core_now_ns();
	if (!directory->touched) {
		directory->touched = true;
		directory->touched_next = fs->touched;
		fs->touched = directory;
	}
	flusher_expect_publish(fs);
}
