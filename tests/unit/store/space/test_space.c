/* Free space and its log: random histories against a plain model. */
#include "tests/unit/space_world.h"

#include "store/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint64_t seed;

/* ---- single steps ---------------------------------------------------------------------------- */

/* A new store grows by what it takes; what was taken and given back is free again at once. */
static void test_first(void **state)
{
	struct world *world = world_open(1);
	struct run run, again;

	(void)state;
	world_begin(world);
	assert_int_equal(space_alloc(world->space, 10, &run), 0);
	assert_int_equal(run.start, PAGE_FIRST);
	assert_int_equal(run.count, 10);
	assert_true(space_is_taken(world->space, PAGE_FIRST + 9));
	assert_false(space_is_taken(world->space, PAGE_FIRST + 10));
	assert_int_equal(space_release(world->space, (struct run){PAGE_FIRST + 2, 4}, 2), 0);
	assert_int_equal(space_alloc(world->space, 4, &again), 0);
	assert_int_equal(again.start, PAGE_FIRST + 2);
	assert_int_equal(again.count, 4);
	space_abort(world->space);
	assert_int_equal(space_page_count(world->space), PAGE_FIRST);
	world_close(world);
}

/* An old page waits for the disk, whatever readers there are; a young one does not. */
static void test_old_and_young(void **state)
{
	struct world *world = world_open(1);
	struct space_counts counts;
	uint64_t old = PAGE_FIRST, young = PAGE_FIRST + 1;

	(void)state;
	world_begin(world);
	world_take(world, 1);
	world_commit(world, true);
	world_begin(world);
	world_take(world, 1);
	world_commit(world, false);
	world_begin(world);
	world_release(world, old);
	world_release(world, young);
	world_commit(world, false);
	space_count(world->space, &counts);
	assert_int_equal(counts.pending, 2);
	world_begin(world);
	space_count(world->space, &counts);
	assert_int_equal(counts.pending, 1);
	assert_true(space_map_is(&world->space->map, (struct run){young, 1}, SPACE_FREE));
	world_commit(world, true);
	world_begin(world);
	space_count(world->space, &counts);
	assert_int_equal(counts.pending, 0);
	world_abort(world);
	world_close(world);
}

/* A reader keeps what was freed after its transaction, old or young, and nothing else. */
static void test_reader(void **state)
{
	struct world *world = world_open(1);
	struct space_counts counts;

	(void)state;
	world_begin(world);
	world_take(world, 3);
	world_commit(world, true);
	world_begin(world);
	world_release(world, PAGE_FIRST);
	world_commit(world, true);
	world->reader = world->now.txn;
	world_begin(world);
	world_release(world, PAGE_FIRST + 1);
	world_commit(world, true);
	world_begin(world);
	space_count(world->space, &counts);
	assert_int_equal(counts.free, 1);
	assert_int_equal(counts.pending, 1);
	world_commit(world, true);
	world->reader = 0;
	world_begin(world);
	space_count(world->space, &counts);
	assert_int_equal(counts.free, 2);
	world_abort(world);
	world_close(world);
}

/* Pages that a damaged file says are to be freed are refused where they cannot be. */
static void test_release_checked(void **state)
{
	struct world *world = world_open(1);
	struct space *space = world->space;

	(void)state;
	world_begin(world);
	world_take(world, 8);
	world_commit(world, true);
	world_begin(world);
	assert_int_equal(space_release(space, (struct run){0, 1}, 1), -EUCLEAN);
	assert_int_equal(space_release(space, (struct run){PAGE_FIRST, 9}, 2), -EUCLEAN);
	assert_int_equal(space_release(space, (struct run){PAGE_FIRST, 0}, 2), -EUCLEAN);
	assert_int_equal(space_release(space, (struct run){PAGE_FIRST, UINT64_MAX}, 2), -EUCLEAN);
	assert_int_equal(space_release(space, (struct run){UINT64_MAX, 2}, 2), -EUCLEAN);
	assert_int_equal(space_release(space, (struct run){PAGE_FIRST, 1}, 4), -EUCLEAN);
	assert_int_equal(space_release(space, (struct run){PAGE_FIRST, 1}, 3), -EUCLEAN);
	assert_int_equal(space_release(space, (struct run){PAGE_FIRST, 1}, 2), 0);
	assert_int_equal(space_release(space, (struct run){PAGE_FIRST, 1}, 2), -EUCLEAN);
	assert_int_equal(space_release(space, (struct run){PAGE_FIRST, 2}, 2), -EUCLEAN);
	world_abort(world);
	world_begin(world);
	assert_int_equal(space_release(space, (struct run){PAGE_FIRST, 8}, 2), 0);
	world_abort(world);
	world_close(world);
}

