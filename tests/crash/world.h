/* A store on a simulated disk that random transactions change, beside the model of what it holds.
 *
 * Whenever it syncs, and at the end, its disk's crash images are judged (judge.h). It also kills
 * itself, opens itself anew, and lets readers stand.
 */
#ifndef TESTS_CRASH_WORLD_H
#define TESTS_CRASH_WORLD_H

#include "disk.h"
#include "image.h"
#include "state.h"

#include "tests/unit/rng.h"

/** Counts of what was tried. */
struct tally {
	uint64_t images[IMAGE_CLASSES];
	uint64_t nested;  /* of them, crashes of a recovery */
	uint64_t cuts;	  /* the file was made smaller */
	uint64_t faults;  /* calls and allocations that were made to fail */
	uint64_t illegal; /* outcomes that may not be */
	bool patient;	  /* go on after the first illegal outcome */
};

struct world {
	struct tally *tally;
	struct rng rng;
	struct disk *disk;
	struct disk *images[2]; /* to make crash images in, and images of those; NULL: no images */
	struct kt_store *store;
	struct history history;
	struct state now;	/* what the open transaction shows */
	struct state committed; /* what the last commit left */
	bool poisoned;		/* a sync failed: nothing may be written until it is reopened */
	uint64_t wiped;		/* generation of the disk when that happened */
	bool faulty;		/* calls may fail */
	bool recovered;		/* its store was left by a crash of another world */
	bool another_boot;	/* controls: a power cut is followed by another boot */
	bool same_home;		/* controls: a copy passes for the file itself */
	bool forgives;		/* controls: a failed sync is forgotten */
	bool spills;		/* some handles spill early */
	struct kt_txn *reader;
	struct state seen;  /* by the reader */
	unsigned snapshots; /* made so far */
	uint64_t seen_txn;
};

/** Note an outcome that may not be. */
void world_illegal(struct world *world, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** Should it go on? */
bool world_goes_on(const struct world *world);

/** Make a new store on a new disk. */
void world_open(struct world *world, struct tally *tally, uint64_t seed);

/** Take up a store that is on a disk.
 *  @param state  what it holds; copied
 *  @param txn    its last commit */
void world_adopt(struct world *world, struct tally *tally, uint64_t seed, struct disk *disk,
	const struct state *state, uint64_t txn);

/** Close the store, and forget everything but the disks. */
void world_close(struct world *world);

/** Run one transaction, or close and open, or be killed. */
void world_step(struct world *world);

/** Put a value that is larger than what one digest covers. */
void world_put_large(struct world *world);

/** Close the store without a flush, as by kill -9, and open it again. */
void world_kill(struct world *world);

/** Close the store and open it again. What it shows must be legal. */
void world_reopen(struct world *world);

#endif
