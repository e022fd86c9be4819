#include "space_world.h"

#include "store/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LOG_RING ((size_t)1 << 20)

uint64_t world_random(struct world *world, uint64_t bound)
{
	return rng_below(&world->rng, bound);
}

/* Have room for pages of a file of so many. */
static void extend(struct world *world, uint64_t page_count)
{
	size_t capacity = page_count * 2;

	if (page_count <= world->capacity)
		return;
	world->disk = realloc(world->disk, capacity * sizeof(*world->disk));
	world->pages = realloc(world->pages, capacity * sizeof(*world->pages));
	assert_non_null(world->disk);
	assert_non_null(world->pages);
	for (size_t i = world->capacity; i < capacity; i++) {
		world->disk[i] = NULL;
		world->pages[i] = (struct model_page){0};
	}
	world->capacity = capacity;
}

struct world *world_open(uint64_t seed)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->rng.state = seed;
	world->now = (struct world_slot){.txn = 1, .page_count = PAGE_FIRST};
	world->durable = world->now;
	extend(world, PAGE_FIRST);
	assert_int_equal(world_load(world, &world->now, &world->space), 0);
	return world;
}

void world_close(struct world *world)
{
	space_close(world->space);
	for (size_t i = 0; i < world->capacity; i++)
		free(world->disk[i]);
	free(world->disk);
	free(world->pages);
	free(world->taken);
	free(world->freed);
	free(world);
}

/* ---- transactions ---------------------------------------------------------------------------- */

static struct space_bounds bounds_of(const struct world *world)
{
	uint64_t reader = world->reader != 0 ? world->reader : world->now.txn;

	return (struct space_bounds){
		.slot_txn = world->durable.txn,
		.old = world->durable.txn < reader ? world->durable.txn : reader,
		.young = reader,
	};
}

void world_begin(struct world *world)
{
	struct space_bounds bounds = bounds_of(world);

	space_begin(world->space, world->now.txn + 1, &bounds);
}

static void append(struct run **runs, size_t *count, size_t *capacity, struct run run)
{
	if (*count == *capacity) {
		*capacity = *capacity * 2 + 64;
		*runs = realloc(*runs, *capacity * sizeof(**runs));
		assert_non_null(*runs);
	}
	(*runs)[(*count)++] = run;
}

/* May the open transaction write this page (I1, I2)? */
static void check_takeable(struct world *world, uint64_t page)
{
	const struct model_page *model = &world->pages[page];
	struct space_bounds bounds = bounds_of(world);

	if (model->birth == 0) {
		assert_true(page >= world->now.page_count);
		return;
	}
	assert_int_not_equal(model->freed, 0);
	assert_true(model->freed <= (model->young ? bounds.young : bounds.old));
}

static void note_taken(struct world *world, struct run run)
{
	extend(world, run.start + run.count);
	for (uint64_t page = run.start; page < run.start + run.count; page++)
		check_takeable(world, page);
	append(&world->taken, &world->taken_count, &world->taken_capacity, run);
}

size_t world_take(struct world *world, uint64_t want)
{
	size_t count = 0;

	while (want > 0) {
		struct run run;

		assert_int_equal(space_alloc(world->space, want, &run), 0);
		assert_true(run.count >= 1 && run.count <= want);
		note_taken(world, run);
		want -= run.count;
		count++;
	}
	return count;
}

void world_release(struct world *world, uint64_t page)
{
	struct run run = {page, 1};

	if (!space_is_taken(world->space, page)) {
		assert_int_equal(space_release(world->space, run, world->pages[page].birth), 0);
		append(&world->freed, &world->freed_count, &world->freed_capacity, run);
		return;
	}
	assert_int_equal(space_release(world->space, run, world->now.txn + 1), 0);
}

bool world_is_log(const struct world *world, uint64_t page)
{
	const struct format_space *end = &world->now.space;

	for (uint64_t seq = end->tail_seq; seq != 0 && seq <= end->head_seq; seq++)
		if (world->log_pages[seq % LOG_RING] == page)
			return true;
	return false;
}