/* A run may be longer than a region, from the end of the file and from free pages. */
static void test_long_run(void **state)
{
	struct world *world = world_open(1);
	uint64_t want = 5 * REGION_PAGES + 17;

	(void)state;
	world_begin(world);
	assert_int_equal(world_take(world, want), 1);
	world_commit(world, true);
	world_begin(world);
	assert_int_equal(
		space_release(world->space, (struct run){PAGE_FIRST, want}, world->now.txn), 0);
	for (uint64_t i = 0; i < want; i++)
		world->pages[PAGE_FIRST + i].freed = world->now.txn + 1;
	world_commit(world, true);
	world_check_load(world);
	world_begin(world);
	assert_int_equal(world_take(world, want), 1);
	world_commit(world, true);
	world_check_load(world);
	world_close(world);
}

/* A transaction that takes the lowest pages and cuts the file leaves no free page at its end; an
 * abort leaves all of them, and the log that was begun anew gives the same state. */
static void test_cut(void **state)
{
	struct world *world = world_open(1);
	struct space *space = world->space;
	uint64_t end = PAGE_FIRST + 3 * REGION_PAGES;
	struct run run;

	(void)state;
	world_begin(world);
	assert_int_equal(world_take(world, end - PAGE_FIRST), 1);
	world_commit(world, true);
	world_begin(world);
	for (uint64_t page = PAGE_FIRST + 100; page < end; page += page == PAGE_FIRST + 110 ? 2 : 1)
		world_release(world, page);
	world_commit(world, true);
	for (int committed = 0; committed < 2; committed++) {
		world_begin(world);
		space_use_lowest(space);
		assert_int_equal(space_free_below(space, PAGE_FIRST + 105), 5);
		assert_int_equal(space_alloc_low(space, 12, end, &run), 0);
		assert_int_equal(run.start, PAGE_FIRST + 112);
		assert_int_equal(space_alloc_low(space, 12, run.start, &run), -ENOSPC);
		assert_int_equal(space_release(space, run, world->now.txn + 1), 0);
		space_cut(space);
		if (committed) {
			world_commit(world, true);
		} else {
			struct space_log_delta delta;

			assert_int_equal(space_log_prepare(space, WORLD_SEED, &delta), 0);
			assert_int_equal(delta.page_count, PAGE_FIRST + 112);
			world_abort(world);
			assert_int_equal(space_page_count(space), end);
		}
	}
	assert_int_equal(space_page_count(space), PAGE_FIRST + 112);
	assert_int_equal(space_spare(space), 0);
	world_check_load(world);
	world_begin(world);
	world_take(world, 2 * REGION_PAGES);
	world_commit(world, true);
	world_check_load(world);
	world_close(world);
}

/* ---- histories ------------------------------------------------------------------------------- */

/* How a history goes. */
struct style {
	uint64_t commits;
	uint64_t take_most;
	uint64_t release_most; /* beyond what keeps the size */
	uint64_t keep;	       /* pages in use that the store tends to */
	unsigned flush_each;   /* commits, about */
	unsigned abort_each;
	unsigned reader_each;
	unsigned check_each;
	unsigned cut_each;
};

