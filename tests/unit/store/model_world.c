#include "tests/unit/store/model_world.h"

#include "tests/unit/model.h"
#include "tests/unit/rng.h"
#include "tests/unit/temp.h"

#include "keytree_fs.h"

#include "store/share/handle.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Pages that a transaction may have in memory in half of the runs: views of it go to the file. */
#define SPILL_PAGES 8

int model_setup(void **state)
{
	struct model_world *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/keytree-model-XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/a.kt", f->dir);
	*state = f;
	return 0;
}

/* Forget savepoints, but for so many of the outermost. */
static void forget_savepoints(struct model_world *f, size_t keep)
{
	while (f->savepoint_count > keep)
		model_fini(&f->savepoints[--f->savepoint_count].model);
}

int model_teardown(void **state)
{
	struct model_world *f = *state;

	kt_abort(f->txn);
	kt_close(f->store);
	model_fini(&f->committed);
	model_fini(&f->now);
	forget_savepoints(f, 0);
	for (size_t i = 0; i < 5; i++)
		model_fini(&f->snapshots[i].model);
	temp_remove_dir(f->dir);
	free(f);
	return 0;
}

void model_fill(struct rng *rng, unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)rng_next(rng);
}

/* Keys that meet often, share long prefixes, and are sometimes very long. */
static size_t random_key(struct rng *rng, unsigned char key[KT_KEY_MAX])
{
	static const char letters[] = "ab/\0\xff";
	size_t size = 0;

	switch (rng_below(rng, 8)) {
	case 0:
	case 1:
		return (size_t)sprintf(
			(char *)key, "user/%04zu/%08zu", rng_below(rng, 40), rng_below(rng, 20));
	case 2:
		size = 200 + rng_below(rng, 500);
		memset(key, 'p', size);
		break;
	case 3:
		size = rng_below(rng, 4) == 0 ? 4000 : 300;
		memset(key, 'q', size);
		break;
	default:
		break;
	}
	for (size_t more = rng_below(rng, 6); more > 0; more--)
		key[size++] = (unsigned char)letters[rng_below(rng, 5)];
	return size;
}

static size_t random_size(struct rng *rng)
{
	switch (rng_below(rng, 20)) {
	case 0:
		return rng_below(rng, 900000);
	case 1:
	case 2:
		return rng_below(rng, 70000);
	case 3:
	case 4:
	case 5:
		return rng_below(rng, 5000);
	default:
		return rng_below(rng, 300);
	}
}

/* A key that exists, mostly. */
static size_t known_key(struct model_world *f, unsigned char key[KT_KEY_MAX])
{
	const struct model_entry *entry;

	if (f->now.count == 0 || rng_below(&f->rng, 10) == 0)
		return random_key(&f->rng, key);
	entry = &f->now.entries[rng_below(&f->rng, f->now.count)];
	if (entry->key_size > 0)
		memcpy(key, entry->key, entry->key_size);
	return entry->key_size;
}

static bool in_model(struct model_world *f, const void *key, size_t size)
{
	bool exact;

	model_find(&f->now, key, size, &exact);
	return exact;
}

static void do_put(struct model_world *f)
{
	unsigned char key[KT_KEY_MAX];
	size_t key_size = rng_below(&f->rng, 2) ? random_key(&f->rng, key) : known_key(f, key);
	size_t size = random_size(&f->rng);
	unsigned char *value = malloc(size + 1);
	struct model_entry *entry = model_edit(&f->now, key, key_size);

	model_fill(&f->rng, value, size);
	if (rng_below(&f->rng, 3) == 0) {
		unsigned char attr[6000];
		size_t attr_size = rng_below(&f->rng, rng_below(&f->rng, 4) ? 60 : 6000);
		int64_t mtime = (int64_t)rng_next(&f->rng) | 1;

		model_fill(&f->rng, attr, attr_size);
		assert_int_equal(
			kt_put_entry(f->txn, key, key_size, value, size, attr, attr_size, mtime),
			0);
		model_set_attr(entry, attr, attr_size);
		entry->mtime_ns = mtime;
	} else {
		assert_int_equal(kt_put(f->txn, key, key_size, value, size), 0);
		entry->mtime_ns = 0;
	}
	model_resize(entry, size);
	memcpy(entry->value, value, size);
	free(value);
}

