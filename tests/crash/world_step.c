/* What a world does at random: transactions, snapshots, compaction, flushes, kills. */
#include "world_internal.h"

#include "judge.h"
#include "memory.h"
#include "operation.h"

#include "store/share/current.h"
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
		world_look_at_error(world, err, call);
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
		world_look_at_error(world, err, "kt_begin");
		return;
	}
	for (; !err && count > 0; count--)
		err = operation_random(world, txn);
	if (err != 0)
		world_look_at_error(world, err, "a change");
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
		world_begin_reader(world);
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
		world_look_at_error(world, err, "kt_flush");
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
	world_end_reader(world);
	world_begin_reader(world); /* what the last commit left is there, or is known to be lost */
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
		world_end_reader(world);
		world_begin_reader(world);
		break;
	case 5:
		world_end_reader(world);
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
