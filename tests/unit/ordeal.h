/* A store with something of everything in it, and what a damaged image of it has to go through. */
#ifndef TESTS_ORDEAL_H
#define TESTS_ORDEAL_H

#include "rng.h"

#include "tests/crash/disk.h"
#include "tests/crash/state.h"

struct ordeal {
	struct rng rng;
	struct disk *original; /* the store, on the platter */
	struct disk *image;    /* for a damaged copy of it */
	struct state state;    /* what it holds */
	uint64_t seed;	       /* of the store's checksums */
};

/** What is tried now, for the message when it does not return. */
extern char ordeal_doing[200];

/** Make the store.
 *  @param rich  with snapshots and all; else a little on few pages */
void ordeal_init(struct ordeal *f, struct rng rng, bool rich);

void ordeal_fini(struct ordeal *f);

/** Open the image, check it, read and write: an error or right data, as cmocka has it.
 *  @param exact  other data than the original's are wrong */
void ordeal_try(struct ordeal *f, bool exact);

#endif