void model_do_delete(struct model_world *f)
{
	unsigned char key[KT_KEY_MAX];
	size_t size = known_key(f, key);
	int err = kt_delete(f->txn, key, size, 0);

	assert_int_equal(err, model_delete(&f->now, key, size) ? 0 : -ENOENT);
}

static void do_write(struct model_world *f)
{
	unsigned char key[KT_KEY_MAX];
	size_t key_size = known_key(f, key);
	struct model_entry *entry = model_edit(&f->now, key, key_size);
	size_t offset =
		rng_below(&f->rng, entry->size + 1 + (rng_below(&f->rng, 8) == 0 ? 100000 : 0));
	size_t size = rng_below(&f->rng, rng_below(&f->rng, 4) ? 2000 : 60000);
	unsigned char *data = malloc(size + 1);

	model_fill(&f->rng, data, size);
	assert_int_equal(kt_write(f->txn, key, key_size, offset, data, size), 0);
	if (size > 0 && offset + size > entry->size)
		model_resize(entry, offset + size);
	if (size > 0)
		memcpy(entry->value + offset, data, size);
	entry->mtime_ns = 0;
	free(data);
}

static void do_truncate(struct model_world *f)
{
	unsigned char key[KT_KEY_MAX];
	size_t key_size = known_key(f, key);
	size_t size = random_size(&f->rng);
	bool exists = in_model(f, key, key_size);

	assert_int_equal(kt_truncate(f->txn, key, key_size, size), exists ? 0 : -ENOENT);
	if (exists) {
		model_resize(model_edit(&f->now, key, key_size), size);
		model_edit(&f->now, key, key_size)->mtime_ns = 0;
	}
}

static void do_punch(struct model_world *f)
{
	unsigned char key[KT_KEY_MAX];
	size_t key_size = known_key(f, key);
	bool exists = in_model(f, key, key_size);
	size_t offset = 0, size = rng_below(&f->rng, 30000);
	struct model_entry *entry;

	if (exists)
		offset = rng_below(&f->rng, model_edit(&f->now, key, key_size)->size + 1);
	assert_int_equal(kt_punch(f->txn, key, key_size, offset, size), exists ? 0 : -ENOENT);
	if (!exists)
		return;
	entry = model_edit(&f->now, key, key_size);
	entry->mtime_ns = 0;
	if (size > entry->size - offset)
		size = entry->size - offset;
	memset(entry->value + offset, 0, size);
}

static void do_attr(struct model_world *f)
{
	unsigned char key[KT_KEY_MAX], attr[6000];
	size_t key_size = known_key(f, key);
	size_t size = rng_below(&f->rng, rng_below(&f->rng, 4) ? 300 : 6000);
	bool exists = in_model(f, key, key_size);

	model_fill(&f->rng, attr, size);
	assert_int_equal(kt_set_attr(f->txn, key, key_size, attr, size), exists ? 0 : -ENOENT);
	if (exists)
		model_set_attr(model_edit(&f->now, key, key_size), attr, size);
	assert_int_equal(kt_set_mtime(f->txn, key, key_size, 77), exists ? 0 : -ENOENT);
	if (exists)
		model_edit(&f->now, key, key_size)->mtime_ns = 77;
}