uint64_t world_pick(struct world *world)
{
	uint64_t end = world->now.page_count;

	for (int i = 0; i < 100 && end > PAGE_FIRST; i++) {
		uint64_t page = PAGE_FIRST + world_random(world, end - PAGE_FIRST);
		struct run run = {page, 1};

		if (space_map_is(&world->space->map, run, SPACE_USED) && !world_is_log(world, page))
			return page;
	}
	return 0;
}

static void forget(struct world *world)
{
	world->taken_count = 0;
	world->freed_count = 0;
}

void world_abort(struct world *world)
{
	space_abort(world->space);
	forget(world);
}

/* ---- commit ---------------------------------------------------------------------------------- */

/* The model of what the transaction did. */
static void model_commit(struct world *world)
{
	uint64_t txn = world->now.txn + 1;

	for (size_t i = 0; i < world->taken_count; i++) {
		struct run run = world->taken[i];

		for (uint64_t page = run.start; page < run.start + run.count; page++) {
			free(world->disk[page]);
			world->disk[page] = NULL;
			if (space_is_taken(world->space, page))
				world->pages[page] = (struct model_page){.birth = txn};
			else /* taken and given back: free, as if long ago */
				world->pages[page] = (struct model_page){.birth = txn, .freed = 1};
		}
	}
	for (size_t i = 0; i < world->freed_count; i++) {
		struct model_page *page = &world->pages[world->freed[i].start];

		page->freed = txn;
		page->young = page->birth > world->durable.txn;
	}
}

/* The pages that the log takes are takeable as any others, and in order. */
static void check_log_pages(struct world *world, const struct space_log_delta *delta)
{
	for (size_t i = 0; i < delta->count; i++) {
		uint64_t page = ref_page(delta->pages[i].ref);

		check_takeable(world, page);
		assert_true(space_is_taken(world->space, page));
		assert_true(i == 0 || ref_page(delta->pages[i - 1].ref) < page);
	}
}

/* The model of what the log did: pages it took, and old ones it gave back. */
static void model_log(struct world *world, const struct space_log_delta *delta)
{
	uint64_t txn = world->now.txn + 1;
	uint64_t seq = world->now.space.head_seq;
	const struct format_space *old = &world->now.space;

	for (uint64_t dropped = old->tail_seq; dropped != 0 && dropped < delta->space.tail_seq;
		dropped++) {
		struct model_page *page = &world->pages[world->log_pages[dropped % LOG_RING]];

		page->freed = txn;
		page->young = page->birth > world->durable.txn;
	}
	for (size_t i = 0; i < delta->count; i++) {
		uint64_t page = ref_page(delta->pages[i].ref);

		world->pages[page] = (struct model_page){.birth = txn};
		free(world->disk[page]);
		world->disk[page] = malloc(PAGE_SIZE);
		assert_non_null(world->disk[page]);
		memcpy(world->disk[page], delta->pages[i].data, PAGE_SIZE);
		world->log_pages[++seq % LOG_RING] = page;
	}
	assert_int_equal(seq, delta->space.head_seq);
}

struct comparison {
	struct world *world;
	uint64_t next; /* page not looked at yet */
};

static void check_in_use(struct comparison *comparison, uint64_t end)
{
	for (; comparison->next < end; comparison->next++) {
		const struct model_page *page = &comparison->world->pages[comparison->next];

		assert_int_not_equal(page->birth, 0);
		assert_int_equal(page->freed, 0);
	}
}

static int check_run(void *arg, struct run run, bool pending)
{
	struct comparison *comparison = arg;

	check_in_use(comparison, run.start);
	for (; comparison->next < run.start + run.count; comparison->next++) {
		const struct model_page *page = &comparison->world->pages[comparison->next];

		if (page->birth == 0) /* the file grew for it, but it was given back */
			assert_false(pending);
		else
			assert_int_not_equal(page->freed, 0);
	}
	return 0;
}

/* Free and pending is what the model says, and nothing else. */
static void check_state(struct world *world)
{
	struct comparison comparison = {.world = world, .next = PAGE_FIRST};

	assert_int_equal(space_each(world->space, check_run, &comparison), 0);
	check_in_use(&comparison, world->now.page_count);
}

