/* Allocations that fail: the program is linked so that every one of them comes here. */
#ifndef TESTS_CRASH_MEMORY_H
#define TESTS_CRASH_MEMORY_H

#include <stdbool.h>

/** Let the n-th allocation between memory_enter() and memory_leave() fail; 0: none. */
void memory_fail_at(unsigned long n);

/** Did it fail? */
bool memory_failed(void);

/** The engine is called. */
void memory_enter(void);

/** It has returned, or it called back. @return was it within memory_enter()? */
bool memory_leave(void);

/** Go back to what memory_leave() left. */
void memory_restore(bool entered);

#endif
