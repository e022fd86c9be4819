/* Times: the kernel names them in seconds and nanoseconds, a store in nanoseconds since 1970 UTC. */
#ifndef FS_CLOCK_H
#define FS_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/** Seconds and nanoseconds as one number. A time outside of the years 1678 to 2261 becomes the
 * nearest one that the number can hold. */
static inline int64_t clock_ns(int64_t seconds, int64_t nanoseconds)
{
	int64_t ns;

	if (__builtin_mul_overflow(seconds, INT64_C(1000000000), &ns) ||
		__builtin_add_overflow(ns, nanoseconds, &ns))
		return seconds < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

/** The same of a struct timespec. */
static inline int64_t clock_timespec_ns(const struct timespec *time)
{
	return clock_ns(time->tv_sec, time->tv_nsec);
}

/** Is a number of clock_ns() the time itself, and not the nearest one? */
static inline bool clock_is_exact(int64_t ns)
{
	return ns != INT64_MIN && ns != INT64_MAX;
}

/** One number as seconds, rounded down, and 0 to 999999999 nanoseconds. */
static inline struct timespec clock_timespec(int64_t ns)
{
	int64_t seconds = ns / 1000000000, rest = ns % 1000000000;

	if (rest < 0) {
		seconds--;
		rest += 1000000000;
	}
	return (struct timespec){.tv_sec = seconds, .tv_nsec = rest};
}

#endif