static uint64_t used(const struct world *world)
{
	return world->space->map.counts[SPACE_USED];
}

/* One transaction's worth of taking and giving back. */
static void act(struct world *world, const struct style *style)
{
	uint64_t steps = 1 + world_random(world, 4);

	for (; steps > 0; steps--) {
		uint64_t take = world_random(world, style->take_most + 1);
		uint64_t release = world_random(world, style->release_most + 1);

		if (used(world) + take > style->keep)
			release += take;
		if (take > 0)
			world_take(world, take);
		for (; release > 0; release--) {
			uint64_t page = world_pick(world);

			if (page != 0)
				world_release(world, page);
		}
		/* Some of what was taken just now is given back. */
		if (world->taken_count > 0 && world_random(world, 4) == 0) {
			struct run run = world->taken[world_random(world, world->taken_count)];
			uint64_t page = run.start + world_random(world, run.count);

			if (space_is_taken(world->space, page))
				world_release(world, page);
		}
	}
}

/* Some transactions take the lowest pages and cut the file. */
static void begin(struct world *world, const struct style *style)
{
	world_begin(world);
	if (world_random(world, style->cut_each) != 0)
		return;
	space_use_lowest(world->space);
	space_cut(world->space);
}

static void move_reader(struct world *world)
{
	if (world->reader != 0 && world_random(world, 2) == 0)
		world->reader = 0;
	else if (world->reader == 0)
		world->reader = world->now.txn;
}

/* An aborted transaction leaves the free pages as they were, but for those that only waited. */
static void abort_one(struct world *world, const struct style *style)
{
	struct space_counts before, after;
	uint64_t cursor = world->space->cursor;
	struct space_log_delta delta;

	space_count(world->space, &before);
	begin(world, style);
	act(world, style);
	if (world_random(world, 2) == 0)
		assert_int_equal(space_log_prepare(world->space, WORLD_SEED, &delta), 0);
	world_abort(world);
	space_count(world->space, &after);
	assert_int_equal(after.total, before.total);
	assert_int_equal(after.taken, 0);
	assert_int_equal(after.free + after.pending, before.free + before.pending);
	assert_int_equal(world->space->cursor, cursor);
}

static void check_durable(struct world *world)
{
	struct space *loaded = NULL;

	assert_int_equal(world_load(world, &world->durable, &loaded), 0);
	assert_int_equal(loaded->txn, world->durable.txn);
	space_close(loaded);
}

static void catch_up(struct world *world, struct space **other)
{
	struct space_log_source source = {
		.txn = world->now.txn,
		.page_count = world->now.page_count,
		.space = &world->now.space,
		.tail = world->now.tail,
		.slot_page = PAGE_DURABLE,
		.read = world_read,
		.arg = world,
	};
	int r = space_log_catch_up(*other, &source);

	if (r == -ESTALE) {
		space_close(*other);
		assert_int_equal(world_load(world, &world->now, other), 0);
		r = 0;
	}
	assert_int_equal(r, 0);
	world_compare(world->space, *other);
}

static void run_history(const struct style *style, uint64_t history_seed)
{
	struct world *world = world_open(history_seed);
	struct space *other = NULL;

	assert_int_equal(world_load(world, &world->now, &other), 0);
	for (uint64_t i = 0; i < style->commits; i++) {
		if (world_random(world, style->reader_each) == 0)
			move_reader(world);
		if (world_random(world, style->abort_each) == 0)
			abort_one(world, style);
		begin(world, style);
		act(world, style);
		world_commit(world, world_random(world, style->flush_each) == 0);
		if (i % style->check_each == 0) {
			world_check_load(world);
			check_durable(world);
		}
		if (world_random(world, 20) == 0)
			catch_up(world, &other);
	}
	world_check_load(world);
	catch_up(world, &other);
	space_close(other);
	world_close(world);
}

/* Histories of many kinds: after every commit the log gives exactly the state in memory, no page is
 * given out that a durable slot, a reader or the store itself still needs, and what a crash would
 * fall back to is whole. */
