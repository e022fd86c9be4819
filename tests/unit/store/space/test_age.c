/* Ageing: a store that is rewritten for many times its size keeps its size, its long runs of free
 * pages, and the price of a commit.
 *
 *     test_age          some times the size of a small store, with hard limits
 *     test_age --long   many times that of a larger one, with times
 *
 * The store lies in memory, or, with --long, in a file that is flushed.
 */
#include "tests/unit/rng.h"
#include "store/space/space_internal.h"
#include "store/share/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define VALUE_MAX 100000
#define FLUSH_EACH 10 /* commits */

static struct {
	uint64_t file_pages; /* of the store at the start */
	unsigned rewrites;   /* of all of it */
	bool file;
} scale = {4096, 8, false};

struct age {
	struct kt_store *store;
	struct rng rng;
	uint32_t *keys; /* that are there */
	size_t count, capacity;
	uint32_t next;
	uint64_t *times; /* of commits, ns */
	size_t time_count;
	uint64_t written; /* bytes of values */
	char path[64];
};

static uint8_t bytes[VALUE_MAX];

/* Most values are small, most bytes are in large ones. */
static size_t random_size(struct age *age)
{
	switch (rng_below(&age->rng, 5)) {
	case 0:
	case 1:
		return rng_below(&age->rng, 1000);
	case 2:
	case 3:
		return rng_below(&age->rng, 16000);
	default:
		return rng_below(&age->rng, VALUE_MAX);
	}
}

