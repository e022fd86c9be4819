/* States of pages and the search for runs, against arrays. */
#include "tests/unit/rng.h"
#include "store/space/space_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PAGES (3 * REGION_PAGES + 1234)

static uint64_t seed;

struct model {
	struct space_map map;
	unsigned char state[PAGES];
};

static struct model *model_open(void)
{
	struct model *model = calloc(1, sizeof(*model));

	assert_non_null(model);
	assert_int_equal(space_map_grow(&model->map, PAGES), 0);
	return model;
}

static void model_close(struct model *model)
{
	space_map_fini(&model->map);
	free(model);
}

static void model_set(struct model *model, struct run run, enum space_state to)
{
	enum space_state from = model->state[run.start];

	assert_int_equal(space_map_reserve(&model->map, run), 0);
	space_map_set(&model->map, run, from, to);
	space_map_trim(&model->map, run);
	memset(model->state + run.start, to, run.count);
}

/* A random run of pages that are all in one state. */
static struct run random_run(struct model *model, struct rng *rng, size_t most)
{
	struct run run = {PAGE_FIRST + rng_below(rng, PAGES - PAGE_FIRST), 1};
	size_t want = 1 + rng_below(rng, most);

	while (run.count < want && run.start + run.count < PAGES &&
		model->state[run.start + run.count] == model->state[run.start])
		run.count++;
	return run;
}

/* The longest run of free pages within a region. */
static uint64_t longest(const struct model *model)
{
	uint64_t best = 0, count = 0;

	for (size_t page = 0; page < PAGES; page++) {
		if (page % REGION_PAGES == 0)
			count = 0;
		count = model->state[page] == SPACE_FREE ? count + 1 : 0;
		best = count > best ? count : best;
	}
	return best;
}

static void check_counts(const struct model *model)
{
	uint64_t counts[4] = {0};

	for (size_t page = PAGE_FIRST; page < PAGES; page++)
		counts[model->state[page]]++;
	assert_memory_equal(counts, model->map.counts, sizeof(counts));
}

/* The bounds of the summary hold: exact counts, and no run longer than it says. */
static void check_summary(const struct model *model)
{
	for (size_t i = 0; i < space_map_regions(&model->map); i++) {
		const struct region *region = &model->map.regions[i];
		struct run run = {0};
		size_t free_pages = 0, runs = 0;

		while (space_map_next(region, SPACE_FREE, run.start + run.count, &run)) {
			assert_true(run.count <= region->longest);
			free_pages += run.count;
			runs++;
		}
		assert_int_equal(region->free, free_pages);
		assert_int_equal(space_map_count_runs(region), runs);
	}
}

/* What the search finds is free, not longer than wanted, and as long as wanted or the longest there
 * is. */
static void check_find(struct model *model, struct rng *rng)
{
	uint64_t want = 1 + rng_below(rng, rng_below(rng, 4) == 0 ? 10000 : 100);
	uint64_t best = longest(model);
	struct run run = {0};

	if (!space_map_find(&model->map, rng_below(rng, PAGES), false, want, &run)) {
		assert_int_equal(best, 0);
		return;
	}
	assert_true(run.count >= 1 && run.count <= want);
	assert_true(run.count >= (best < want ? best : want));
	for (uint64_t i = 0; i < run.count; i++)
		assert_int_equal(model->state[run.start + i], SPACE_FREE);
}

static void check_bitmap(const struct model *model)
{
	uint64_t bitmap[REGION_WORDS];

	for (size_t i = 0; i < space_map_regions(&model->map); i++) {
		space_map_bitmap(&model->map.regions[i], bitmap);
		for (size_t page = 0; page < REGION_PAGES; page++)
			assert_int_equal(bitmap[page / 64] >> page % 64 & 1,
				i * REGION_PAGES + page < PAGES &&
					model->state[i * REGION_PAGES + page] == SPACE_FREE);
	}
}

/* Random changes of random runs, short and long, dense and sparse. */
static void test_random(void **state)
{
	struct rng rng = {.state = seed};

	(void)state;
	for (size_t most = 1; most < 20000; most *= 7) {
		struct model *model = model_open();

		for (int i = 0; i < 3000; i++) {
			enum space_state to = SPACE_FREE;

			if (rng_below(&rng, 8) >= 5)
				to = (enum space_state)rng_below(&rng, 4);
			model_set(model, random_run(model, &rng, most), to);
			if (i % 10 == 0)
				check_find(model, &rng);
			if (i % 100 == 0) {
				check_counts(model);
				check_summary(model);
			}
		}
		check_bitmap(model);
		model_close(model);
	}
}

/* A run of exactly the wanted length is found wherever it lies, also across words. */
static void test_find_exact(void **state)
{
	struct model *model = model_open();
	struct run run;

	(void)state;
	for (uint64_t start = PAGE_FIRST; start < 300; start++) {
		for (uint64_t count = 1; count < 140; count += 3) {
			model_set(model, (struct run){start, count}, SPACE_FREE);
			model_set(model, (struct run){start + count + 1, 1}, SPACE_FREE);
			assert_true(space_map_find(&model->map, 8, false, 10000, &run));
			assert_int_equal(run.start, start);
			assert_int_equal(run.count, count);
			assert_true(space_map_find(&model->map, 8, false, count, &run));
			assert_int_equal(run.start, start);
			assert_int_equal(run.count, count);
			model_set(model, (struct run){start, count}, SPACE_USED);
			model_set(model, (struct run){start + count + 1, 1}, SPACE_USED);
		}
	}
	model_close(model);
}

/* The search goes forward from the cursor and begins anew at the end. */
static void test_find_forward(void **state)
{
	struct model *model = model_open();
	struct run run;

	(void)state;
	model_set(model, (struct run){100, 10}, SPACE_FREE);
	model_set(model, (struct run){9000, 10}, SPACE_FREE);
	assert_true(space_map_find(&model->map, 0, false, 10, &run));
	assert_int_equal(run.start, 100);
	assert_true(space_map_find(&model->map, 101, false, 10, &run));
	assert_int_equal(run.start, 9000);
	assert_true(space_map_find(&model->map, 9005, false, 10, &run));
	assert_int_equal(run.start, 100);
	assert_true(space_map_find(&model->map, UINT64_MAX, false, 10, &run));
	assert_int_equal(run.start, 100);
	model_close(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_find_exact),
		cmocka_unit_test(test_find_forward),
	};

	seed = rng_seed("test_spacemap").state;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
