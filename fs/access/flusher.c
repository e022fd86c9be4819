/* The thread in the background. See flusher.h. */
#include "fs/access/flusher.h"

#include "fs/access/update.h"
#include "fs/dirty/dirty_file.h"
#include "fs/access/publish.h"
#include "fs/core.h"
#include "fs/editor_hooks.h"
#include "fs/access/dir_record.h"

#include <assert.h>
#include <errno.h>

/* A file that grows slower than that is a log, or the like; a faster one is being copied, and is not
 * to be seen before it is complete. */
#define FLUSHER_SLOW_BYTES_PER_SECOND (1024 * 1024)

/* Is content so old that it is not to be lost any more, though a program may go on writing it? */
static bool flusher_is_aged(const struct dirty_file *dirty, int64_t now_ms)
{
	int64_t age_ms = now_ms - dirty->since_ms;

	return dirty->plan == DIRTY_PUBLISH && now_ms != INT64_MAX && dirty->since_ms != 0 &&
	       age_ms >= flusher_age_ms(dirty->fs) && dirty->aside == NULL &&
	       dirty->size / FLUSHER_SLOW_BYTES_PER_SECOND <= (uint64_t)age_ms / 1000 &&
	       inode_has_name(dirty->node);
}

/* Is it time for content that is stored late? */
static bool flusher_is_due(const struct dirty_file *dirty, int64_t now_ms)
{
	if (flusher_is_aged(dirty, now_ms))
		return true;
	return dirty->plan == DIRTY_DELAYED && dirty->due_ms <= now_ms &&
	       (dirty->aside != NULL ? !editors_wait(dirty) : dirty->node->opens == 0) &&
	       inode_has_place(dirty->node);
}

/* Store what was gathered for an existing value. One that is gone is left for its writer to hear
 * of. */
static int flusher_publish(
	struct fs *fs, struct kt_txn *txn, struct dirty_file *dirty, int64_t now_ms)
{
	struct kt_txn *tree;
	struct key key;
	int err;

	if (dirty->whole && !flusher_is_due(dirty, now_ms))
		return 0;
	err = inode_entry(fs->separator, dirty->node, txn, &tree, &key);
	if (!err)
		err = publish_file(dirty, tree, &key);
	dirty->lost = err == -ESTALE || err == -ENOENT;
	return dirty->lost ? 0 : err;
}

static int flusher_record_times(struct fs *fs, struct kt_txn *txn)
{
	int err = 0;

	for (struct inode *node = fs->touched; node != NULL && !err; node = node->touched_next)
		err = dir_record_times(fs, txn, node);
	return err;
}

static int flusher_publish_all(struct fs *fs, struct kt_txn *txn, int64_t now_ms)
{
	int err = 0;

	for (struct dirty_file *c = fs->dirty_files; c != NULL && !err; c = c->next)
		err = flusher_publish(fs, txn, c, now_ms);
	return err ? err : flusher_record_times(fs, txn);
}

/* The times of directories are recorded. */
static void flusher_drop_times(struct fs *fs)
{
	while (fs->touched != NULL) {
		struct inode *node = fs->touched;

		fs->touched = node->touched_next;
		node->touched = false;
		inodes_tidy(&fs->nodes, node);
	}
}

/* What store_all() stored is not in memory only any more. */
static void flusher_drop_published(struct fs *fs, int64_t now_ms)
{
	struct dirty_file *next;

	for (struct dirty_file *c = fs->dirty_files; c != NULL; c = next) {
		next = c->next;
		if ((!c->whole || flusher_is_due(c, now_ms)) && !c->lost)
			dirty_drop(c->node);
		else if (c->since_ms != 0 && c->plan == DIRTY_PUBLISH)
			flusher_expect_age(fs, c);
		else if (c->plan == DIRTY_DELAYED && c->due_ms > now_ms)
			flusher_expect_publish(fs);
	}
	flusher_drop_times(fs);
}

void flusher_tell_unsaved(struct fs *fs, struct dirty_file *dirty, int err)
{
	const struct inode *node = dirty->node;
	struct place place = inode_place(node);
	struct key key;

	if (dirty->failed || fs->options.unsaved == NULL)
		return;
	dirty->failed = true;
	if (node->parent == NULL) /* it has several names */
		fs->options.unsaved("", 0, err);
	else if (inode_key(fs->separator, node, &key) == 0)
		fs->options.unsaved(key.bytes, key.size, err);
	else /* the key is too long: its last part */
		fs->options.unsaved(place.bytes, place.size, err);
}

/* The next file that is to be published and was not tried in this round; or NULL. */
static struct dirty_file *flusher_next(struct fs *fs, int64_t now_ms)
{
	for (struct dirty_file *c = fs->dirty_files; c != NULL; c = c->next) {
		if (c->tried != fs->flusher.round && (!c->whole || flusher_is_due(c, now_ms)))
			return c;
	}
	return NULL;
}

