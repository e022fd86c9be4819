/* One thread of the hammer: random operations on the few names of a mount. */
#ifndef TESTS_MOUNT_HAMMER_OPS_H
#define TESTS_MOUNT_HAMMER_OPS_H

#include "../unit/rng.h"

#include <pthread.h>
#include <stdbool.h>

#define HAMMER_HELD 4 /* files that a thread keeps open */

struct hammer_hand {
	pthread_t thread;
	struct rng rng;
	unsigned long ops;
	bool application;
	int held[HAMMER_HELD];
	char bytes[20000];
};

/** Choose one of the names. */
void hammer_random_path(struct rng *rng, char path[32]);

/** Run the operations of a thread in the current directory, which is a mount.
 *  @param arg  its struct hammer_hand. An error that cannot be ends the process.
 *  @return NULL */
void *hammer_work(void *arg);

#endif
