/* Flushing by itself: what a handle has committed is on the disk some time later. See autoflush.c. */
#ifndef STORE_COMMIT_AUTOFLUSH_H
#define STORE_COMMIT_AUTOFLUSH_H

struct autoflush;
struct kt_store;

/** Start the thread of a handle that flushes.
 *  @param interval_ms    how long a commit stays unflushed at most
 *  @param ret_autoflush  end with autoflush_stop() */
int autoflush_start(struct kt_store *store, unsigned interval_ms, struct autoflush **ret_autoflush);

/** A commit that is not flushed was made. */
void autoflush_note(struct autoflush *autoflush);

/** End the thread; what is not flushed stays so. In the child of a fork, where there is no such
 *  thread, only free the memory. @param autoflush  taken; NULL is allowed */
void autoflush_stop(struct autoflush *autoflush);

#endif
