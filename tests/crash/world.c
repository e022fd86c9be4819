#include "world.h"

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
static void look_at_error(struct world *world, int err, const char *call)
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

static int engine_open(struct world *world)
{
	struct io *io = disk_handle(world->disk);
	int err;

	memory_enter();
	err = store_open(io, "disk", "world", 0, &world->store);
	memory_leave();
	if (err != 0)
		world->store = NULL;
	return err;
}

static void end_reader(struct world *world)
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
static void begin_reader(struct world *world)
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
		look_at_error(world, err, "a reader");
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

	end_reader(world);
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

	*world = (struct world){.tally = tally, .rng = {.state = seed}, .another_boot = true};
	world->disk = disk_new();
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

/* ---- transactions ---------------------------------------------------------------------------- */

static void roll_back(struct world *world)
{
	state_fini(&world->now);
	world->now = state_clone(&world->committed);
}

/* A commit was tried, of world->now, which is the newest state of the history. */
static void settle(struct world *world, uint64_t number, int err, const char *call, bool flush)
{
	struct disk_mark *mark = &world->disk->mark;

	if (err != 0) {
		look_at_error(world, err, call);
		if (!world->poisoned && !world->disk->fault.kill)
			history_end(&world->history, world->disk->made);
		roll_back(world);
		return;
	}
	if (atomic_load(&world->store->root)->txn < number)
		history_drop(&world->history); /* it changed nothing, so there is no such commit */
	else
		mark->committed = number;
	if (flush)
		mark->flushed = mark->committed;
	state_fini(&world->committed);
	world->committed = state_clone(&world->now);
}

/* A transaction is over: with commit, if all went well. */
static void finish(struct world *world, struct kt_txn *txn, int failed, bool flush)
{
	struct disk_mark *mark = &world->disk->mark;
	uint64_t number = kt_txn_id(txn);
	int err;

	if (failed != 0 && rng_below(&world->rng, 2) == 0) {
		kt_abort(txn);
		roll_back(world);
		return;
	}
	if (failed == 0 && number > mark->attempted)
		mark->attempted = number;
	history_add(&world->history, number, &world->now);
	memory_enter();
	err = kt_commit(txn, flush ? KT_FLUSH : 0);
	memory_leave();
	if (failed != 0 && !err)
		world_illegal(world, "a transaction that had failed was committed");
	settle(world, number, err, "kt_commit", flush);
}

static void transact(struct world *world)
{
	struct kt_txn *txn;
	size_t count = 1 + rng_below(&world->rng, 6);
	int err;

	memory_enter();
	err = kt_begin(world->store, KT_WRITE, &txn);
	memory_leave();
	if (err != 0) {
		look_at_error(world, err, "kt_begin");
		return;
	}
	for (; !err && count > 0; count--)
		err = operation_random(world, txn);
	if (err != 0)
		look_at_error(world, err, "a change");
	if (!err && rng_below(&world->rng, 10) == 0) {
		kt_abort(txn);
		roll_back(world);
		return;
	}
	finish(world, txn, err, rng_below(&world->rng, 3) == 0);
}

/* ---- calls that are a transaction by themselves ---------------------------------------------- */

/* world->now is what the call is to lead to. @return the number of its commit */
static uint64_t announce(struct world *world)
{
	uint64_t number = atomic_load(&world->store->root)->txn + 1;

	if (number > world->disk->mark.attempted)
		world->disk->mark.attempted = number;
	history_add(&world->history, number, &world->now);
	return number;
}

static void create_snapshot(struct world *world)
{
	char name[STATE_NAME];
	uint64_t number;
	int err;

	snprintf(name, sizeof(name), "snapshot %u", world->snapshots++);
	state_keep(&world->now, &world->committed, world->disk->mark.committed, name);
	number = announce(world);
	memory_enter();
	err = kt_snapshot_create(world->store, name);
	memory_leave();
	settle(world, number, err, "kt_snapshot_create", false);
}

static void delete_snapshot(struct world *world)
{
	size_t index = rng_below(&world->rng, world->now.kept_count);
	char name[STATE_NAME];
	uint64_t number;
	int err;

	strcpy(name, world->now.kept[index]->name);
	state_forget(&world->now, index);
	number = announce(world);
	memory_enter();
	err = kt_snapshot_delete(world->store, name);
	memory_leave();
	settle(world, number, err, "kt_snapshot_delete", false);
}

