/* The writer's turn: one write transaction, or flush, at a time.
 *
 * In a handle, threads draw numbers and wait for theirs. The one whose number is up takes part
 * among the handles and processes, where there are two locks:
 *
 *     TURN   is had by the writer
 *     NEXT   is had by one that waits for TURN; the others wait for NEXT
 *
 * Who finds somebody waiting queues behind him, although TURN may be free at that moment: so who
 * commits again and again lets others in between. Where nobody waits, NEXT is left alone.
 */
#include "store/share/current.h"
#include "store/error.h"
#include "store/share/step.h"
#include "store/store.h"

#include <errno.h>

static const struct io_range turn_byte = {LOCK_TURN, 1};
static const struct io_range next_byte = {LOCK_NEXT, 1};

/* ---- among the processes --------------------------------------------------------------------- */

static int lock_turn(struct kt_store *store, bool try)
{
	struct lockarea *area = store->area;
	int err = -EAGAIN;

	if (try || atomic_load(&area->queued) == 0)
		err = io_lock(store->io, IO_EXCLUSIVE, &turn_byte, false);
	if (err != -EAGAIN || try)
		return err;
	STEP("queue");
	err = io_lock(store->io, IO_EXCLUSIVE, &next_byte, true);
	if (err != 0)
		return err;
	atomic_store(&area->queued, 1);
	STEP("queued");
	err = io_lock(store->io, IO_EXCLUSIVE, &turn_byte, true);
	atomic_store(&area->queued, 0);
	STEP("unqueued");
	io_lock(store->io, IO_UNLOCKED, &next_byte, false);
	return err;
}

static void unlock_turn(struct kt_store *store)
{
	STEP("turn-done");
	atomic_store(&store->area->busy, 0);
	STEP("turn-give");
	io_lock(store->io, IO_UNLOCKED, &turn_byte, false);
}

/* ---- in this handle -------------------------------------------------------------------------- */

static int queue_here(struct kt_store *store, bool try)
{
	uint64_t number;
	int err = 0;

	pthread_mutex_lock(&store->turn_mutex);
	if (store->turn_taken && pthread_equal(store->turn_owner, pthread_self()))
		err = -EDEADLK;
	else if (try && (store->turn_taken || store->turn_now != store->turn_next))
		err = -EAGAIN;
	if (!err) {
		number = store->turn_next++;
		while (store->turn_now != number)
			pthread_cond_wait(&store->turn_free, &store->turn_mutex);
		store->turn_taken = true;
		store->turn_owner = pthread_self();
	}
	pthread_mutex_unlock(&store->turn_mutex);
	return err;
}

static void leave_here(struct kt_store *store)
{
	pthread_mutex_lock(&store->turn_mutex);
	store->turn_taken = false;
	store->turn_now++;
	if (store->turn_now != store->turn_next)
		pthread_cond_broadcast(&store->turn_free);
	pthread_mutex_unlock(&store->turn_mutex);
}

bool turn_is_taken(struct kt_store *store)
{
	bool taken;

	pthread_mutex_lock(&store->turn_mutex);
	taken = store->turn_taken;
	pthread_mutex_unlock(&store->turn_mutex);
	return taken;
}

int turn_take(struct kt_store *store, bool try)
{
	int err;

	if (io_forked(store->io))
		return error_set(
			-ECHILD, "it was opened before a fork; open it again in the child");
	err = queue_here(store, try);
	if (err != 0)
		return err;
	err = lock_turn(store, try);
	if (!err) {
		err = current_follow(store);
		if (err != 0)
			io_lock(store->io, IO_UNLOCKED, &turn_byte, false);
	}
	if (err != 0)
		leave_here(store);
	return err;
}

void turn_give(struct kt_store *store)
{
	if (io_forked(store->io))
		return; /* it is the parent's */
	unlock_turn(store);
	leave_here(store);
}