/* Publish one file by itself. @return 1 there is none left; 0; or why it failed */
static int flusher_publish_one(struct fs *fs, int64_t now_ms)
{
	struct dirty_file *dirty;
	struct kt_txn *txn;
	int err = update_begin(fs, &txn), failed;

	if (err)
		return err;
	dirty = flusher_next(fs, now_ms);
	if (dirty == NULL) {
		err = update_commit(fs, txn, flusher_record_times(fs, txn));
		if (!err)
			flusher_drop_times(fs);
		err = update_end(fs, err);
		return err ? err : 1;
	}
	dirty->tried = fs->flusher.round;
	err = flusher_publish(fs, txn, dirty, now_ms);
	failed = err = update_commit(fs, txn, err);
	if (!err && !dirty->lost)
		dirty_drop(dirty->node);
	if (err)
		flusher_tell_unsaved(fs, dirty, err);
	err = update_end(fs, err);
	return failed ? 0 : err;
}

/* Publish what could not be published together. @return why the first file failed */
static int flusher_publish_each(struct fs *fs, int64_t now_ms, int first)
{
	int err;

	pthread_mutex_lock(&fs->lock);
	fs->flusher.round++;
	pthread_mutex_unlock(&fs->lock);
	do {
		err = flusher_publish_one(fs, now_ms);
	} while (!err);
	pthread_mutex_lock(&fs->lock);
	flusher_expect_publish(fs);
	pthread_mutex_unlock(&fs->lock);
	return err < 0 ? err : first;
}

int flusher_publish_dirty(struct fs *fs, bool all)
{
	int64_t now_ms = all ? INT64_MAX : flusher_clock_ms();
	struct kt_txn *txn;
	int err = update_begin(fs, &txn), failed;

	if (err)
		return err;
	err = flusher_publish_all(fs, txn, now_ms);
	failed = err = update_commit(fs, txn, err);
	if (!err)
		flusher_drop_published(fs, now_ms);
	err = update_end(fs, err);
	return failed ? flusher_publish_each(fs, now_ms, failed) : err;
}

/* Wait for what is due first, or for something to become due. */
static void flusher_wait(struct fs *fs)
{
	struct flusher *flusher = &fs->flusher;
	int64_t due = flusher->publish_due_ms;
	struct timespec time;

	if (due == 0 || (flusher->flush_due_ms != 0 && flusher->flush_due_ms < due))
		due = flusher->flush_due_ms;
	if (due == 0 || (flusher->age_due_ms != 0 && flusher->age_due_ms < due))
		due = flusher->age_due_ms;
	if (due == 0) {
		pthread_cond_wait(&flusher->wake, &fs->lock);
		return;
	}
	time.tv_sec = due / 1000;
	time.tv_nsec = due % 1000 * 1000000;
	pthread_cond_timedwait(&flusher->wake, &fs->lock, &time);
}

/* Is it time? Then it is not due any more. */
static bool flusher_take_due(int64_t *due_ms)
{
	if (*due_ms == 0 || *due_ms > flusher_clock_ms())
		return false;
	*due_ms = 0;
	return true;
}

static void *flusher_run(void *arg)
{
	struct fs *fs = arg;
	struct flusher *flusher = &fs->flusher;

	pthread_mutex_lock(&fs->lock);
	while (!flusher->stop) {
		bool aged = flusher_take_due(&flusher->age_due_ms);
		bool publish = flusher_take_due(&flusher->publish_due_ms) || aged;
		bool flush = flusher_take_due(&flusher->flush_due_ms);

		if (!publish && !flush) {
			flusher_wait(fs);
			continue;
		}
		/* a failure is told of, and heard of by the next fsync, or close, of those concerned
		 */
		pthread_mutex_unlock(&fs->lock);
		if (publish)
			flusher_publish_dirty(fs, false);
		if (flush)
			kt_flush(fs->store);
		pthread_mutex_lock(&fs->lock);
	}
	pthread_mutex_unlock(&fs->lock);
	return NULL;
}

int flusher_start(struct fs *fs)
{
	pthread_condattr_t attr;
	int err;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&fs->flusher.wake, &attr);
	pthread_condattr_destroy(&attr);
	err = pthread_create(&fs->flusher.thread, NULL, flusher_run, fs);
	if (err)
		pthread_cond_destroy(&fs->flusher.wake);
	fs->flusher.running = !err;
	return -err;
}

void flusher_stop(struct fs *fs)
{
	if (!fs->flusher.running)
		return;
	pthread_mutex_lock(&fs->lock);
	fs->flusher.stop = true;
	pthread_cond_signal(&fs->flusher.wake);
	pthread_mutex_unlock(&fs->lock);
	pthread_join(fs->flusher.thread, NULL);
	pthread_cond_destroy(&fs->flusher.wake);
	fs->flusher.running = false;
}
