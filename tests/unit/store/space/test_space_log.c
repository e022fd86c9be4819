/* The free-space log over a long life, damaged, and without memory. */
#include "tests/unit/space_world.h"

#include "store/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed;

/* ---- memory that fails ----------------------------------------------------------------------- */

/* The program is linked so that every allocation comes here; 0: all succeed. */
static long fail_at;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool fails(void)
{
	return fail_at > 0 && --fail_at == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

/* ---- worlds ---------------------------------------------------------------------------------- */

/* One transaction that takes and gives back so many pages. */
static void step(struct world *world, uint64_t take, uint64_t release, bool flush)
{
	world_begin(world);
	world_take(world, take);
	for (; release > 0; release--) {
		uint64_t page = world_pick(world);

		if (page != 0)
			world_release(world, page);
	}
	world_commit(world, flush);
}

/* A store that has pages in every state, log pages and a tail. */
static struct world *make_lived_in(void)
{
	struct world *world = world_open(seed);

	step(world, 9000, 0, true);
	for (int i = 0; i < 6; i++)
		step(world, 10, 700, i % 2 == 0);
	for (int i = 0; i < 150; i++)
		step(world, 6, 6, i % 9 == 0);
	world->reader = world->now.txn;
	for (int i = 0; i < 20; i++)
		step(world, 6, 6, i % 4 == 0);
	return world;
}

/* ---- a long life ----------------------------------------------------------------------------- */

/* Pages of a log that holds the whole set once. */
static uint64_t set_pages(const struct world *world)
{
	const struct space *space = world->space;
	uint64_t bytes = 0;

	for (size_t i = 0; i < space_map_regions(&space->map); i++) {
		uint64_t size = 4 * space_map_count_runs(&space->map.regions[i]) + 2;

		bytes += size < REGION_PAGES / 8 + 2 ? size : REGION_PAGES / 8 + 2;
	}
	for (int i = 0; i < QUEUES; i++)
		for (struct chunk *chunk = space->queues[i].first; chunk; chunk = chunk->next)
			bytes += 6 * chunk->count + 8;
	return bytes / LOG_PAYLOAD + 1;
}

/* Small commits over a long life: the log stays a few times as long as what it holds, no commit
 * writes more than its share, and the file does not grow while an eighth of it is free. */
static void test_age(void **state)
{
	struct world *world = world_open(seed);
	uint64_t pages;

	(void)state;
	step(world, 60000, 0, true);
	for (int i = 0; i < 20; i++)
		step(world, 0, 1000, true);
	pages = world->now.page_count;
	world->most_log_pages = 0;
	for (int i = 0; i < 6000; i++) {
		step(world, 8, 8, i % 10 == 0);
		assert_true(world->space->log.count <= 10 * set_pages(world) + 20);
		if (i % 500 == 0)
			world_check_load(world);
	}
	assert_true(world->most_log_pages <= 2);
	for (int i = 0; i < 300; i++)
		step(world, 110, 110, true);
	assert_int_equal(world->now.page_count, pages);
	world_check_load(world);
	world_close(world);
}

/* A store that is flushed rarely, while pages from before the flush wait: the log does not grow
 * with the number of commits. */
static void test_age_unflushed(void **state)
{
	struct world *world = world_open(seed);

	(void)state;
	step(world, 3000, 0, true);
	step(world, 10, 500, false);
	for (int i = 0; i < 8000; i++) {
		/* Of what was written since, not of the old. */
		uint64_t old = world->now.page_count;

		world_begin(world);
		world_take(world, 5);
		for (uint64_t page = old - 1, n = 5; page > PAGE_FIRST && n > 0; page--) {
			struct run run = {page, 1};

			if (world->pages[page].birth <= world->durable.txn ||
				world_is_log(world, page) ||
				!space_map_is(&world->space->map, run, SPACE_USED))
				continue;
			world_release(world, page);
			n--;
		}
		world_commit(world, false);
		assert_true(world->space->log.count <= 10 * set_pages(world) + 20);
	}
	world_check_load(world);
	world_close(world);
}

/* When a reader that has stayed for long goes, the pages it kept are taken over in steps, and the
 * log shrinks to what it holds. */
static void test_reader_goes(void **state)
{
	struct world *world = world_open(seed);
	size_t most;

	(void)state;
	step(world, 60000, 0, true);
	world->reader = world->now.txn;
	for (int i = 0; i < 50; i++)
		step(world, 10, 1000, true);
	most = world->space->log.count;
	world->reader = 0;
	for (int i = 0; i < 2000; i++) {
		step(world, 5, 5, true);
		assert_true(world->last_log_pages <= 2);
	}
	assert_true(world->space->map.counts[SPACE_PENDING] < 100);
	assert_true(world->space->log.count <= 10 * set_pages(world) + 20);
	assert_true(world->space->log.count <= most * 10);
	world_check_load(world);
	world_close(world);
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* A set that was loaded, from whatever bytes, can be worked with. */
static void use(struct space *space)
{
	struct space_bounds bounds = {space->txn, space->txn, space->txn};

	for (int i = 0; i < 3; i++) {
		struct space_log_delta delta;
		struct run run;
		int r;

		space_begin(space, space->txn + 1, &bounds);
		r = space_alloc(space, 100, &run);
		if (r == 0 && run.count > 3)
			r = space_release(space, (struct run){run.start, 3}, space->txn + 1);
		if (r == 0)
			space_release(space, (struct run){PAGE_FIRST + 100, 50}, 1);
		if (r == 0)
			r = space_log_prepare(space, WORLD_SEED, &delta);
		if (r == 0 && i != 1)
			space_commit(space);
		else
			space_abort(space);
	}
}

/* Load; what comes out is refused, or usable. @return was it refused? */
static bool load_damaged(struct world *world, const struct world_slot *slot)
{
	struct space *space = NULL;
	int r = world_load(world, slot, &space);

	if (r == 0) {
		use(space);
		space_close(space);
		return false;
	}
	assert_true(r == -EUCLEAN);
	assert_string_not_equal(error_detail(r), "");
	return true;
}

/* Every byte of every log page changed: the checksum finds each, and without it nothing crashes or
 * hangs, whether the damage is noticed or not. */
static void test_damaged_pages(void **state)
{
	struct world *world = make_lived_in();
	const struct format_space *end = &world->now.space;
	size_t found = 0, all = 0;

	(void)state;
	assert_true(end->head_seq - end->tail_seq >= 1);
	for (uint64_t seq = end->tail_seq; seq <= end->head_seq; seq++) {
		uint8_t *page = world->disk[world->log_pages[seq]];
		const struct format_log *log = (const struct format_log *)page;
		size_t size = sizeof(*log) + log->header.count;

		for (size_t i = 0; i < size; i++) {
			uint8_t change = (uint8_t)(1 + world_random(world, 255));

			page[i] ^= change;
			world->credulous = false;
			assert_true(load_damaged(world, &world->now));
			world->credulous = true;
			found += load_damaged(world, &world->now);
			page[i] ^= change;
			all++;
		}
	}
	print_message("%zu of %zu found without checksums\n", found, all);
	world->credulous = false;
	world_check_load(world);
	world_close(world);
}

/* The same of the slot: each byte of the tail and of the log's end, to several values. */
static void test_damaged_slot(void **state)
{
	struct world *world = make_lived_in();
	uint8_t *parts[] = {(uint8_t *)&world->now.space, world->now.tail};
	size_t sizes[] = {sizeof(world->now.space), world->now.space.tail_size};

	(void)state;
	world->credulous = true;
	for (int part = 0; part < 2; part++) {
		for (size_t i = 0; i < sizes[part]; i++) {
			uint8_t right = parts[part][i];

			for (unsigned bit = 0; bit < 8; bit++) {
				parts[part][i] = (uint8_t)(right ^ 1u << bit);
				load_damaged(world, &world->now);
			}
			parts[part][i] = 0xff;
			load_damaged(world, &world->now);
			parts[part][i] = right;
		}
	}
	world_check_load(world);
	world_close(world);
}

/* Log pages of random bytes behind a sound head. */
static void test_random_pages(void **state)
{
	struct world *world = make_lived_in();
	const struct format_space *end = &world->now.space;

	(void)state;
	world->credulous = true;
	for (int i = 0; i < 3000; i++) {
		uint64_t count = end->head_seq - end->tail_seq + 1;
		uint64_t seq = end->tail_seq + world_random(world, count);
		uint8_t *page = world->disk[world->log_pages[seq]];
		uint8_t saved[PAGE_SIZE];
		size_t at = sizeof(struct format_log) + world_random(world, LOG_PAYLOAD);

		memcpy(saved, page, PAGE_SIZE);
		for (; at < PAGE_SIZE; at++)
			page[at] = (uint8_t)world_random(world, 1u << (1 + i % 8));
		load_damaged(world, &world->now);
		memcpy(page, saved, PAGE_SIZE);
	}
	world_check_load(world);
	world_close(world);
}

/* ---- no memory ------------------------------------------------------------------------------- */

/* What a transaction does, as far as it gets. */
static int try_step(struct world *world)
{
	struct space *space = world->space;
	struct space_bounds bounds = {.slot_txn = world->durable.txn};
	struct space_log_delta delta;
	int r = 0;

	space_begin(space, world->now.txn + 1, &bounds);
	for (uint64_t page = PAGE_FIRST + 5; page < 8000 && r == 0; page += 7) {
		struct run run = {page, 1};

		if (space_map_is(&space->map, run, SPACE_USED))
			r = space_release(space, run, 2);
	}
	for (int i = 0; i < 20 && r == 0; i++) {
		struct run run;

		r = space_alloc(space, 600, &run);
		if (r == 0)
			r = space_release(space, (struct run){run.start, 1}, world->now.txn + 1);
	}
	return r == 0 ? space_log_prepare(space, WORLD_SEED, &delta) : r;
}

/* The Nth allocation fails, N = 1, 2, 3 ...: the transaction fails or succeeds, and an abort then
 * restores everything. */
static void test_no_memory(void **state)
{
	struct world *world = make_lived_in();
	struct space *loaded = NULL;
	int r = -ENOMEM;

	(void)state;
	for (long n = 1; r != 0; n++) {
		fail_at = n;
		r = try_step(world);
		fail_at = 0;
		assert_true(r == 0 || r == -ENOMEM);
		world_abort(world);
		assert_int_equal(world_load(world, &world->now, &loaded), 0);
		world_compare(world->space, loaded);
		space_close(loaded);
	}
	step(world, 5, 5, true);
	world_check_load(world);
	world_close(world);
}

/* The same of loading and of catching up. */
static void test_load_no_memory(void **state)
{
	struct world *world = make_lived_in();
	struct space *loaded = NULL;
	int r = -ENOMEM;

	(void)state;
	for (long n = 1; r != 0; n++) {
		fail_at = n;
		r = world_load(world, &world->now, &loaded);
		fail_at = 0;
		assert_true(r == 0 || r == -ENOMEM);
	}
	world_compare(world->space, loaded);
	space_close(loaded);
	world_close(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_age_unflushed),
		cmocka_unit_test(test_reader_goes),
		cmocka_unit_test(test_damaged_pages),
		cmocka_unit_test(test_damaged_slot),
		cmocka_unit_test(test_random_pages),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_load_no_memory),
	};

	seed = rng_seed("test_spacelog").state;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
