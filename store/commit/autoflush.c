/* A thread for each handle with a flush interval. The first commit that is not flushed sets the time
 * when the thread flushes; that flush covers all commits up to then.
 */
#include "store/commit/autoflush.h"

#include "store/commit/commit.h"
#include "store/error.h"
#include "store/share/handle.h"
#include "store/util/deadline.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

struct autoflush {
	struct kt_store *store;
	unsigned interval_ms;
	pthread_t thread;
	pthread_mutex_t mutex; /* protects the rest */
	pthread_cond_t changed;
	int64_t due_ns; /* when it flushes, on the monotonic clock; DEADLINE_NEVER: all is flushed */
	bool stop;
};

static void autoflush_flush(struct kt_store *store)
{
	int err = commit_flush_waiting(store);

	if (err)
		error_tell(err, "a flush failed");
}

/* Wait until something is due. @return false: the thread is to end */
static bool autoflush_wait(struct autoflush *autoflush)
{
	struct timespec left;
	bool stop;

	pthread_mutex_lock(&autoflush->mutex);
	while (!autoflush->stop && deadline_left(autoflush->due_ns, &left)) {
		const struct timespec until = {
			autoflush->due_ns / 1000000000, autoflush->due_ns % 1000000000};

		if (autoflush->due_ns == DEADLINE_NEVER)
			pthread_cond_wait(&autoflush->changed, &autoflush->mutex);
		else
			pthread_cond_timedwait(&autoflush->changed, &autoflush->mutex, &until);
	}
	autoflush->due_ns = DEADLINE_NEVER;
	stop = autoflush->stop;
	pthread_mutex_unlock(&autoflush->mutex);
	return !stop;
}

static void *autoflush_run(void *arg)
{
	struct autoflush *autoflush = arg;

	while (autoflush_wait(autoflush))
		autoflush_flush(autoflush->store);
	return NULL;
}

/* Signals are for the threads of the application. */
static int autoflush_start_thread(struct autoflush *autoflush)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&autoflush->thread, NULL, autoflush_run, autoflush);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

static void autoflush_free(struct autoflush *autoflush)
{
	pthread_cond_destroy(&autoflush->changed);
	pthread_mutex_destroy(&autoflush->mutex);
	free(autoflush);
}

int autoflush_start(struct kt_store *store, unsigned interval_ms, struct autoflush **ret_autoflush)
{
	struct autoflush *autoflush = calloc(1, sizeof(*autoflush));
	int err;

	if (autoflush == NULL)
		return -ENOMEM;
	autoflush->store = store;
	autoflush->interval_ms = interval_ms;
	autoflush->due_ns = DEADLINE_NEVER;
	pthread_mutex_init(&autoflush->mutex, NULL);
	deadline_cond_init(&autoflush->changed);
	err = autoflush_start_thread(autoflush);
	if (err)
		autoflush_free(autoflush);
	else
		*ret_autoflush = autoflush;
	return err;
}

void autoflush_note(struct autoflush *autoflush)
{
	pthread_mutex_lock(&autoflush->mutex);
	if (autoflush->due_ns == DEADLINE_NEVER) {
		autoflush->due_ns = deadline_after_ms((int)autoflush->interval_ms);
		pthread_cond_signal(&autoflush->changed);
	}
	pthread_mutex_unlock(&autoflush->mutex);
}

void autoflush_stop(struct autoflush *autoflush)
{
	if (autoflush == NULL)
		return;
	if (io_forked(autoflush->store->io)) {
		free(autoflush);
		return;
	}
	pthread_mutex_lock(&autoflush->mutex);
	autoflush->stop = true;
	pthread_cond_signal(&autoflush->changed);
	pthread_mutex_unlock(&autoflush->mutex);
	pthread_join(autoflush->thread, NULL);
	autoflush_free(autoflush);
}