/* An entry that exists goes to another key. */
static void move_in_model(struct model_world *f, const unsigned char *from, size_t from_size,
	const unsigned char *to, size_t to_size)
{
	struct model copy;
	struct model_entry *source, *target;

	if (from_size == to_size && memcmp(from, to, to_size) == 0)
		return;
	copy = model_clone(&f->now);
	source = model_edit(&copy, from, from_size);
	model_delete(&f->now, from, from_size);
	target = model_edit(&f->now, to, to_size);
	model_resize(target, source->size);
	memcpy(target->value, source->value, source->size);
	model_set_attr(target, source->attr, source->attr_size);
	target->mtime_ns = source->mtime_ns;
	model_fini(&copy);
}

static void do_move(struct model_world *f)
{
	unsigned char from[KT_KEY_MAX], to[KT_KEY_MAX];
	size_t from_size = known_key(f, from), to_size = known_key(f, to);
	bool exists = in_model(f, from, from_size);

	assert_int_equal(
		kt_move(f->txn, from, from_size, f->txn, to, to_size), exists ? 0 : -ENOENT);
	if (exists)
		move_in_model(f, from, from_size, to, to_size);
}

/* A view of a part of an entry, of its value or attributes.
 * @param copy  what it shows */
static bool take_view(
	struct model_world *f, size_t most, struct kt_slice *view, unsigned char *copy)
{
	const struct model_entry *entry;
	struct kt_entry_info info;
	size_t skip;

	if (f->now.count == 0)
		return false;
	entry = &f->now.entries[rng_below(&f->rng, f->now.count)];
	if (rng_below(&f->rng, 3) == 0) {
		assert_int_equal(kt_stat(f->txn, entry->key, entry->key_size, &info), 0);
		*view = info.attr;
	} else {
		assert_int_equal(kt_get(f->txn, entry->key, entry->key_size, view), 0);
	}
	skip = rng_below(&f->rng, view->size + 1);
	if (skip > 0)
		view->data = (const char *)view->data + skip;
	view->size = view->size - skip < most ? view->size - skip : most;
	if (view->size > 0)
		memcpy(copy, view->data, view->size);
	return true;
}

/* Move the entry of a key to a key that is a view. */
static void do_move_to_view(struct model_world *f)
{
	unsigned char key[KT_KEY_MAX], copy[KT_KEY_MAX];
	size_t size = known_key(f, key);
	struct kt_slice view;

	if (!in_model(f, key, size) || !take_view(f, KT_KEY_MAX, &view, copy))
		return;
	assert_int_equal(kt_move(f->txn, key, size, f->txn, view.data, view.size), 0);
	move_in_model(f, key, size, copy, view.size);
}

/* Change an entry with a view of an entry of the same transaction, perhaps its own. */
static void do_view(struct model_world *f)
{
	enum { MOST = 300000 };
	static unsigned char copy[MOST];
	unsigned char key[KT_KEY_MAX];
	size_t key_size = known_key(f, key), offset;
	struct model_entry *entry;
	struct kt_slice view;

	if (!take_view(f, MOST, &view, copy))
		return;
	entry = model_edit(&f->now, key, key_size);
	if (rng_below(&f->rng, 2) == 0) {
		assert_int_equal(kt_put(f->txn, key, key_size, view.data, view.size), 0);
		model_resize(entry, view.size);
		memcpy(entry->value, copy, view.size);
	} else {
		offset = rng_below(&f->rng, entry->size + 1);
		assert_int_equal(kt_write(f->txn, key, key_size, offset, view.data, view.size), 0);
		if (offset + view.size > entry->size)
			model_resize(entry, offset + view.size);
		memcpy(entry->value + offset, copy, view.size);
	}
	entry->mtime_ns = 0;
	if (!take_view(f, 6000, &view, copy))
		return;
	assert_int_equal(kt_set_attr(f->txn, key, key_size, view.data, view.size), 0);
	model_set_attr(entry, copy, view.size);
}