static uint64_t stored_pages(struct age *age)
{
	struct kt_store_info info;

	assert_int_equal(kt_info(age->store, &info), 0);
	return info.pages - info.free_pages - info.pending_pages;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- what is done ---------------------------------------------------------------------------- */

static void put(struct age *age, struct kt_txn *txn, uint32_t key)
{
	size_t size = random_size(age);

	assert_int_equal(kt_put(txn, &key, sizeof(key), bytes, size), 0);
	age->written += size;
}

static void add(struct age *age, struct kt_txn *txn)
{
	uint32_t key = (uint32_t)rng_next(&age->rng);
	bool there;

	assert_int_equal(kt_contains(txn, &key, sizeof(key), &there), 0);
	put(age, txn, key);
	if (there)
		return;
	if (age->count == age->capacity) {
		age->capacity = age->capacity * 2 + 1024;
		age->keys = realloc(age->keys, age->capacity * sizeof(*age->keys));
		assert_non_null(age->keys);
	}
	age->keys[age->count++] = key;
}

static void drop(struct age *age, struct kt_txn *txn)
{
	size_t index = rng_below(&age->rng, age->count);

	assert_int_equal(kt_delete(txn, &age->keys[index], sizeof(uint32_t), 0), 0);
	age->keys[index] = age->keys[--age->count];
}

static void commit(struct age *age, struct kt_txn *txn)
{
	uint64_t begin = now_ns();
	size_t number = age->time_count++;

	assert_int_equal(kt_commit(txn, number % FLUSH_EACH == 0 ? KT_FLUSH : 0), 0);
	if (age->time_count % 4096 == 1) {
		age->times = realloc(age->times, (age->time_count + 4096) * sizeof(*age->times));
		assert_non_null(age->times);
	}
	age->times[number] = now_ns() - begin;
}

/* Fill the file, then delete what is too much, so that the free pages are scattered. */
static void prepare(struct age *age, unsigned fill)
{
	struct kt_txn *txn;

	while (stored_pages(age) < scale.file_pages) {
		assert_int_equal(kt_begin(age->store, KT_WRITE, &txn), 0);
		for (unsigned i = 0; i < 20; i++)
			add(age, txn);
		commit(age, txn);
	}
	while (stored_pages(age) > scale.file_pages * fill / 100) {
		assert_int_equal(kt_begin(age->store, KT_WRITE, &txn), 0);
		for (unsigned i = 0; i < 10; i++)
			drop(age, txn);
		commit(age, txn);
	}
	age->written = 0;
	age->time_count = 0;
}

/* Rewrite values, and add and delete entries, so that as much is stored as before. */
static void rewrite(struct age *age, uint64_t stored, uint64_t written)
{
	written += age->written;
	while (age->written < written) {
		bool less = stored_pages(age) > stored;
		struct kt_txn *txn;

		assert_int_equal(kt_begin(age->store, KT_WRITE, &txn), 0);
		for (size_t n = 1 + rng_below(&age->rng, 4); n > 0; n--)
			put(age, txn, age->keys[rng_below(&age->rng, age->count)]);
		drop(age, txn);
		if (!less) {
			add(age, txn);
			add(age, txn);
		}
		commit(age, txn);
	}
}

/* ---- what comes of it ------------------------------------------------------------------------ */

struct state {
	uint64_t pages;		     /* of the file */
	double free_run;	     /* pages of a run of free ones, on average */
	double whole;		     /* share of values outside the leaves that lie in one piece */
	double looked_at;	     /* by a commit: words and summaries */
	double log_bytes;	     /* of a commit */
	double median, ninety_ninth; /* us of a commit */
};

struct runs_seen {
	uint64_t runs, pages, end;
};

static int see_run(void *arg, struct run run, bool pending)
{
	struct runs_seen *seen = arg;

	if (pending)
		return 0;
	seen->runs += run.start != seen->end;
	seen->pages += run.count;
	seen->end = run.start + run.count;
	return 0;
}

static double whole_share(struct age *age)
{
	const uint8_t *map = age->store->map;
	uint64_t count = 0, whole = 0;
	struct kt_cursor *cursor;
	struct kt_slice value;
	struct kt_txn *txn;

	assert_int_equal(kt_begin(age->store, KT_READ, &txn), 0);
	assert_int_equal(kt_cursor_open(txn, &cursor), 0);
	while (kt_cursor_next(cursor) == 0) {
		assert_int_equal(kt_cursor_value(cursor, &value), 0);
		if (value.size <= INLINE_MAX)
			continue;
		count++;
		whole += (const uint8_t *)value.data >= map &&
			 (const uint8_t *)value.data < map + age->store->map_pages * PAGE_SIZE;
	}
	kt_cursor_close(cursor);
	kt_abort(txn);
	return (double)whole / (double)count;
}

static int by_time(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Age for a while, and say what it was like. */
static struct state observe(struct age *age, uint64_t stored, uint64_t written)
{
	struct space *space = age->store->space;
	uint64_t looked_at = space->map.looked_at, log = space->log.end.head_seq;
	size_t first = age->time_count, count;
	struct runs_seen seen = {0};
	struct state state;

	rewrite(age, stored, written);
	count = age->time_count - first;
	space_each(space, see_run, &seen);
	qsort(age->times + first, count, sizeof(*age->times), by_time);
	state = (struct state){
		.pages = space_page_count(space),
		.free_run = (double)seen.pages / (double)(seen.runs > 0 ? seen.runs : 1),
		.whole = whole_share(age),
		.looked_at = (double)(space->map.looked_at - looked_at) / (double)count,
		.log_bytes = (double)(space->log.end.head_seq - log) * LOG_PAYLOAD / (double)count,
		.median = (double)age->times[first + count / 2] / 1000,
		.ninety_ninth = (double)age->times[first + count * 99 / 100] / 1000,
	};
	return state;
}

static void print_state(const char *when, const struct state *state, uint64_t pages)
{
	print_message(
		"  %-6s file %.3f, free runs of %5.1f pages, %5.1f %% of values whole, a commit "
		"looks at %4.0f words, logs %4.0f bytes, %5.0f us, p99 %6.0f us\n",
		when, (double)state->pages / (double)pages, state->free_run, 100 * state->whole,
		state->looked_at, state->log_bytes, state->median, state->ninety_ninth);
}

static void age_at(unsigned fill, double growth_most, double whole_least)
{
	struct age age = {.rng = rng_seed("test_age")};
	uint64_t stored, pages, step;
	struct state early, late;
	uint64_t findings;

	if (scale.file) {
		snprintf(age.path, sizeof(age.path), "/tmp/keytree-age-%d.kt", (int)getpid());
		assert_int_equal(kt_open(age.path, KT_OPTIONS(.flags = KT_CREATE | KT_EXCLUSIVE),
					 &age.store),
			0);
	} else {
		assert_int_equal(kt_open_memory("age", &age.store), 0);
	}
	prepare(&age, fill);
	stored = stored_pages(&age);
	pages = space_page_count(age.store->space);
	step = stored * PAGE_SIZE * scale.rewrites / 4;
	print_message("%u %% of %llu pages in use, rewritten %u times\n", fill,
		(unsigned long long)pages, scale.rewrites);
	early = observe(&age, stored, step);
	print_state("early", &early, pages);
	rewrite(&age, stored, 2 * step);
	late = observe(&age, stored, step);
	print_state("late", &late, pages);
	assert_int_equal(kt_check(age.store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 0);
	assert_true((double)late.pages <= growth_most * (double)pages);
	assert_true(late.whole >= whole_least);
	assert_true(late.looked_at <= 2 * early.looked_at + 200);
	assert_true(late.log_bytes <= 2 * early.log_bytes + 200);
	assert_int_equal(kt_close(age.store), 0);
	if (scale.file) {
		unlink(age.path);
		unlink(strcat(age.path, "-lock"));
	}
	free(age.keys);
	free(age.times);
}

static void half(void **state)
{
	(void)state;
	age_at(50, 1.05, 0.9);
}

static void two_thirds(void **state)
{
	(void)state;
	age_at(67, 1.05, 0.9);
}

static void four_fifths(void **state)
{
	(void)state;
	age_at(80, 1.1, 0.9);
}

static void nine_tenths(void **state)
{
	(void)state;
	age_at(90, 1.15, 0.7);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half),
		cmocka_unit_test(two_thirds),
		cmocka_unit_test(four_fifths),
		cmocka_unit_test(nine_tenths),
	};

	if (argc > 1 && strcmp(argv[1], "--long") == 0) {
		scale.file_pages = 32768;
		scale.rewrites = 24;
		scale.file = true;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
