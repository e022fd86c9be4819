/* A store and its model, and random operations on both. */
#ifndef TESTS_UNIT_MODEL_WORLD_H
#define TESTS_UNIT_MODEL_WORLD_H

#include "tests/unit/model.h"
#include "tests/unit/rng.h"

#include "keytree_fs.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct model_world {
	char dir[64];
	char path[128];
	bool memory;
	struct kt_store *store;
	struct rng rng;
	struct model committed; /* what the last commit left */
	struct model now;	/* and what the open transaction shows */
	struct kt_txn *txn;
	size_t savepoint_count;
	struct {
		uint64_t number;
		struct model model;
	} savepoints[4]; /* open ones, the outermost first */
	struct {
		char name[16]; /* "": none */
		struct model model;
	} snapshots[5];
};

int model_setup(void **state);

int model_teardown(void **state);

void model_fill(struct rng *rng, unsigned char *bytes, size_t size);

void model_do_delete(struct model_world *f);

void model_open_store(struct model_world *f);

void model_assert_sound(struct kt_store *store);

/** A transaction of a few operations, and how it ends. */
void model_run_transaction(struct model_world *f, bool large);

#endif
