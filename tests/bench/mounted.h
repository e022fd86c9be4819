/* Mounting a store for a benchmark, and what its mount takes. As root. */
#ifndef TESTS_BENCH_MOUNTED_H
#define TESTS_BENCH_MOUNTED_H

#include <stdint.h>

struct subject;

/** Close a store and mount it on its directory.
 *  @param keytree  the program
 *  @return the nanoseconds until it is there */
uint64_t subject_mount(struct subject *subject, const char *keytree);

/** End a mount, if there is one. */
void subject_unmount(struct subject *subject);

/** Memory of a mount's program that it does not share with the file. @return bytes */
uint64_t subject_memory(const struct subject *subject);

/** Have nothing of any file in memory. */
void bench_drop_caches(void);

#endif
