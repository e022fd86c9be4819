/* Cursors against a sorted array: every call, within every kind of bounds, over many leaves. */
#include "tests/unit/fixture.h"
#include "tests/unit/model.h"
#include "tests/unit/rng.h"

#include "keytree.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEYS 3000
#define WALKS 200
#define STEPS 120

enum place { BEFORE, ON, AFTER };

/* A cursor, and where the model has it. */
struct walk {
	struct rng rng;
	struct model model;
	struct kt_txn *txn;
	struct kt_cursor *cursor;
	size_t low_size, high_size;
	unsigned char low[KT_KEY_MAX], high[KT_KEY_MAX];
	bool bounded_low, bounded_high;
	enum place place;
	size_t key_size; /* ON: of the key it stands on, which may be gone */
	unsigned char key[KT_KEY_MAX];
};

/* Paths in groups, some with a tail that is too long for a node. */
static size_t random_key(struct rng *rng, unsigned char key[KT_KEY_MAX])
{
	size_t size = (size_t)sprintf(
		(char *)key, "%03zu/%04zu", rng_below(rng, 60), rng_below(rng, 400));
	size_t tail = rng_below(rng, 40) == 0 ? 300 + rng_below(rng, 300) : 0;

	if (rng_below(rng, 20) == 0)
		size = rng_below(rng, size);
	memset(key + size, 't', tail);
	return size + tail;
}

static void put(struct walk *w)
{
	static const unsigned char bytes[6000] = "bytes";
	unsigned char key[KT_KEY_MAX];
	size_t key_size = random_key(&w->rng, key);
	size_t size = rng_below(&w->rng, rng_below(&w->rng, 30) != 0 ? 120 : sizeof(bytes));
	size_t attr_size = rng_below(&w->rng, 10) == 0 ? rng_below(&w->rng, 400) : 0;
	struct model_entry *entry = model_edit(&w->model, key, key_size);

	assert_int_equal(kt_put_entry(w->txn, key, key_size, bytes, size, bytes, attr_size, 1), 0);
	model_resize(entry, size);
	memcpy(entry->value, bytes, size);
}

static void take(struct walk *w)
{
	unsigned char key[KT_KEY_MAX];
	size_t key_size = random_key(&w->rng, key);
	bool there = model_delete(&w->model, key, key_size);

	assert_int_equal(kt_delete(w->txn, key, key_size, 0), there ? 0 : -ENOENT);
}

/* ---- what the model says --------------------------------------------------------------------- */

/* Indexes of the model that are within the bounds: [first, end). */
static size_t first_of(const struct walk *w)
{
	bool exact;

	return w->bounded_low ? model_find(&w->model, w->low, w->low_size, &exact) : 0;
}

static size_t end_of(const struct walk *w)
{
	size_t first = first_of(w), end = w->model.count;
	bool exact;

	if (w->bounded_high)
		end = model_find(&w->model, w->high, w->high_size, &exact);
	return end > first ? end : first;
}

/* The cursor went to an index of the model, or beside the range: does it stand there? */
static void assert_at(struct walk *w, int err, size_t at, enum place beside)
{
	const struct model_entry *entry;
	struct kt_slice key, value;

	w->place = at >= first_of(w) && at < end_of(w) ? ON : beside;
	assert_int_equal(err, w->place == ON ? 0 : -ENOENT);
	if (w->place != ON)
		return;
	entry = &w->model.entries[at];
	key = kt_cursor_key(w->cursor);
	assert_int_equal(key.size, entry->key_size);
	assert_memory_equal(key.data, entry->key, key.size);
	assert_int_equal(kt_cursor_value(w->cursor, &value), 0);
	assert_int_equal(value.size, entry->size);
	if (value.size > 0)
		assert_memory_equal(value.data, entry->value, value.size);
	w->key_size = key.size;
	memcpy(w->key, key.data, key.size);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void first(struct walk *w)
{
	assert_at(w, kt_cursor_first(w->cursor), first_of(w), AFTER);
}

static void last(struct walk *w)
{
	size_t end = end_of(w);

	assert_at(w, kt_cursor_last(w->cursor), end > first_of(w) ? end - 1 : SIZE_MAX, BEFORE);
}

static void next(struct walk *w)
{
	bool exact;
	size_t at = first_of(w);

	if (w->place == AFTER)
		at = end_of(w);
	else if (w->place == ON)
		at = model_find(&w->model, w->key, w->key_size, &exact) + exact;
	assert_at(w, kt_cursor_next(w->cursor), at, AFTER);
}

static void prev(struct walk *w)
{
	bool exact;
	size_t at = end_of(w) > first_of(w) ? end_of(w) : 0;

	if (w->place == BEFORE)
		at = 0;
	else if (w->place == ON)
		at = model_find(&w->model, w->key, w->key_size, &exact);
	assert_at(w, kt_cursor_prev(w->cursor), at - 1, BEFORE); /* 0 - 1 is behind all */
}

static void seek(struct walk *w)
{
	unsigned char key[KT_KEY_MAX];
	size_t size = random_key(&w->rng, key);
	bool exact;
	size_t at = model_find(&w->model, key, size, &exact);

	at = at > first_of(w) ? at : first_of(w);
	assert_at(w, kt_cursor_seek(w->cursor, key, size), at, AFTER);
}

/* Bounds of some kind: on either side, both, or none; also empty ranges. */
static void set_bounds(struct walk *w)
{
	w->bounded_low = rng_below(&w->rng, 2) == 0;
	w->bounded_high = rng_below(&w->rng, 2) == 0;
	w->low_size = random_key(&w->rng, w->low);
	w->high_size = random_key(&w->rng, w->high);
	assert_int_equal(kt_cursor_set_range(w->cursor, w->bounded_low ? w->low : NULL, w->low_size,
				 w->bounded_high ? w->high : NULL, w->high_size),
		0);
}

static void walk(struct walk *w, bool changing)
{
	static void (*const ways[])(struct walk *) = {first, last, seek, next, prev};

	assert_int_equal(kt_cursor_open(w->txn, &w->cursor), 0);
	set_bounds(w);
	seek(w);
	for (unsigned i = 0; i < STEPS; i++) {
		size_t way = rng_below(&w->rng, 5);

		for (size_t n = way < 3 ? 1 : rng_below(&w->rng, 60); n > 0; n--)
			ways[way](w);
		if (changing && rng_below(&w->rng, 4) == 0)
			put(w);
		if (changing && rng_below(&w->rng, 4) == 0)
			take(w);
	}
	kt_cursor_close(w->cursor);
}

/* A cursor shows what the array has, while it reads and while the transaction changes the tree. */
static void walks(void **state)
{
	struct fixture *f = *state;
	struct walk *w = calloc(1, sizeof(*w));

	w->rng = rng_seed("cursor");
	assert_int_equal(kt_begin(f->store, KT_WRITE, &w->txn), 0);
	for (unsigned i = 0; i < KEYS; i++)
		put(w);
	assert_int_equal(kt_commit(w->txn, 0), 0);
	for (unsigned i = 0; i < rng_cases(WALKS); i++) {
		bool changing = i % 4 == 3;

		assert_int_equal(kt_begin(f->store, changing ? KT_WRITE : KT_READ, &w->txn), 0);
		walk(w, changing);
		assert_int_equal(kt_commit(w->txn, 0), 0);
	}
	model_fini(&w->model);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {FIXTURE_BOTH(walks)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
