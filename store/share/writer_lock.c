/* The writer lock: one write transaction, or flush, at a time.
 *
 * In a handle, threads wait in a list and are served in that order. The thread that is served
 * competes with other handles and processes for two locks:
 *
 *     WRITE  is held by the writer
 *     QUEUE  is held by the one that waits for WRITE; all others wait for QUEUE
 *
 * A process that finds QUEUE taken waits for it, even if WRITE is free at that moment. So a process
 * that commits again and again lets others in between. While nobody waits, QUEUE is not used.
 *
 * The kernel cannot wait for a lock with a time limit. A thread that has one asks for QUEUE, and then
 * for WRITE, again and again, at growing intervals.
 */
#include "store/share/writer_lock.h"

#include "store/error.h"
#include "store/share/current.h"
#include "store/share/lockarea.h"
#include "store/share/step.h"
#include "store/util/deadline.h"

#include <errno.h>
#include <time.h>
#include <utlist.h>

static const struct io_range write_byte = {LOCK_WRITE, 1};
static const struct io_range queue_byte = {LOCK_QUEUE, 1};

/* ---- between processes ----------------------------------------------------------------------- */

/* Times between two questions for a lock. */
#define ASK_FIRST_NS 50000
#define ASK_LAST_NS 10000000

/* Who holds WRITE, in words. */
static int writer_lock_timed_out(const struct kt_store *store)
{
	uint32_t pid = lockarea_writer_pid(store->area);

	if (pid == 0)
		return error_set(-ETIMEDOUT, "another process is writing");
	return error_set(-ETIMEDOUT, "process %u is writing", pid);
}

/* Lock a byte exclusively before a deadline. */
static int writer_lock_byte(
	struct kt_store *store, const struct io_range *byte, int64_t deadline_ns)
{
	struct timespec pause = {.tv_nsec = ASK_FIRST_NS}, left;
	int err;

	if (deadline_ns == DEADLINE_NEVER)
		return io_lock(store->io, IO_AREA, IO_EXCLUSIVE, byte, true);
	for (;;) {
		err = io_lock(store->io, IO_AREA, IO_EXCLUSIVE, byte, false);
		if (err != -EAGAIN)
			return err;
		if (!deadline_left(deadline_ns, &left))
			return writer_lock_timed_out(store);
		if (left.tv_sec > 0 || left.tv_nsec > pause.tv_nsec)
			left = pause;
		nanosleep(&left, NULL);
		pause.tv_nsec = pause.tv_nsec * 2 < ASK_LAST_NS ? pause.tv_nsec * 2 : ASK_LAST_NS;
	}
}

static int writer_lock_file(struct kt_store *store, bool try, int64_t deadline_ns)
{
	struct lockarea *area = store->area;
	int err = -EAGAIN;

	if (try || atomic_load(&area->queued) == 0)
		err = io_lock(store->io, IO_AREA, IO_EXCLUSIVE, &write_byte, false);
	if (err != -EAGAIN || try)
		return err;
	STEP("queue");
	err = writer_lock_byte(store, &queue_byte, deadline_ns);
	if (err != 0)
		return err;
	atomic_store(&area->queued, 1);
	STEP("queued");
	err = writer_lock_byte(store, &write_byte, deadline_ns);
	atomic_store(&area->queued, 0);
	STEP("unqueued");
	io_lock(store->io, IO_AREA, IO_UNLOCKED, &queue_byte, false);
	return err;
}

static void writer_unlock_file(struct kt_store *store)
{
	STEP("write-done");
	atomic_store(&store->area->writer_id, 0);
	STEP("write-unlock");
	io_lock(store->io, IO_AREA, IO_UNLOCKED, &write_byte, false);
}

/* ---- in this handle -------------------------------------------------------------------------- */

/* Wait until this thread is served. The caller holds writer_mutex. */
static int writer_wait_in_list(struct kt_store *store, int64_t deadline_ns)
{
	struct writer_waiter self = {NULL, NULL};
	const struct timespec until = {deadline_ns / 1000000000, deadline_ns % 1000000000};
	int err = 0;

	DL_APPEND(store->writer_list, &self);
	while (!err && (store->writer_active || store->writer_list != &self)) {
		if (deadline_ns == DEADLINE_NEVER)
			pthread_cond_wait(&store->writer_free, &store->writer_mutex);
		else
			err = -pthread_cond_timedwait(
				&store->writer_free, &store->writer_mutex, &until);
	}
	DL_DELETE(store->writer_list, &self);
	if (err)
		pthread_cond_broadcast(&store->writer_free); /* the next one may be due */
	return err ? error_set(-ETIMEDOUT, "another thread of this process is writing") : 0;
}

static int writer_lock_thread(struct kt_store *store, bool try, int64_t deadline_ns)
{
	bool taken;
	int err = 0;

	pthread_mutex_lock(&store->writer_mutex);
	taken = store->writer_active || store->writer_list != NULL;
	if (store->writer_active && pthread_equal(store->writer_thread, pthread_self()))
		err = -EDEADLK;
	else if (taken)
		err = try ? -EAGAIN : writer_wait_in_list(store, deadline_ns);
	if (!err) {
		store->writer_active = true;
		store->writer_thread = pthread_self();
	}
	pthread_mutex_unlock(&store->writer_mutex);
	return err;
}

static void writer_unlock_thread(struct kt_store *store)
{
	pthread_mutex_lock(&store->writer_mutex);
	store->writer_active = false;
	if (store->writer_list != NULL)
		pthread_cond_broadcast(&store->writer_free);
	pthread_mutex_unlock(&store->writer_mutex);
}

bool writer_lock_is_held(struct kt_store *store)
{
	bool taken;

	pthread_mutex_lock(&store->writer_mutex);
	taken = store->writer_active;
	pthread_mutex_unlock(&store->writer_mutex);
	return taken;
}

int writer_lock_take(struct kt_store *store, int timeout_ms)
{
	int64_t deadline_ns = deadline_after_ms(timeout_ms);
	bool try = timeout_ms == 0;
	int err;

	if (io_forked(store->io))
		return error_set(
			-ECHILD, "it was opened before a fork; open it again in the child");
	err = writer_lock_thread(store, try, deadline_ns);
	if (err != 0)
		return err;
	err = writer_lock_file(store, try, deadline_ns);
	if (!err) {
		err = current_follow(store);
		if (err != 0)
			io_lock(store->io, IO_AREA, IO_UNLOCKED, &write_byte, false);
	}
	if (err != 0)
		writer_unlock_thread(store);
	return err;
}

void writer_lock_release(struct kt_store *store)
{
	if (io_forked(store->io))
		return; /* it is the parent's */
	writer_unlock_file(store);
	writer_unlock_thread(store);
}