static void change_snapshots(struct world *world)
{
	size_t count = world->now.kept_count;

	if (count == 0 || (count < STATE_KEPT && rng_below(&world->rng, 5) < 3))
		create_snapshot(world);
	else
		delete_snapshot(world);
}

/* Go back to what the reader sees. */
static void restore(struct world *world)
{
	uint64_t number;
	int err;

	if (world->reader == NULL)
		begin_reader(world);
	if (world->reader == NULL)
		return;
	state_restore(&world->now, world->seen.trees);
	number = announce(world);
	memory_enter();
	err = kt_restore(world->store, world->reader);
	memory_leave();
	settle(world, number, err, "kt_restore", false);
}

struct compacting {
	struct world *world;
	uint64_t number; /* of the commit that the next step would be */
};

/* Between two steps of kt_compact(): there may have been a commit, of the same state. */
static int note_step(void *arg, const struct kt_compaction *compaction)
{
	struct compacting *compacting = arg;
	struct world *world = compacting->world;
	struct disk_mark *mark = &world->disk->mark;
	bool entered = memory_leave();

	(void)compaction;
	if (atomic_load(&world->store->root)->txn == compacting->number) {
		mark->committed = mark->flushed = compacting->number;
		compacting->number = announce(world);
	}
	memory_restore(entered);
	return 0;
}

static void compact(struct world *world)
{
	struct compacting compacting = {world, announce(world)};
	int err;

	memory_enter();
	err = kt_compact(world->store, note_step, &compacting);
	memory_leave();
	settle(world, compacting.number, err, "kt_compact", true);
}

static void flush(struct world *world)
{
	int err;

	memory_enter();
	err = kt_flush(world->store);
	memory_leave();
	if (err != 0)
		look_at_error(world, err, "kt_flush");
	else
		world->disk->mark.flushed = world->disk->mark.committed;
}

void world_put_large(struct world *world)
{
	size_t size = (UNSYNCED_MAX + 100) * PAGE_SIZE;
	unsigned char *value = malloc(size);
	struct model_entry *entry;
	struct kt_txn *txn;
	int err = kt_begin(world->store, KT_WRITE, &txn);

	assert(value != NULL && !err);
	operation_fill(&world->rng, value, size);
	err = kt_put(txn, "large", 5, value, size);
	assert(!err);
	entry = model_edit(&world->now.trees[0], "large", 5);
	model_resize(entry, size);
	memcpy(entry->value, value, size);
	free(value);
	finish(world, txn, 0, true);
}

/* Nothing may be written to a poisoned store, nor is its sync tried again (I6). */
static void try_poisoned(struct world *world)
{
	uint64_t syncs = world->disk->syncs, writes = world->disk->writes;
	struct kt_txn *txn;
	int err = kt_begin(world->store, KT_WRITE, &txn);

	if (err != -EIO)
		world_illegal(world, "a write began after a failed sync");
	if (!err)
		kt_abort(txn);
	if (kt_flush(world->store) == 0)
		world_illegal(world, "a flush succeeded after a failed one");
	if (syncs != world->disk->syncs || writes != world->disk->writes)
		world_illegal(world, "a failed sync was tried again");
	end_reader(world);
	begin_reader(world); /* what the last commit left is there, or is known to be lost */
	world_reopen(world);
}

void world_step(struct world *world)
{
	if (world->poisoned) {
		try_poisoned(world);
		return;
	}
	switch (rng_below(&world->rng, 30)) {
	case 0:
		world_kill(world);
		break;
	case 1:
		world_reopen(world);
		break;
	case 2:
		flush(world);
		break;
	case 3:
	case 4:
		end_reader(world);
		begin_reader(world);
		break;
	case 5:
		end_reader(world);
		break;
	case 6:
	case 7:
	case 8:
		change_snapshots(world);
		break;
	case 9:
		restore(world);
		break;
	case 10:
		compact(world);
		break;
	default:
		transact(world);
		break;
	}
}
