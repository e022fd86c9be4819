/* Random changes of a transaction, made to the store and to the model of it. */
#ifndef TESTS_CRASH_OPERATION_H
#define TESTS_CRASH_OPERATION_H

#include "world.h"

/** Make a random change of some tree, and the same in world->now.
 *  @return 0; the error of the call: nothing was changed then */
int operation_random(struct world *world, struct kt_txn *txn);

/** Fill bytes with noise. */
void operation_fill(struct rng *rng, unsigned char *bytes, size_t size);

#endif
