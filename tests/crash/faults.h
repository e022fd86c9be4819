/* Runs in which the n-th call or allocation fails, for n = 1, 2, 3 ... */
#ifndef TESTS_CRASH_FAULTS_H
#define TESTS_CRASH_FAULTS_H

#include "world.h"

/** Let every write, truncate and sync of a run fail in turn, in every way.
 *  @param images  to judge the images of what is left */
void faults_of_calls(struct tally *tally, uint64_t seed, struct disk *images);

/** Let allocations of a run fail in turn. @param most  so many of them */
void faults_of_memory(struct tally *tally, uint64_t seed, unsigned most);

#endif
