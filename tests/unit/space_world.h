/* A store around the free space, for tests: a disk in memory, slots, readers, and a plain model of
 * every page against which each step is checked. */
#ifndef TESTS_SPACE_WORLD_H
#define TESTS_SPACE_WORLD_H

#include "rng.h"
#include "store/space/space_internal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_SEED 42 /* of checksums */

/** What the model knows of a page. */
struct model_page {
	uint64_t birth; /* the transaction that wrote it */
	uint64_t freed; /* by which transaction; 0: it is in use */
	bool young;	/* when it was freed, no durable slot was as new as it */
};

/** What a slot says. */
struct world_slot {
	uint64_t txn;
	uint64_t page_count;
	struct format_space space;
	uint8_t tail[SLOT_TAIL];
};

struct world {
	struct space *space;
	uint8_t **disk; /* pages; NULL: never written, or garbage */
	struct model_page *pages;
	size_t capacity;	     /* of disk and pages */
	struct world_slot now;	     /* the last commit */
	struct world_slot durable;   /* the last one flushed */
	uint64_t reader;	     /* pinned transaction; 0: none */
	uint64_t log_pages[1 << 20]; /* by sequence number, modulo its size */
	struct run *taken;	     /* by the open transaction, with holes */
	size_t taken_count;
	size_t taken_capacity;
	struct run *freed; /* by the open transaction */
	size_t freed_count;
	size_t freed_capacity;
	size_t most_log_pages; /* that one commit wrote */
	size_t last_log_pages; /* that the last commit wrote */
	bool credulous;	       /* world_read() verifies nothing */
	struct rng rng;
};

/** A new store. @param seed  of its random numbers */
struct world *world_open(uint64_t seed);

/** The end of it. */
void world_close(struct world *world);

/** A random number below bound. */
uint64_t world_random(struct world *world, uint64_t bound);

/** Begin a transaction. */
void world_begin(struct world *world);

/** Take pages, run by run, and check that each may be taken. @return how many runs it took */
size_t world_take(struct world *world, uint64_t want);

/** Give back one page, which must be in use. */
void world_release(struct world *world, uint64_t page);

/** Is it a page of the log? */
bool world_is_log(const struct world *world, uint64_t page);

/** A random page that is in use and not of the log; 0: none was found. */
uint64_t world_pick(struct world *world);

/** Commit. @param flush  make it durable */
void world_commit(struct world *world, bool flush);

/** Abort. */
void world_abort(struct world *world);

/** Load the free space from the disk as a slot describes it. @return as space_log_load() */
int world_load(struct world *world, const struct world_slot *slot, struct space **ret_space);

/** Check that the last commit loads to exactly the state in memory, and that this is the model's.
 */
void world_check_load(struct world *world);

/** Check that two sets are the same in every respect. */
void world_compare(const struct space *one, const struct space *two);

/** Reads pages of the disk; a space_log_read_fn, with a struct world. */
int world_read(void *arg, uint64_t ref, const struct page_header **ret_page);

#endif