static void test_histories(void **state)
{
	static const struct style styles[] = {
		/* small store, every commit flushed */
		{300, 5, 1, 200, 1, 10, 10, 1, 5},
		/* few flushes: most pages die young */
		{600, 5, 1, 500, 50, 10, 20, 1, 20},
		/* readers that stay for long */
		{400, 8, 2, 2000, 3, 20, 150, 1, 30},
		/* large transactions: records of many pages */
		{60, 3000, 400, 30000, 4, 5, 10, 1, 4},
		/* several regions, small commits */
		{400, 200, 10, 20000, 10, 20, 20, 5, 10},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++)
		for (uint64_t n = 0; n < 3; n++)
			run_history(&styles[i], seed + 1000 * i + n);
}

/* What commits cost, beside what they take and give back. */
struct cost {
	uint64_t looked_most, looked; /* words and summaries that searches looked at */
	uint64_t log_most, log;	      /* bytes for the log, in pages and in the slot */
};

/* Make a set with so many free runs of one to three pages. */
static struct world *shattered(uint64_t runs)
{
	struct world *world = world_open(seed);
	uint64_t page = PAGE_FIRST;

	world_begin(world);
	world_take(world, 4 * runs);
	world_commit(world, true);
	while (page < PAGE_FIRST + 4 * runs) {
		world_begin(world);
		for (unsigned i = 0; i < 50000 && page < PAGE_FIRST + 4 * runs; i++, page += 4)
			for (uint64_t n = world_random(world, 3) + 1; n > 0; n--)
				world_release(world, page + n - 1);
		world_commit(world, true);
	}
	for (unsigned i = 0; i < 100; i++) {
		world_begin(world);
		world_commit(world, true);
	}
	return world;
}

static struct cost cost_at(uint64_t runs, unsigned commits)
{
	struct world *world = shattered(runs);
	struct cost cost = {0};

	for (unsigned i = 0; i < commits; i++) {
		uint64_t looked = world->space->map.looked_at;
		uint64_t log = world->now.space.head_seq * LOG_PAYLOAD + world->now.space.tail_size;

		world_begin(world);
		world_take(world, 12);
		for (unsigned n = 0; n < 12; n++) {
			uint64_t page = world_pick(world);

			if (page != 0)
				world_release(world, page);
		}
		world_commit(world, true);
		looked = world->space->map.looked_at - looked;
		log = world->now.space.head_seq * LOG_PAYLOAD + world->now.space.tail_size - log;
		log = log > UINT64_MAX / 2 ? 0 : log; /* the tail went to pages */
		cost.looked += looked;
		cost.log += log;
		cost.looked_most = looked > cost.looked_most ? looked : cost.looked_most;
		cost.log_most = log > cost.log_most ? log : cost.log_most;
	}
	cost.looked /= commits;
	cost.log /= commits;
	print_message("%llu free runs: a commit looks at %llu words (most %llu), logs %llu bytes "
		      "(most %llu)\n",
		(unsigned long long)runs, (unsigned long long)cost.looked,
		(unsigned long long)cost.looked_most, (unsigned long long)cost.log,
		(unsigned long long)cost.log_most);
	world_close(world);
	return cost;
}

/* What a commit costs does not depend on how many free runs there are: of a million it looks at no
 * more than a window, and logs as much as of a thousand. */
static void test_cost(void **state)
{
	struct cost few = cost_at(1000, 1000), many = cost_at(1000000, 1000);

	(void)state;
	assert_true(many.looked_most <= 12 * 3000);
	assert_true(many.log <= 2 * few.log + 100);
	assert_true(many.log_most <= 2 * few.log_most + 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_old_and_young),
		cmocka_unit_test(test_reader),
		cmocka_unit_test(test_release_checked),
		cmocka_unit_test(test_long_run),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_histories),
		cmocka_unit_test(test_cost),
	};

	seed = rng_seed("test_space").state;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