static void do_rollback(struct model_world *f, size_t i)
{
	assert_int_equal(kt_rollback_to(f->txn, f->savepoints[i].number), 0);
	forget_savepoints(f, i + 1);
	model_fini(&f->now);
	f->now = model_clone(&f->savepoints[i].model);
	if (rng_below(&f->rng, 4) == 0)
		model_assert_equal(&f->now, f->txn);
}

/* Open a savepoint, go back to one, or release one. */
static void do_savepoint(struct model_world *f)
{
	size_t count = f->savepoint_count, i;

	if (count == 0 || (count < 4 && rng_below(&f->rng, 2) == 0)) {
		assert_int_equal(kt_savepoint(f->txn, &f->savepoints[count].number), 0);
		f->savepoints[count].model = model_clone(&f->now);
		f->savepoint_count++;
		return;
	}
	i = rng_below(&f->rng, count);
	if (rng_below(&f->rng, 3) > 0) {
		do_rollback(f, i);
		return;
	}
	assert_int_equal(kt_release(f->txn, f->savepoints[i].number), 0);
	forget_savepoints(f, i);
}

/* Seldom, and mostly before the transaction changed anything. */
static void do_clear(struct model_world *f)
{
	if (rng_below(&f->rng, 12) != 0)
		return;
	assert_int_equal(kt_clear(f->txn), 0);
	model_fini(&f->now);
}

static void do_seek(struct model_world *f)
{
	unsigned char key[KT_KEY_MAX];
	size_t size = known_key(f, key);
	bool exact;
	size_t at = model_find(&f->now, key, size, &exact);
	struct kt_cursor *cursor;
	int err;

	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	err = kt_cursor_seek(cursor, key, size);
	assert_int_equal(err, at < f->now.count ? 0 : -ENOENT);
	if (!err) {
		struct kt_slice found = kt_cursor_key(cursor);

		assert_int_equal(found.size, f->now.entries[at].key_size);
		assert_memory_equal(found.data, f->now.entries[at].key, found.size);
	}
	kt_cursor_close(cursor);
}

void model_open_store(struct model_world *f)
{
	if (f->memory)
		assert_int_equal(kt_open_memory("model", &f->store), 0);
	else
		assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_CREATE), &f->store), 0);
	if (rng_below(&f->rng, 2) == 0)
		f->store->spill_pages = SPILL_PAGES;
}

static void print_finding(void *arg, uint64_t page, const char *message)
{
	(void)arg;
	print_error("check: page %llu: %s\n", (unsigned long long)page, message);
}

void model_assert_sound(struct kt_store *store)
{
	uint64_t findings;

	assert_int_equal(kt_check(store, print_finding, NULL, &findings), 0);
	assert_int_equal(findings, 0);
}

void model_run_transaction(struct model_world *f, bool large)
{
	static void (*const operations[])(struct model_world *) = {do_put, do_put, do_put, do_put,
		model_do_delete, do_write, do_write, do_truncate, do_punch, do_attr, do_move,
		do_seek, do_view, do_view, do_move_to_view, do_clear, do_savepoint, do_savepoint};
	size_t count = rng_below(&f->rng, large ? 400 : 12);

	assert_int_equal(kt_begin(f->store, KT_WRITE, &f->txn), 0);
	if (rng_below(&f->rng, 4) == 0)
		do_clear(f);
	for (size_t i = 0; i < count; i++)
		operations[rng_below(&f->rng, sizeof(operations) / sizeof(operations[0]))](f);
	if (rng_below(&f->rng, 10) == 0)
		model_assert_equal(&f->now, f->txn);
	if (rng_below(&f->rng, 6) == 0) {
		kt_abort(f->txn);
		model_fini(&f->now);
		f->now = model_clone(&f->committed);
	} else {
		assert_int_equal(kt_commit(f->txn, rng_below(&f->rng, 3) == 0 ? KT_FLUSH : 0), 0);
		model_fini(&f->committed);
		f->committed = model_clone(&f->now);
	}
	f->txn = NULL;
	forget_savepoints(f, 0);
}