void world_commit(struct world *world, bool flush)
{
	struct space_log_delta delta;

	assert_int_equal(space_log_prepare(world->space, WORLD_SEED, &delta), 0);
	extend(world, delta.page_count);
	check_log_pages(world, &delta);
	model_commit(world);
	model_log(world, &delta);
	world->now.txn++;
	world->now.page_count = delta.page_count;
	world->now.space = delta.space;
	memcpy(world->now.tail, delta.tail, SLOT_TAIL);
	world->last_log_pages = delta.count;
	if (delta.count > world->most_log_pages)
		world->most_log_pages = delta.count;
	space_commit(world->space);
	forget(world);
	if (flush)
		world->durable = world->now;
}

/* ---- load ------------------------------------------------------------------------------------ */

int world_read(void *arg, uint64_t ref, const struct page_header **ret_page)
{
	const struct world *world = arg;
	uint64_t page = ref_page(ref);
	int r;

	if (page >= world->capacity || world->disk[page] == NULL)
		return error_damaged(page, "not there");
	r = world->credulous ? 0 : page_verify(world->disk[page], ref, WORLD_SEED);
	if (r == 0)
		*ret_page = (const struct page_header *)world->disk[page];
	return r;
}

int world_load(struct world *world, const struct world_slot *slot, struct space **ret_space)
{
	struct space_log_source source = {
		.txn = slot->txn,
		.page_count = slot->page_count,
		.space = &slot->space,
		.tail = slot->tail,
		.slot_page = PAGE_DURABLE,
		.read = world_read,
		.arg = world,
	};

	return space_log_load(&source, ret_space);
}

static void compare_chunks(const struct chunk *one, const struct chunk *two)
{
	for (; one != NULL && two != NULL; one = one->next, two = two->next) {
		assert_int_equal(chunk_compare(one->key, two->key), 0);
		assert_int_equal(one->seq, two->seq);
		assert_int_equal(one->count, two->count);
		assert_memory_equal(one->runs, two->runs, one->count * sizeof(one->runs[0]));
	}
	assert_null(one);
	assert_null(two);
}

/* What the sweep has still to log again, of a queue. */
static const struct chunk *to_carry(const struct space *space, int which)
{
	const struct chunk *chunk = space->queues[which].carry;

	return chunk != NULL && chunk->seq < space->log.end.cycle_seq ? chunk : NULL;
}

static void compare_regions(const struct region *one, const struct region *two)
{
	static const struct region_bits none;
	const struct region_bits *bits_one = one->bits != NULL ? one->bits : &none;
	const struct region_bits *bits_two = two->bits != NULL ? two->bits : &none;

	assert_memory_equal(bits_one, bits_two, sizeof(none));
	assert_int_equal(one->free, two->free);
	assert_int_equal(one->held, two->held);
}

void world_compare(const struct space *one, const struct space *two)
{
	assert_int_equal(one->txn, two->txn);
	assert_int_equal(one->map.page_count, two->map.page_count);
	assert_memory_equal(one->map.counts, two->map.counts, sizeof(one->map.counts));
	for (size_t i = 0; i < space_map_regions(&one->map); i++)
		compare_regions(&one->map.regions[i], &two->map.regions[i]);
	for (int i = 0; i < QUEUES; i++) {
		compare_chunks(one->queues[i].first, two->queues[i].first);
		compare_chunks(to_carry(one, i), to_carry(two, i));
	}
	assert_memory_equal(&one->log.end, &two->log.end, sizeof(one->log.end));
	assert_memory_equal(one->log.tail, two->log.tail, SLOT_TAIL);
	assert_int_equal(one->log.count, two->log.count);
	if (one->log.count > 0)
		assert_memory_equal(
			one->log.pages, two->log.pages, one->log.count * sizeof(one->log.pages[0]));
}

void world_check_load(struct world *world)
{
	struct space *loaded = NULL;
	int r = world_load(world, &world->now, &loaded);

	if (r < 0)
		print_error("load: %s\n", error_detail(r));
	assert_int_equal(r, 0);
	world_compare(world->space, loaded);
	space_close(loaded);
	check_state(world);
}
