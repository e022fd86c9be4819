/* The workloads of the store benchmark. */
#include "workloads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATCH_SIZE 4096
#define HUGE_KEY "zz/huge"

/* Users in an order that looks random and names each once: 7919 is prime. */
static uint32_t nth_user(uint32_t n)
{
	return n * 7919 % BENCH_USERS;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Operations first to first + count of the plan, batch by batch; values of one generation. */
static void put_range(struct side *side, const struct work *work, uint32_t first, uint32_t count,
	uint32_t generation)
{
	const struct bench_engine *engine = side->engine;
	const struct bench_plan *plan = &work->plan;
	char value[VALUE_SIZE];

	for (uint32_t done = 0; done < count; done++) {
		uint32_t i = first + done;

		if (done % work->batch == 0)
			engine->begin(side->db, work->mode);
		bench_value(plan->indices[i], generation, value, sizeof(value));
		engine->put(
			side->db, plan->keys[i].bytes, plan->keys[i].size, value, sizeof(value));
		if ((done + 1) % work->batch == 0 || done + 1 == count)
			engine->commit(side->db);
	}
}

/* Is what put_range() wrote there? */
static void verify_range(struct side *side, const struct work *work, uint32_t first, uint32_t count,
	uint32_t generation)
{
	const struct bench_plan *plan = &work->plan;
	char value[VALUE_SIZE];
	const void *found;
	size_t size;

	side->engine->begin(side->db, BENCH_READ);
	for (uint32_t i = first; i < first + count; i++) {
		bench_value(plan->indices[i], generation, value, sizeof(value));
		found = side->engine->get(side->db, plan->keys[i].bytes, plan->keys[i].size, &size);
		if (size != sizeof(value) || memcmp(found, value, size) != 0)
			bench_fail("%s: wrong value of %.*s", side->engine->name,
				plan->keys[i].size, plan->keys[i].bytes);
	}
	side->engine->commit(side->db);
}

uint64_t workload_load(struct side *side, const struct work *work, unsigned repeat)
{
	uint64_t start;

	(void)repeat;
	side_renew(side);
	sync();
	start = bench_now_ns();
	put_range(side, work, 0, work->plan.count, 0);
	return bench_now_ns() - start;
}

uint64_t workload_put(struct side *side, const struct work *work, unsigned repeat)
{
	uint32_t first = repeat * work->per_repeat;
	uint64_t start, taken;

	start = bench_now_ns();
	put_range(side, work, first, work->per_repeat, repeat + 1);
	taken = bench_now_ns() - start;
	verify_range(side, work, first, work->per_repeat, repeat + 1);
	return taken;
}

uint64_t workload_put_blobs(struct side *side, const struct work *work, unsigned repeat)
{
	const struct bench_engine *engine = side->engine;
	char *value = malloc(BLOB_SIZE);
	const void *found;
	size_t size;
	uint64_t start, taken = 0;

	bench_check(value);
	for (uint32_t i = 0; i < work->per_repeat; i++) {
		struct bench_key key = work->plan.keys[i % 16];

		bench_value(i, repeat + 1, value, BLOB_SIZE);
		start = bench_now_ns();
		engine->begin(side->db, work->mode);
		engine->put(side->db, key.bytes, key.size, value, BLOB_SIZE);
		engine->commit(side->db);
		taken += bench_now_ns() - start;

		engine->begin(side->db, BENCH_READ);
		found = engine->get(side->db, key.bytes, key.size, &size);
		bench_check(size == BLOB_SIZE && memcmp(found, value, size) == 0);
		engine->commit(side->db);
	}
	free(value);
	return taken;
}

void workload_put_huge(struct side *side, uint64_t size)
{
	char *part = malloc(BLOB_SIZE);

	bench_check(part);
	for (uint64_t at = 0; at < size; at += BLOB_SIZE) {
		bench_value((uint32_t)(at / BLOB_SIZE), 0, part, BLOB_SIZE);
		if (at % (64 * BLOB_SIZE) == 0)
			side->engine->begin(side->db, BENCH_WRITE_FLUSHED);
		side->engine->patch(side->db, HUGE_KEY, strlen(HUGE_KEY), at, part, BLOB_SIZE);
		if ((at + BLOB_SIZE) % (64 * BLOB_SIZE) == 0 || at + BLOB_SIZE >= size)
			side->engine->commit(side->db);
	}
	free(part);
}

static uint64_t patch_offset(uint64_t size, uint32_t i, unsigned repeat)
{
	return bench_mix((uint64_t)repeat << 32 | i) % (size / PATCH_SIZE) * PATCH_SIZE;
}

/* The last block that workload_patch_huge() wrote must be in the value, and its size unchanged. */
static void verify_patch(struct side *side, uint64_t size, const char *block, uint64_t offset)
{
	const char *found;
	size_t found_size;

	side->engine->begin(side->db, BENCH_READ);
	found = side->engine->get(side->db, HUGE_KEY, strlen(HUGE_KEY), &found_size);
	bench_check(found_size == size && memcmp(found + offset, block, PATCH_SIZE) == 0);
	side->engine->commit(side->db);
}

uint64_t workload_patch_huge(struct side *side, uint64_t size, uint32_t count, unsigned repeat)
{
	char block[PATCH_SIZE];
	uint64_t start = bench_now_ns(), taken;

	for (uint32_t i = 0; i < count; i++) {
		bench_value(i, repeat + 1, block, sizeof(block));
		side->engine->begin(side->db, BENCH_WRITE_FLUSHED);
		side->engine->patch(side->db, HUGE_KEY, strlen(HUGE_KEY),
			patch_offset(size, i, repeat), block, sizeof(block));
		side->engine->commit(side->db);
	}
	taken = bench_now_ns() - start;
	verify_patch(side, size, block, patch_offset(size, count - 1, repeat));
	return taken;
}

/* ---- ageing ---------------------------------------------------------------------------------- */

/* Keys of every third user are deleted. */
static bool is_left(uint32_t index)
{
	return bench_mix(index % BENCH_USERS) % 3 != 0;
}

static void delete_users(struct side *side, uint32_t keys)
{
	for (uint32_t i = 0; i < BENCH_USERS; i++) {
		uint32_t user = nth_user(i);

		if (is_left(user))
			continue;
		side->engine->begin(side->db, BENCH_WRITE_FLUSHED);
		for (uint32_t index = user; index < keys; index += BENCH_USERS) {
			struct bench_key key = bench_key(BENCH_PATHS, index);

			side->engine->del(side->db, key.bytes, key.size);
		}
		side->engine->commit(side->db);
	}
}

void workload_age_plan(struct bench_plan *plan)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < plan->count; i++) {
		if (is_left(plan->indices[i])) {
			plan->indices[kept] = plan->indices[i];
			plan->keys[kept++] = plan->keys[i];
		}
	}
	plan->count = kept;
}

