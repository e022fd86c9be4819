/* An application that changes keys at random: keys that are hard to tell apart, some below others. */
#ifndef TESTS_UNIT_APPLICATION_H
#define TESTS_UNIT_APPLICATION_H

#include "tests/unit/rng.h"

#include "keytree_fs.h"

#include <stddef.h>

#define APPLICATION_KEYS 24

struct application {
	struct kt_store *store;
	struct rng *rng;
	struct {
		char bytes[600];
		size_t size;
	} keys[APPLICATION_KEYS];
};

/** Make up keys.
 *  @param store  borrowed
 *  @param rng    borrowed */
void application_init(struct application *application, struct kt_store *store, struct rng *rng);

/** One of few values. */
const char *application_value(struct rng *rng);

/** Change some keys, in one transaction: their values, links and directories. */
void application_change(struct application *application);

/** Go back to a snapshot, or take it anew. */
void application_go_back(struct application *application);

#endif
