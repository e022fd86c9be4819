/* Waiting for commits of any process.
 *
 * Each commit wakes the threads that wait on the futex of the lock area. A descriptor for poll
 * loops is written by a thread that waits on that futex. An unprivileged reader cannot use the
 * futex; it watches the file for changes and finds commits in its slots (current.c).
 */
#include "store/share/current.h"
#include "store/error.h"
#include "store/io/io.h"
#include "store/util/deadline.h"
#include "store/util/fd.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- the futex ------------------------------------------------------------------------------- */

/* A writer that dies between publishing a commit and waking leaves everybody asleep: so all look again
 * after this time. */
#define LOOK_AGAIN_S 1

/* Wait while the futex has the value seen, but not longer than left, nor than LOOK_AGAIN_S.
 * others: wait for commits of other handles only */
static void futex_wait(
	struct kt_store *store, bool others, uint32_t seen, const struct timespec *left)
{
	const struct timespec again = {.tv_sec = LOOK_AGAIN_S};
	struct lockarea *area = store->area;
	_Atomic uint32_t *count =
		others ? &area->openers[store->opener_number - 1].foreign_waiters : &area->waiters;

	if (left == NULL || left->tv_sec >= LOOK_AGAIN_S)
		left = &again;
	atomic_fetch_add(count, 1);
	syscall(SYS_futex, &area->futex, FUTEX_WAIT, seen, left, NULL, 0);
	atomic_fetch_sub(count, 1);
}

static int wait_privileged(struct kt_store *store, uint64_t txn, int64_t end_ns, uint64_t *ret_txn)
{
	struct lockarea *area = store->area;
	struct timespec left;

	for (;;) {
		uint32_t seen = atomic_load(&area->futex);
		uint64_t now = atomic_load(&area->published);

		if (published_txn(now) > txn) {
			*ret_txn = published_txn(now);
			return 0;
		}
		if (now & PUBLISHED_POISONED)
			return error_set(-EIO, "an earlier flush failed; open the store again");
		if (!deadline_left(end_ns, &left))
			return -ETIMEDOUT;
		futex_wait(store, false, seen, &left);
	}
}

static int wait_unprivileged(
	struct kt_store *store, uint64_t txn, int64_t end_ns, uint64_t *ret_txn)
{
	struct pollfd changed = {.fd = io_watch(store->io), .events = POLLIN};
	struct timespec left;
	struct root *root;
	int err = 0;

	if (changed.fd < 0)
		return changed.fd;
	for (;;) {
		char events[4096];

		while (read(changed.fd, events, sizeof(events)) > 0)
			;
		err = current_refresh(store, &root);
		if (err != 0)
			break;
		*ret_txn = published_txn(atomic_load(&store->area->published));
		if (*ret_txn > txn)
			break;
		err = deadline_left(end_ns, &left) ? 0 : -ETIMEDOUT;
		if (err != 0 || (ppoll(&changed, 1, &left, NULL) < 0 && errno != EINTR))
			break;
	}
	close(changed.fd);
	return err;
}

int kt_wait(struct kt_store *store, uint64_t txn, int timeout_ms, uint64_t *ret_txn)
{
	int64_t end_ns = deadline_after_ms(timeout_ms);
	uint64_t now = 0;
	int err;

	error_clear();
	if (io_forked(store->io))
		return error_set(
			-ECHILD, "it was opened before a fork; open it again in the child");
	err = store->unprivileged ? wait_unprivileged(store, txn, end_ns, &now)
				  : wait_privileged(store, txn, end_ns, &now);
	if (!err)
		*ret_txn = now;
	return err;
}

/* ---- a descriptor ---------------------------------------------------------------------------- */

struct kt_waiter {
	struct kt_store *store;
	int fd;
	bool others;   /* tell only commits of other handles */
	uint64_t told; /* last value of `published` that the thread has told */
	_Atomic bool stop;
	pthread_t thread;
};

static void *waiter_run(void *arg)
{
	struct kt_waiter *waiter = arg;
	struct lockarea *area = waiter->store->area;

	while (!atomic_load(&waiter->stop)) {
		const uint64_t one = 1;
		uint32_t seen = atomic_load(&area->futex);
		uint64_t now = atomic_load(&area->published);

		if (now != waiter->told &&
			write(waiter->fd, &one, sizeof(one)) == (ssize_t)sizeof(one))
			waiter->told = now;
		else if (!atomic_load(&waiter->stop))
			futex_wait(waiter->store, waiter->others, seen, NULL);
	}
	return NULL;
}

/* Block all signals in the thread: they are for the threads of the application. */
static int waiter_start(struct kt_waiter *waiter)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&waiter->thread, NULL, waiter_run, waiter);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

int kt_waiter_open(struct kt_store *store, unsigned flags, struct kt_waiter **ret_waiter)
{
	struct kt_waiter *waiter;
	int err;

	error_clear();
	err = error_unknown_flags(flags, KT_OTHERS);
	if (err != 0)
		return err;
	if (io_forked(store->io))
		return error_set(
			-ECHILD, "it was opened before a fork; open it again in the child");
	waiter = calloc(1, sizeof(*waiter));
	if (waiter == NULL)
		return -ENOMEM;
	waiter->store = store;
	waiter->others = (flags & KT_OTHERS) != 0;
	waiter->told = atomic_load(&store->area->published);
	if (store->unprivileged)
		waiter->fd = io_watch(store->io);
	else
		waiter->fd = fd_above_stdio(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (waiter->fd < 0)
		err = store->unprivileged ? waiter->fd : -errno;
	else if (!store->unprivileged)
		err = waiter_start(waiter);
	if (err != 0) {
		if (waiter->fd >= 0)
			close(waiter->fd);
		free(waiter);
		return err;
	}
	*ret_waiter = waiter;
	return 0;
}

int kt_waiter_fd(const struct kt_waiter *waiter)
{
	return waiter->fd;
}

int kt_waiter_clear(struct kt_waiter *waiter, uint64_t *ret_txn)
{
	struct kt_store *store = waiter->store;
	char events[4096];
	struct root *root;
	int err = 0;

	while (read(waiter->fd, events, sizeof(events)) > 0)
		;
	if (store->unprivileged)
		err = current_refresh(store, &root);
	if (!err && ret_txn != NULL)
		*ret_txn = published_txn(atomic_load(&store->area->published));
	return err;
}

void kt_waiter_close(struct kt_waiter *waiter)
{
	struct lockarea *area;

	if (waiter == NULL)
		return;
	area = waiter->store->area;
	/* In the child of a fork there is no such thread. */
	if (!waiter->store->unprivileged && !io_forked(waiter->store->io)) {
		atomic_store(&waiter->stop, true);
		atomic_fetch_add(&area->futex, 1);
		lockarea_wake(area);
		pthread_join(waiter->thread, NULL);
	}
	close(waiter->fd);
	free(waiter);
}