void workload_age(struct side *side, uint32_t keys)
{
	uint32_t grown = keys / 2 * 3;
	struct work work = {.batch = 1000, .mode = BENCH_WRITE_FLUSHED};

	work.plan = bench_plan(BENCH_PATHS, grown, grown, BENCH_SHUFFLED, 4, VALUE_SIZE);
	side_renew(side);
	put_range(side, &work, 0, grown, 0);
	delete_users(side, grown);
	workload_age_plan(&work.plan);
	work.batch = 100;
	put_range(side, &work, 0, keys / 20, 0);
	bench_plan_fini(&work.plan);
}

/* ---- reading --------------------------------------------------------------------------------- */

uint64_t workload_get(struct side *side, const struct work *work, unsigned repeat)
{
	const struct bench_engine *engine = side->engine;
	const struct bench_plan *plan = &work->plan;
	uint64_t start = bench_now_ns(), sum = 0;
	const void *value;
	size_t size;

	(void)repeat;
	for (uint32_t i = 0; i < plan->count; i++) {
		if (i % work->batch == 0)
			engine->begin(side->db, BENCH_READ);
		value = engine->get(side->db, plan->keys[i].bytes, plan->keys[i].size, &size);
		sum = bench_sum(sum, value, size);
		if ((i + 1) % work->batch == 0 || i + 1 == plan->count)
			engine->commit(side->db);
	}
	if (sum != plan->sum)
		bench_fail("%s: wrong values from get", engine->name);
	return bench_now_ns() - start;
}

uint64_t workload_scan(struct side *side, const struct work *work, unsigned repeat)
{
	uint64_t start = bench_now_ns(), sum;
	size_t count;

	(void)repeat;
	side->engine->begin(side->db, BENCH_READ);
	sum = side->engine->scan(side->db, "", 0, &count);
	side->engine->commit(side->db);
	if (count != work->plan.count ||
		sum != work->plan.sum + (uint64_t)count * work->plan.keys[0].size)
		bench_fail("%s: wrong values from scan", side->engine->name);
	return bench_now_ns() - start;
}

uint64_t workload_scan_users(struct side *side, const struct work *work, unsigned repeat)
{
	uint64_t start = bench_now_ns(), sum = 0;
	size_t count, total = 0;
	char prefix[16];

	(void)repeat;
	side->engine->begin(side->db, BENCH_READ);
	for (uint32_t i = 0; i < BENCH_USERS; i++) {
		int size = snprintf(prefix, sizeof(prefix), "user/%04u/", nth_user(i));

		sum += side->engine->scan(side->db, prefix, (size_t)size, &count);
		total += count;
	}
	side->engine->commit(side->db);
	if (total != work->plan.count ||
		sum != work->plan.sum + (uint64_t)total * work->plan.keys[0].size)
		bench_fail("%s: wrong values from prefix scans", side->engine->name);
	return bench_now_ns() - start;
}
