/* The thread in the background. See flusher.h. */
#include "fs/dirty/flusher.h"

#include "fs/ops/update.h"
#include "fs/dirty/dirty_file.h"
#include "fs/core.h"
#include "fs/tree/dir_record.h"

#include <assert.h>
#include <errno.h>

static int64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return core_ns(&now) / 1000000;
}

/* Make something due, unless it is already. */
static void make_due(struct flusher *flusher, int64_t *due_ms, int64_t delay_ms)
{
	if (*due_ms != 0)
		return;
	*due_ms = clock_ms() + delay_ms;
	if (flusher->running)
		pthread_cond_signal(&flusher->wake);
}

void flusher_expect_flush(struct fs *fs)
{
	make_due(&fs->flusher, &fs->flusher.flush_due_ms,
		(int64_t)fs->options.commit_seconds * 1000);
}

void flusher_expect_store(struct fs *fs)
{
	make_due(&fs->flusher, &fs->flusher.store_due_ms, FLUSHER_STORE_MS);
}

void flusher_expect_late(struct fs *fs, struct content *content)
{
	content->fate = CONTENT_LATE;
	content->due_ms = clock_ms() + FLUSHER_STORE_MS;
	flusher_expect_store(fs);
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
	flusher_expect_store(fs);
}

/* Is it time for content that is stored late? */
static bool is_late(const struct content *content, int64_t now_ms)
{
	return content->fate == CONTENT_LATE && content->due_ms <= now_ms &&
	       (content->aside != NULL ? !aside_waits(content) : content->node->opens == 0) &&
	       inode_has_place(content->node);
}

/* Store what was gathered for an existing value. One that is gone is left for its writer to hear
 * of. */
static int store_content(struct fs *fs, struct kt_txn *txn, struct content *content, int64_t now_ms)
{
	struct kt_txn *tree;
	struct key key;
	int err;

	if (content->whole && !is_late(content, now_ms))
		return 0;
	err = inode_entry(fs->separator, content->node, txn, &tree, &key);
	if (!err)
		err = content_store(content, tree, &key);
	content->lost = err == -ESTALE || err == -ENOENT;
	return content->lost ? 0 : err;
}

static int store_all(struct fs *fs, struct kt_txn *txn, int64_t now_ms)
{
	int err = 0;

	for (struct content *c = fs->contents; c != NULL && !err; c = c->next)
		err = store_content(fs, txn, c, now_ms);
	for (struct inode *node = fs->touched; node != NULL && !err; node = node->touched_next)
		err = directory_record_times(fs, txn, node);
	return err;
}

/* What store_all() stored is not in memory only any more. */
static void forget_stored(struct fs *fs, int64_t now_ms)
{
	struct content *next;

	for (struct content *c = fs->contents; c != NULL; c = next) {
		next = c->next;
		if ((!c->whole || is_late(c, now_ms)) && !c->lost)
			content_drop(c->node);
		else if (c->fate == CONTENT_LATE && c->due_ms > now_ms)
			flusher_expect_store(fs);
	}
	while (fs->touched != NULL) {
		struct inode *node = fs->touched;

		fs->touched = node->touched_next;
		node->touched = false;
		inodes_tidy(&fs->nodes, node);
	}
}

int flusher_store(struct fs *fs, bool all)
{
	int64_t now_ms = all ? INT64_MAX : clock_ms();
	struct kt_txn *txn;
	int err = update_begin(fs, &txn);

	if (err)
		return err;
	err = store_all(fs, txn, now_ms);
	err = update_commit(fs, txn, err);
	if (!err)
		forget_stored(fs, now_ms);
	return update_end(fs, err);
}

/* Wait for what is due first, or for something to become due. */
static void wait_due(struct fs *fs)
{
	struct flusher *flusher = &fs->flusher;
	int64_t due = flusher->store_due_ms;
	struct timespec time;

	if (due == 0 || (flusher->flush_due_ms != 0 && flusher->flush_due_ms < due))
		due = flusher->flush_due_ms;
	if (due == 0) {
		pthread_cond_wait(&flusher->wake, &fs->lock);
		return;
	}
	time.tv_sec = due / 1000;
	time.tv_nsec = due % 1000 * 1000000;
	pthread_cond_timedwait(&flusher->wake, &fs->lock, &time);
}

/* Is it time? Then it is not due any more. */
static bool take_due(int64_t *due_ms)
{
	if (*due_ms == 0 || *due_ms > clock_ms())
		return false;
	*due_ms = 0;
	return true;
}

static void *run(void *arg)
{
	struct fs *fs = arg;
	struct flusher *flusher = &fs->flusher;

	pthread_mutex_lock(&fs->lock);
	while (!flusher->stop) {
		bool store = take_due(&flusher->store_due_ms);
		bool flush = take_due(&flusher->flush_due_ms);

		if (!store && !flush) {
			wait_due(fs);
			continue;
		}
		/* a failure is heard of by the next fsync, or close, of those concerned */
		pthread_mutex_unlock(&fs->lock);
		if (store)
			flusher_store(fs, false);
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
	err = pthread_create(&fs->flusher.thread, NULL, run, fs);
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
