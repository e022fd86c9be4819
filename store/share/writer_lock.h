/* The writer lock: one write transaction, or flush, at a time. See writer_lock.c. */
#ifndef STORE_SHARE_WRITER_LOCK_H
#define STORE_SHARE_WRITER_LOCK_H

#include "keytree.h"

#include <stdbool.h>

/** Wait for the writer lock, and take up what other writers have committed.
 *  @param try  do not wait
 *  @return 0; -EAGAIN with try; -EDEADLK this thread holds it; -ECHILD after a fork; -EUCLEAN */
int writer_lock_take(struct kt_store *store, bool try);

void writer_lock_release(struct kt_store *store);

/** Does a thread of this handle hold the writer lock? */
bool writer_lock_is_held(struct kt_store *store);

#endif
