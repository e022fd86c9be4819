/* Times when waits end, on the monotonic clock. */
#ifndef STORE_UTIL_DEADLINE_H
#define STORE_UTIL_DEADLINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/** A deadline that never comes. */
#define DEADLINE_NEVER INT64_MAX

/** The deadline of a wait that begins now. @param timeout_ms  negative: it never ends */
int64_t deadline_after_ms(int timeout_ms);

/** Time left until a deadline; an hour, if it never comes. @return false: none */
bool deadline_left(int64_t deadline_ns, struct timespec *ret_left);

/** The same in milliseconds, rounded up; 0: none; -1: it never comes. */
int deadline_left_ms(int64_t deadline_ns);

/** Make a condition variable whose waits end at deadlines. */
void deadline_cond_init(pthread_cond_t *cond);

#endif
