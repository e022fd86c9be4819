/* Negative controls: a protection is taken away, and the harness must notice. */
#ifndef TESTS_CRASH_CONTROL_H
#define TESTS_CRASH_CONTROL_H

#include "world.h"

/** Take a protection away.
 *  @param name  which: see control.c
 *  @return false: there is none of that name */
bool control_choose(const char *name);

/** Does it show only where calls fail? */
bool control_needs_faults(void);

/** Names of all controls, one per line, to standard output. */
void control_list(void);

/** Break a world accordingly. */
void control_apply(struct world *world);

#endif
