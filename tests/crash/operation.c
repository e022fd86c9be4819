#include "operation.h"

#include "memory.h"

#include <errno.h>
#include <string.h>

#define KEYS 40
#define VALUE_MAX (48 * 1024)

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

void operation_fill(struct rng *rng, unsigned char *bytes, size_t size)
{
	struct rng noise = {.state = rng_next(rng)};

	for (size_t i = 0; i < size; i += 8) {
		uint64_t random = rng_next(&noise);

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

	operation_fill(rng, op->bytes, size);
	memory_enter();
	err = kt_put(op->txn, op->key, op->key_size, op->bytes, size);
	memory_leave();
	if (!err) {
		struct model_entry *entry = edited(op);

		entry->link = 0;
		model_resize(entry, size);
		memcpy(entry->value, op->bytes, size);
	}
	return err;
}

/* Put what the transaction shows of an entry, or a part of it: the bytes lie in a page that the change
 * may move or free. */
static int do_put_view(struct operation *op)
{
	struct rng *rng = &op->world->rng;
	unsigned char from[KT_KEY_MAX];
	size_t from_size = random_key(rng, from), offset, size;
	bool of_itself = rng_below(rng, 2) == 0;
	struct kt_slice view;
	int err;

	err = of_itself ? kt_get(op->txn, op->key, op->key_size, &view)
			: kt_get(op->txn, from, from_size, &view);
	if (err != 0)
		return err == -ENOENT ? 0 : err;
	offset = rng_below(rng, view.size + 1);
	size = rng_below(rng, view.size - offset + 1);
	if (size > VALUE_MAX)
		size = VALUE_MAX;
	if (size > 0)
		memcpy(op->bytes, (const char *)view.data + offset, size);
	memory_enter();
	err = kt_put(op->txn, op->key, op->key_size, (const char *)view.data + offset, size);
	memory_leave();
	if (!err) {
		struct model_entry *entry = edited(op);

		entry->link = 0;
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

	operation_fill(rng, op->bytes, attr_size);
	memory_enter();
	err = kt_put_entry(
		op->txn, op->key, op->key_size, op->bytes, size, op->bytes, attr_size, 4711);
	memory_leave();
	if (!err) {
		struct model_entry *entry = edited(op);

		entry->link = 0;
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
	if (!err)
		model_delete(op->model, op->key, op->key_size);
	return err;
}

static int do_write(struct operation *op)
{
	struct rng *rng = &op->world->rng;
	size_t size = 1 + random_size(rng) / 2;
	size_t offset = rng_below(rng, VALUE_MAX / 2);
	int err;

	operation_fill(rng, op->bytes, size);
	memory_enter();
	err = kt_write(op->txn, op->key, op->key_size, offset, op->bytes, size);
	memory_leave();
	if (!err) {
		struct model_entry *entry = edited(op);

		if (offset + size > entry->size)
			model_resize(entry, offset + size);
		memcpy(entry->value + offset, op->bytes, size);
		model_spread(op->model, entry);
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
	if (!err) {
		struct model_entry *entry = edited(op);

		model_resize(entry, size);
		model_spread(op->model, entry);
	}
	return err == -ENOENT ? 0 : err;
}

static int do_punch(struct operation *op)
{
	size_t size = random_size(&op->world->rng), offset = random_size(&op->world->rng);
	int err;

	memory_enter();
	err = kt_punch(op->txn, op->key, op->key_size, offset, size);
	memory_leave();
	if (!err) {
		struct model_entry *entry = edited(op);

		if (offset > entry->size)
			offset = entry->size;
		if (size > entry->size - offset)
			size = entry->size - offset;
		memset(entry->value + offset, 0, size);
		model_spread(op->model, entry);
	}
	return err == -ENOENT ? 0 : err;
}

static int do_set_attr(struct operation *op)
{
	struct rng *rng = &op->world->rng;
	size_t size = rng_below(rng, 6) == 0 ? 5000 : rng_below(rng, 60);
	int err;

	operation_fill(rng, op->bytes, size);
	memory_enter();
	err = kt_set_attr(op->txn, op->key, op->key_size, op->bytes, size);
	memory_leave();
	if (!err) {
		bool exact;
		size_t at = model_find(op->model, op->key, op->key_size, &exact);

		model_set_attr(&op->model->entries[at], op->bytes, size);
		model_spread(op->model, &op->model->entries[at]);
	}
	return err == -ENOENT ? 0 : err;
}

/* Two keys share an entry, and so do those that did before. */
static int do_link(struct operation *op)
{
	unsigned char to[KT_KEY_MAX];
	size_t size = random_key(&op->world->rng, to), at;
	struct kt_entry_info stat;
	bool exact;
	int err;

	if (op->model != &op->world->now.trees[KT_ENTRIES])
		return 0;
	memory_enter();
	err = kt_link(op->txn, op->key, op->key_size, op->txn, to, size);
	memory_leave();
	if (err != 0)
		return err == -ENOENT || err == -EEXIST ? 0 : err;
	err = kt_stat(op->txn, to, size, &stat);
	if (err != 0)
		return err;
	at = model_find(op->model, op->key, op->key_size, &exact);
	model_link(op->model, &op->model->entries[at], to, size, stat.shared);
	return 0;
}

/* To another key, and now and then to another tree; there an entry of several keys cannot go. */
static int do_move(struct operation *op)
{
	struct world *world = op->world;
	struct model_entry *source, *target;
	unsigned char to[KT_KEY_MAX];
	size_t size = random_key(&world->rng, to);
	size_t same = (size_t)(op->model - world->now.trees);
	size_t tree = rng_below(&world->rng, 4) == 0 ? rng_below(&world->rng, STATE_TREES) : same;
	struct model copy;
	bool exact;
	int err;

	memory_enter();
	err = kt_move(
		op->txn, op->key, op->key_size, kt_tree(op->txn, (enum kt_tree_id)tree), to, size);
	memory_leave();
	if (err != 0)
		return err == -ENOENT || (err == -EMLINK && tree != same) ? 0 : err;
	if (tree == same && size == op->key_size && memcmp(to, op->key, size) == 0)
		return 0;
	copy = model_clone(op->model);
	source = &copy.entries[model_find(&copy, op->key, op->key_size, &exact)];
	model_delete(op->model, op->key, op->key_size);
	target = model_edit(&world->now.trees[tree], to, size);
	model_resize(target, source->size);
	memcpy(target->value, source->value, source->size);
	model_set_attr(target, source->attr, source->attr_size);
	target->mtime_ns = source->mtime_ns;
	target->link = tree == same ? source->link : 0;
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
	if (!err)
		model_fini(op->model);
	return err;
}

/* A number that was never given before. */
static int do_new_id(struct operation *op)
{
	uint64_t *last = &op->world->now.last_id, id;
	int err;

	memory_enter();
	err = kt_new_id(op->txn, &id);
	memory_leave();
	if (err != 0)
		return err;
	if (id <= *last)
		world_illegal(op->world, "an id was given twice");
	*last = id;
	return 0;
}

int operation_random(struct world *world, struct kt_txn *txn)
{
	static int (*const operations[])(struct operation *) = {do_put, do_put, do_put, do_put,
		do_put_view, do_put_entry, do_delete, do_delete, do_write, do_truncate, do_punch,
		do_move, do_new_id, do_set_attr, do_link, do_link};
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
