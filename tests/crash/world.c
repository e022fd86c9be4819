#include "world.h"

#include "judge.h"
#include "memory.h"

#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define KEYS 40
#define VALUE_MAX (48 * 1024)

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

static int engine_open(struct world *world)
{
	struct io *io = disk_handle(world->disk);
	int err;

	memory_enter();
	err = store_open(io, "disk", "world", false, &world->store);
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

static void begin_reader(struct world *world)
{
	int err;

	memory_enter();
	err = kt_begin(world->store, KT_READ, &world->reader);
	memory_leave();
	if (err != 0) {
		world->reader = NULL;
		return;
	}
	world->seen = state_clone(&world->committed);
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
	if (err == 0 && !kill)
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

	assert(err == 0);
	state = history_find(&world->history, txn, &why);
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

	*world = (struct world){.tally = tally, .rng = {seed}, .another_boot = true};
	world->disk = disk_new();
	io = disk_handle(world->disk);
	err = store_format(io);
	assert(err == 0);
	io_close(io);
	disk_settle(world->disk);
	world->disk->mark = (struct disk_mark){1, 1, 1};
	world->disk->watch = watch;
	world->disk->watch_arg = world;
	history_add(&world->history, 1, &world->committed);
	err = engine_open(world);
	assert(err == 0);
}

void world_adopt(struct world *world, struct tally *tally, uint64_t seed, struct disk *disk,
	const struct state *state, uint64_t txn)
{
	int err;

	*world = (struct world){.tally = tally, .rng = {seed}, .another_boot = true};
	world->disk = disk;
	world->committed = state_clone(state);
	world->now = state_clone(state);
	world->disk->mark = (struct disk_mark){txn, txn, txn};
	world->disk->watch = watch;
	world->disk->watch_arg = world;
	history_add(&world->history, txn, state);
	err = engine_open(world);
	assert(err == 0);
}

void world_close(struct world *world)
{
	bool lost;

	engine_close(world, false, &lost);
	history_fini(&world->history);
	state_fini(&world->now);
	state_fini(&world->committed);
	world->disk->watch = NULL;
}

/* ---- operations ------------------------------------------------------------------------------ */

struct operation {
	struct world *world;
	struct kt_txn *txn;  /* the tree's handle */
	struct model *model; /* of the tree */
	unsigned char key[KT_KEY_MAX];
	size_t key_size;
	unsigned char bytes[VALUE_MAX];
};

static size_t random_key(struct rng *rng, unsigned char *key)
{
	size_t number = rng_below(rng, KEYS);
	size_t size = (size_t)sprintf((char *)key, "key/%02zu/%zu", number, number * 7919);

	if (number % 8 != 0)
		return size;
	memset(key + size, 'k', 4000); /* some are long, and alike for long */
	size += number % 16 == 0 ? 300 : 3000;
	key[size - 1] = (unsigned char)number;
	return size;
}

static size_t random_size(struct rng *rng)
{
	switch (rng_below(rng, 16)) {
	case 0:
		return rng_below(rng, VALUE_MAX);
	case 1:
	case 2:
		return rng_below(rng, 9000);
	default:
		return rng_below(rng, 400);
	}
}

static void fill(struct rng *rng, unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i += 8) {
		uint64_t random = rng_next(rng);

		memcpy(bytes + i, &random, size - i < 8 ? size - i : 8);
	}
}

static struct model_entry *edited(struct operation *op)
{
	struct model_entry *entry = model_edit(op->model, op->key, op->key_size);

	entry->mtime_ns = 0;
	return entry;
}

static int do_put(struct operation *op)
{
	struct rng *rng = &op->world->rng;
	size_t size = random_size(rng);
	int err;

	fill(rng, op->bytes, size);
	memory_enter();
	err = kt_put(op->txn, op->key, op->key_size, op->bytes, size);
	memory_leave();
	if (err == 0) {
		struct model_entry *entry = edited(op);

		model_resize(entry, size);
		memcpy(entry->value, op->bytes, size);
	}
	return err;
}

static int do_put_entry(struct operation *op)
{
	struct rng *rng = &op->world->rng;
	size_t size = rng_below(rng, 100);
	size_t attr_size = rng_below(rng, 6) == 0 ? 5000 : rng_below(rng, 60);
	int err;

	fill(rng, op->bytes, attr_size);
	memory_enter();
	err = kt_put_entry(
		op->txn, op->key, op->key_size, op->bytes, size, op->bytes, attr_size, 4711);
	memory_leave();
	if (err == 0) {
		struct model_entry *entry = edited(op);

		model_resize(entry, size);
		memcpy(entry->value, op->bytes, size);
		model_set_attr(entry, op->bytes, attr_size);
		entry->mtime_ns = 4711;
	}
	return err;
}

static int do_delete(struct operation *op)
{
	int err;

	memory_enter();
	err = kt_delete(op->txn, op->key, op->key_size, KT_MISSING_OK);
	memory_leave();
	if (err == 0)
		model_delete(op->model, op->key, op->key_size);
	return err;
}

static int do_write(struct operation *op)
{
	struct rng *rng = &op->world->rng;
	size_t size = 1 + random_size(rng) / 2;
	size_t offset = rng_below(rng, VALUE_MAX / 2);
	int err;

	fill(rng, op->bytes, size);
	memory_enter();
	err = kt_write(op->txn, op->key, op->key_size, offset, op->bytes, size);
	memory_leave();
	if (err == 0) {
		struct model_entry *entry = edited(op);

		if (offset + size > entry->size)
			model_resize(entry, offset + size);
		memcpy(entry->value + offset, op->bytes, size);
	}
	return err;
}

