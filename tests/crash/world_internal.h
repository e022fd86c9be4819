/* What world.c has for world_step.c. */
#ifndef TESTS_CRASH_WORLD_INTERNAL_H
#define TESTS_CRASH_WORLD_INTERNAL_H

#include "world.h"

/** A call failed: that is illegal unless faults are made, and may have poisoned the store. */
void world_look_at_error(struct world *world, int err, const char *call);

/** Begin a read transaction that stays open while the world goes on. What it sees must be legal. */
void world_begin_reader(struct world *world);

/** End it, if there is one. */
void world_end_reader(struct world *world);

#endif
