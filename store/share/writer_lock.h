/* The writer lock: one write transaction, or flush, at a time. See writer_lock.c. */
#ifndef STORE_SHARE_WRITER_LOCK_H
#define STORE_SHARE_WRITER_LOCK_H

#include "keytree.h"

#include <stdbool.h>

/** Wait without a limit, and not at all: timeouts of writer_lock_take(). */
#define WRITER_LOCK_WAIT (-1)
#define WRITER_LOCK_TRY 0

/** Wait for the writer lock, and take up what other writers have committed.
 *  @param timeout_ms  milliseconds to wait at most; 0: do not wait; negative: without a limit
 *  @return 0; -EAGAIN it is taken, and the caller does not wait; -ETIMEDOUT; -EDEADLK this thread
 *          holds it; -ECHILD after a fork; -EUCLEAN */
int writer_lock_take(struct kt_store *store, int timeout_ms);

void writer_lock_release(struct kt_store *store);

/** Does a thread of this handle hold the writer lock? */
bool writer_lock_is_held(struct kt_store *store);

#endif