static int do_truncate(struct operation *op)
{
	size_t size = random_size(&op->world->rng);
	int err;

	memory_enter();
	err = kt_truncate(op->txn, op->key, op->key_size, size);
	memory_leave();
	if (err == 0)
		model_resize(edited(op), size);
	return err == -ENOENT ? 0 : err;
}

static int do_punch(struct operation *op)
{
	size_t size = random_size(&op->world->rng), offset = random_size(&op->world->rng);
	int err;

	memory_enter();
	err = kt_punch(op->txn, op->key, op->key_size, offset, size);
	memory_leave();
	if (err == 0) {
		struct model_entry *entry = edited(op);

		if (offset > entry->size)
			offset = entry->size;
		if (size > entry->size - offset)
			size = entry->size - offset;
		memset(entry->value + offset, 0, size);
	}
	return err == -ENOENT ? 0 : err;
}

static int do_move(struct operation *op)
{
	struct model_entry *source, *target;
	unsigned char to[KT_KEY_MAX];
	size_t size = random_key(&op->world->rng, to);
	struct model copy;
	bool exact;
	int err;

	memory_enter();
	err = kt_move(op->txn, op->key, op->key_size, op->txn, to, size);
	memory_leave();
	if (err != 0)
		return err == -ENOENT ? 0 : err;
	if (size == op->key_size && memcmp(to, op->key, size) == 0)
		return 0;
	copy = model_clone(op->model);
	source = &copy.entries[model_find(&copy, op->key, op->key_size, &exact)];
	model_delete(op->model, op->key, op->key_size);
	target = model_edit(op->model, to, size);
	model_resize(target, source->size);
	memcpy(target->value, source->value, source->size);
	model_set_attr(target, source->attr, source->attr_size);
	target->mtime_ns = source->mtime_ns;
	model_fini(&copy);
	return 0;
}

/* The tree's pages are given back in later transactions, step by step. */
static int do_clear(struct operation *op)
{
	int err;

	memory_enter();
	err = kt_clear(op->txn);
	memory_leave();
	if (err == 0)
		model_fini(op->model);
	return err;
}

static int random_operation(struct world *world, struct kt_txn *txn)
{
	static int (*const operations[])(struct operation *) = {do_put, do_put, do_put, do_put,
		do_put_entry, do_delete, do_delete, do_write, do_truncate, do_punch, do_move};
	static struct operation op;
	size_t tree = rng_below(&world->rng, 8) == 0 ? 1 + rng_below(&world->rng, 2) : 0;

	op.world = world;
	op.txn = kt_tree(txn, (enum kt_tree_id)tree);
	op.model = &world->now.trees[tree];
	op.key_size = random_key(&world->rng, op.key);
	if (rng_below(&world->rng, 60) == 0)
		return do_clear(&op);
	return operations[rng_below(&world->rng, sizeof(operations) / sizeof(operations[0]))](&op);
}

/* ---- transactions ---------------------------------------------------------------------------- */

static void roll_back(struct world *world)
{
	state_fini(&world->now);
	world->now = state_clone(&world->committed);
}

/* An error that nobody ordered may not be. */
static void look_at_error(struct world *world, int err, const char *call)
{
	if (!world->faulty)
		world_illegal(world, "%s failed: %s", call, kt_strerror(world->store, err));
	/* A failed sync has poisoned the store (I6); another error has not. */
	world->poisoned = atomic_load(&world->store->poisoned) != 0;
	if (world->poisoned)
		world->wiped = world->disk->generation;
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
	if (failed != 0 && err == 0)
		world_illegal(world, "a transaction that had failed was committed");
	if (err != 0) {
		if (failed == 0)
			look_at_error(world, err, "kt_commit");
		if (!world->poisoned)
			history_drop(&world->history);
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
	for (; err == 0 && count > 0; count--)
		err = random_operation(world, txn);
	if (err != 0)
		look_at_error(world, err, "a change");
	if (err == 0 && rng_below(&world->rng, 10) == 0) {
		kt_abort(txn);
		roll_back(world);
		return;
	}
	finish(world, txn, err, rng_below(&world->rng, 3) == 0);
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
	size_t size = (WRITTEN_MAX + 100) * PAGE_SIZE;
	unsigned char *value = malloc(size);
	struct model_entry *entry;
	struct kt_txn *txn;
	int err = kt_begin(world->store, KT_WRITE, &txn);

	assert(value != NULL && err == 0);
	fill(&world->rng, value, size);
	err = kt_put(txn, "large", 5, value, size);
	assert(err == 0);
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
	if (err == 0)
		kt_abort(txn);
	if (kt_flush(world->store) == 0)
		world_illegal(world, "a flush succeeded after a failed one");
	if (syncs != world->disk->syncs || writes != world->disk->writes)
		world_illegal(world, "a failed sync was tried again");
	world_reopen(world);
}

void world_step(struct world *world)
{
	if (world->poisoned) {
		try_poisoned(world);
		return;
	}
	switch (rng_below(&world->rng, 24)) {
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
	default:
		transact(world);
		break;
	}
}
