/* Is what a crash left a legal state of the store? */
#ifndef TESTS_CRASH_JUDGE_H
#define TESTS_CRASH_JUDGE_H

#include "world.h"

/** Judge the crash images of a world's disk as it is now. */
void judge_images(struct world *world);

/** Report what kt_check() finds. @param when  for the message */
void judge_store(struct world *world, struct kt_store *store, const char *when);

#endif
