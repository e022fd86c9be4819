/* Free space where the file cannot grow. */
#include "tests/unit/space_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* At its limit a store gives out what is free, then says it is full; an abort gives all back. */
static void test_limit(void **state)
{
	struct world *world = world_open(1);
	struct run run;

	(void)state;
	space_set_limit(world->space, PAGE_FIRST + 100, PAGE_FIRST + 100);
	world_begin(world);
	world_take(world, 90);
	assert_int_equal(space_alloc(world->space, 50, &run), 0);
	assert_int_equal(run.count, 10);
	assert_int_equal(space_alloc(world->space, 1, &run), -ENOSPC);
	assert_int_equal(space_release(world->space, (struct run){PAGE_FIRST + 50, 2}, 2), 0);
	assert_int_equal(space_alloc(world->space, 50, &run), 0);
	assert_int_equal(run.count, 2);
	assert_int_equal(space_alloc(world->space, 50, &run), -ENOSPC);
	world_abort(world);
	world_begin(world);
	world_take(world, 100);
	world_abort(world);
	world_close(world);
}

/* At its limit a store finds free pages wherever they are: also further away than a search looks
 * while the file can grow. */
static void test_limit_far(void **state)
{
	struct world *world = world_open(1);
	struct space *space = world->space;
	uint64_t pages = SPACE_MAP_WINDOW + 20 * REGION_PAGES;
	uint64_t far = PAGE_FIRST + SPACE_MAP_WINDOW + 10 * REGION_PAGES;
	struct run run;

	(void)state;
	world_begin(world);
	world_take(world, pages);
	world_commit(world, true);
	world_begin(world);
	for (uint64_t page = far; page < far + 40; page++)
		world_release(world, page);
	world_commit(world, true);
	space_set_limit(space, space_page_count(space), space_page_count(space));
	for (int offered = 0; offered < 2; offered++) {
		space_set_reserve(space, 16);
		space->cursor = 0;
		world_begin(world);
		if (offered)
			space_offer_reserve(space);
		assert_int_equal(space_alloc(space, 24, &run), 0);
		assert_in_range(run.start, far, far + 16);
		assert_int_equal(run.count, 24);
		assert_int_equal(space_alloc(space, 16, &run), offered ? 0 : -ENOSPC);
		assert_int_equal(space_uses_reserve(space), offered);
		world_abort(world);
	}
	world_close(world);
}

/* A transaction that finds that the file cannot grow gives up what the file grew by, and goes on
 * with free pages, however scattered; so does a later one by itself. */
static void test_avoid_growth(void **state)
{
	struct world *world = world_open(1);
	struct space *space = world->space;
	uint64_t end = PAGE_FIRST + 3 * REGION_PAGES;
	struct run grown, run;

	(void)state;
	world_begin(world);
	world_take(world, end - PAGE_FIRST);
	world_commit(world, true);
	world_begin(world);
	for (uint64_t page = PAGE_FIRST + 1; page < PAGE_FIRST + 2001; page += 100)
		world_release(world, page);
	world_commit(world, true);
	end = space_page_count(space);
	for (int committed = 0; committed < 2; committed++) {
		world_begin(world);
		assert_int_equal(space_alloc(space, 10, &grown), 0);
		assert_int_equal(grown.start, end);
		assert_int_equal(space_release(space, grown, world->now.txn + 1), 0);
		assert_true(space_avoid_growth(space));
		assert_false(space_avoid_growth(space));
		assert_int_equal(space_page_count(space), end);
		for (int i = 0; i < 10; i++) {
			assert_int_equal(space_alloc(space, 10, &run), 0);
			assert_true(run.start < end && run.count == 1);
			assert_int_equal(space_release(space, run, world->now.txn + 1), 0);
		}
		world_take(world, 5);
		if (committed)
			world_commit(world, true);
		else
			world_abort(world);
		assert_int_equal(space_page_count(space), end);
	}
	world_check_load(world);
	world_close(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_limit_far),
		cmocka_unit_test(test_avoid_growth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
