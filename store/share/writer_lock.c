/* The writer lock: one write transaction, or flush, at a time.
 *
 * In a handle, threads draw tickets and are served in that order. The thread that is served
 * competes with other handles and processes for two locks:
 *
 *     WRITE  is held by the writer
 *     QUEUE  is held by the one that waits for WRITE; all others wait for QUEUE
 *
 * A process that finds QUEUE taken waits for it, even if WRITE is free at that moment. So a process
 * that commits again and again lets others in between. While nobody waits, QUEUE is not used.
 */
#include "store/share/writer_lock.h"

#include "store/error.h"
#include "store/share/current.h"
#include "store/share/step.h"

#include <errno.h>

static const struct io_range write_byte = {LOCK_WRITE, 1};
static const struct io_range queue_byte = {LOCK_QUEUE, 1};

/* ---- between processes ----------------------------------------------------------------------- */

static int writer_lock_file(struct kt_store *store, bool try)
{
	struct lockarea *area = store->area;
	int err = -EAGAIN;

	if (try || atomic_load(&area->queued) == 0)
		err = io_lock(store->io, IO_AREA, IO_EXCLUSIVE, &write_byte, false);
	if (err != -EAGAIN || try)
		return err;
	STEP("queue");
	err = io_lock(store->io, IO_AREA, IO_EXCLUSIVE, &queue_byte, true);
	if (err != 0)
		return err;
	atomic_store(&area->queued, 1);
	STEP("queued");
	err = io_lock(store->io, IO_AREA, IO_EXCLUSIVE, &write_byte, true);
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

static int writer_lock_thread(struct kt_store *store, bool try)
{
	uint64_t number;
	int err = 0;

	pthread_mutex_lock(&store->writer_mutex);
	if (store->writer_active && pthread_equal(store->writer_thread, pthread_self()))
		err = -EDEADLK;
	else if (try && (store->writer_active || store->ticket_now != store->ticket_next))
		err = -EAGAIN;
	if (!err) {
		number = store->ticket_next++;
		while (store->ticket_now != number)
			pthread_cond_wait(&store->writer_free, &store->writer_mutex);
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
	store->ticket_now++;
	if (store->ticket_now != store->ticket_next)
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

int writer_lock_take(struct kt_store *store, bool try)
{
	int err;

	if (io_forked(store->io))
		return error_set(
			-ECHILD, "it was opened before a fork; open it again in the child");
	err = writer_lock_thread(store, try);
	if (err != 0)
		return err;
	err = writer_lock_file(store, try);
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
