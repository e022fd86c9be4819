#include "world_internal.h"

#include "judge.h"
#include "memory.h"
#include "operation.h"

#include "store/share/current.h"
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void world_illegal(struct world *world, const char *format, ...)
{
	va_list args;

	if (world->tally->illegal++ >= 10)
		return;
	fprintf(stderr, "illegal: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	if (world->faulty)
		fprintf(stderr, " (after a fault)");
	fprintf(stderr, " (commits: %llu flushed, %llu made, %llu tried)\n",
		(unsigned long long)world->disk->mark.flushed,
		(unsigned long long)world->disk->mark.committed,
		(unsigned long long)world->disk->mark.attempted);
}

bool world_goes_on(const struct world *world)
{
	return world->tally->illegal == 0 || world->tally->patient;
}

/* ---- opening and closing --------------------------------------------------------------------- */

/* An error that nobody ordered may not be. */
void world_look_at_error(struct world *world, int err, const char *call)
{
	if (!world->faulty)
		world_illegal(world, "%s failed: %s", call, kt_strerror(world->store, err));
	if (world->forgives)
		atomic_fetch_and(&world->store->area->published, ~PUBLISHED_POISONED);
	/* A failed sync has poisoned the store (I6); another error has not. */
	world->poisoned = current_is_poisoned(world->store);
	if (world->poisoned)
		world->wiped = world->disk->generation;
}

/* Some handles write pages of a transaction to the file before it ends, when it has so many. */
#define SPILL_PAGES 4

static int engine_open(struct world *world)
{
	struct io *io = disk_handle(world->disk);
	int err;

	memory_enter();
	err = store_open(io, "disk", "world", 0, &world->store);
	memory_leave();
	if (err != 0)
		world->store = NULL;
	else if (world->spills && rng_below(&world->rng, 4) == 0)
		world->store->spill_pages = SPILL_PAGES;
	return err;
}

void world_end_reader(struct world *world)
{
	const char *why;

	if (world->reader == NULL)
		return;
	if (!state_equals(&world->seen, world->reader, NULL, world->poisoned, &why))
		world_illegal(world, "a reader of commit %llu sees %s",
			(unsigned long long)world->seen_txn, why);
	kt_abort(world->reader);
	world->reader = NULL;
	state_fini(&world->seen);
}

/* Of the last commit, or of a snapshot. */
void world_begin_reader(struct world *world)
{
	size_t index = rng_below(&world->rng, STATE_KEPT * 2);
	const struct kept *kept =
		index < world->committed.kept_count ? world->committed.kept[index] : NULL;
	int err;

	memory_enter();
	if (kept != NULL)
		err = kt_snapshot_open(world->store, kept->name, &world->reader);
	else
		err = kt_begin(world->store, KT_READ, &world->reader);
	memory_leave();
	if (err != 0) {
		world_look_at_error(world, err, "a reader");
		world->reader = NULL;
		return;
	}
	world->seen = (struct state){0};
	for (int i = 0; i < STATE_TREES; i++)
		world->seen.trees[i] =
			model_clone(kept != NULL ? &kept->trees[i] : &world->committed.trees[i]);
	world->seen_txn = kt_txn_id(world->reader);
}

/* ret_lost: commits that were not flushed may be gone. */
static void engine_close(struct world *world, bool kill, bool *ret_lost)
{
	struct disk_fault fault = world->disk->fault;
	int err;

	world_end_reader(world);
	if (kill) { /* this call finds the process gone, and so do all that follow */
		world->disk->fault = (struct disk_fault){
			.calls = DISK_CHANGE, .count = 1, .err = -EIO, .kill = true};
		(void)io_sync(world->store->io);
	}
	err = kt_close(world->store);
	world->store = NULL;
	world->disk->fault = fault;
	if (!err && !kill)
		world->disk->mark.flushed = world->disk->mark.committed;
	if (err != 0 && !kill && !world->faulty && !world->poisoned)
		world_illegal(world, "closing failed: %s", strerror(-err));
	*ret_lost = world->poisoned || (err != 0 && !kill);
}

/* The store was opened: what it shows must be a state that it may have. */
static void take_up(struct world *world, uint64_t least, uint64_t most)
{
	struct kt_txn *txn;
	const struct state *state;
	const char *why;
	int err = kt_begin(world->store, KT_READ, &txn);

	assert(!err);
	state = history_find(&world->history, world->disk->made, world->store, txn, &why);
	if (state == NULL || kt_txn_id(txn) < least || kt_txn_id(txn) > most) {
		world_illegal(world, "opened anew, the store is at commit %llu: %s",
			(unsigned long long)kt_txn_id(txn), state == NULL ? why : "wrong one");
	} else {
		struct state copy = state_clone(state);

		state_fini(&world->committed);
		world->committed = copy;
	}
	world->disk->mark.committed = kt_txn_id(txn);
	kt_abort(txn);
	state_fini(&world->now);
	world->now = state_clone(&world->committed);
}

static void open_again(struct world *world, bool lost)
{
	const struct disk_mark *mark = &world->disk->mark;
	int err = engine_open(world);

	if (err == -ENOMEM && world->faulty)
		err = engine_open(world);
	if (err != 0) {
		world_illegal(world, "it does not open: %s", kt_strerror(NULL, err));
		exit(1);
	}
	take_up(world, lost ? mark->flushed : mark->committed, mark->attempted);
	judge_store(world, world->store, "opened anew");
	world->poisoned = false;
}

void world_kill(struct world *world)
{
	bool lost;

	engine_close(world, true, &lost);
	/* If the process was dead before, it could not wipe what a failed sync left in doubt. */
	open_again(world, lost && !world->disk->fault.kill);
}

void world_reopen(struct world *world)
{
	bool lost;

	engine_close(world, false, &lost);
	open_again(world, lost);
}

static void watch(void *arg, struct disk *disk)
{
	bool entered = memory_leave();

	(void)disk;
	judge_images(arg);
	memory_restore(entered);
}

void world_open(struct world *world, struct tally *tally, uint64_t seed)
{
	struct io *io;
	int err;

	*world = (struct world){
		.tally = tally, .rng = {.state = seed}, .another_boot = true, .spills = true};
	world->disk = disk_new();
	world->disk->home = seed % 2; /* 0: not known, so that what a kill leaves is proved too */
	io = disk_handle(world->disk);
	err = store_format(io);
	assert(!err);
	io_close(io);
	disk_settle(world->disk);
	world->disk->mark = (struct disk_mark){1, 1, 1};
	world->disk->watch = watch;
	world->disk->watch_arg = world;
	history_add(&world->history, 1, &world->committed);
	err = engine_open(world);
	assert(!err);
}

void world_adopt(struct world *world, struct tally *tally, uint64_t seed, struct disk *disk,
	const struct state *state, uint64_t txn)
{
	int err;

	*world = (struct world){.tally = tally, .rng = {.state = seed}, .another_boot = true};
	world->disk = disk;
	world->committed = state_clone(state);
	world->now = state_clone(state);
	world->disk->mark = (struct disk_mark){txn, txn, txn};
	world->disk->watch = watch;
	world->disk->watch_arg = world;
	history_add(&world->history, txn, state);
	err = engine_open(world);
	assert(!err);
}

void world_close(struct world *world)
{
	bool lost;

	engine_close(world, false, &lost);
	history_fini(&world->history);
	state_fini(&world->now);
	state_fini(&world->committed);
	world->disk->watch = NULL;
	world->tally->cuts += world->disk->cuts;
}
