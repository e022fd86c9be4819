/* Opening a store of large values after its writer was killed. */
#ifndef TESTS_BENCH_SCALE_CRASH_H
#define TESTS_BENCH_SCALE_CRASH_H

#include "subjects.h"

/** Make a store with a value of 1 MiB for each key, and close it. */
void scale_load_values(struct subject *subject);

/** Kill a process that has written, and open the store. @return nanoseconds of the opening */
uint64_t scale_open_after_crash(struct subject *subject, unsigned repeat);

/** The same, and write. @return nanoseconds of the first write */
uint64_t scale_write_after_crash(struct subject *subject, unsigned repeat);

#endif
