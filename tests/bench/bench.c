/* Keys, values, time and summaries of the benchmarks. */
#include "bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Noreturn void bench_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("bench: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(3);
}

_Noreturn void bench_fail_at(const char *file, int line, const char *condition)
{
	bench_fail("%s:%d: %s: %s", file, line, condition, strerror(errno));
}

uint64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The output function of splitmix64 (Steele, Lea, Flood 2014). */
uint64_t bench_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static int compare_samples(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

struct bench_summary bench_summarize(uint64_t *samples, size_t count)
{
	qsort(samples, count, sizeof(*samples), compare_samples);
	return (struct bench_summary){
		.median = samples[count / 2],
		.min = samples[0],
		.max = samples[count - 1],
	};
}

struct bench_key bench_key(enum bench_key_set set, uint32_t index)
{
	struct bench_key key = {.size = 16};
	uint64_t words[2];

	if (set == BENCH_PATHS) {
		key.size = (uint8_t)snprintf(
			key.bytes, sizeof(key.bytes), "user/%04u/%08u", index % BENCH_USERS, index);
	} else {
		words[0] = bench_mix(index);
		words[1] = bench_mix(words[0]);
		memcpy(key.bytes, words, sizeof(words));
	}
	return key;
}

struct ranked_key {
	struct bench_key key;
	uint32_t index;
};

static int compare_keys(const void *a, const void *b)
{
	const struct ranked_key *x = a, *y = b;

	return memcmp(x->key.bytes, y->key.bytes, sizeof(x->key.bytes));
}

/* Fill indices with 0 to count - 1 in the order of their keys. All keys of a set have one size. */
static void sort_indices(enum bench_key_set set, uint32_t *indices, uint32_t count)
{
	struct ranked_key *ranked = malloc(count * sizeof(*ranked));

	bench_check(ranked);
	for (uint32_t i = 0; i < count; i++)
		ranked[i] = (struct ranked_key){bench_key(set, i), i};
	qsort(ranked, count, sizeof(*ranked), compare_keys);
	for (uint32_t i = 0; i < count; i++)
		indices[i] = ranked[i].index;
	free(ranked);
}

/* Fisher and Yates, from the last place down. */
static void shuffle(uint32_t *indices, uint32_t count, uint64_t seed)
{
	for (uint32_t i = count - 1; i > 0; i--) {
		uint32_t other = (uint32_t)(bench_mix(seed + i) % (i + 1));
		uint32_t taken = indices[other];

		indices[other] = indices[i];
		indices[i] = taken;
	}
}

static void choose_indices(struct bench_plan *plan, enum bench_key_set set, uint32_t keys,
	enum bench_order order, uint64_t seed)
{
	switch (order) {
	case BENCH_SORTED:
		sort_indices(set, plan->indices, plan->count);
		break;
	case BENCH_SHUFFLED:
		for (uint32_t i = 0; i < plan->count; i++)
			plan->indices[i] = i;
		shuffle(plan->indices, plan->count, bench_mix(seed));
		break;
	case BENCH_ANY:
		seed = bench_mix(seed);
		for (uint32_t i = 0; i < plan->count; i++)
			plan->indices[i] = (uint32_t)(bench_mix(seed + i) % keys);
		break;
	}
}

struct bench_plan bench_plan(enum bench_key_set set, uint32_t keys, uint32_t count,
	enum bench_order order, uint64_t seed, size_t value_size)
{
	struct bench_plan plan = {.count = count};
	char *value = malloc(value_size);

	plan.indices = malloc(count * sizeof(*plan.indices));
	plan.keys = malloc(count * sizeof(*plan.keys));
	bench_check(value && plan.indices && plan.keys);
	choose_indices(&plan, set, keys, order, seed);
	for (uint32_t i = 0; i < count; i++) {
		plan.keys[i] = bench_key(set, plan.indices[i]);
		bench_value(plan.indices[i], 0, value, value_size);
		plan.sum = bench_sum(plan.sum, value, value_size);
	}
	free(value);
	return plan;
}

void bench_plan_fini(struct bench_plan *plan)
{
	free(plan->indices);
	free(plan->keys);
}

void bench_value(uint32_t index, uint32_t generation, void *ret_value, size_t size)
{
	uint64_t word = bench_mix((uint64_t)generation << 32 | index);
	char *bytes = ret_value;

	for (size_t i = 0; i < size; i += sizeof(word)) {
		size_t part = size - i < sizeof(word) ? size - i : sizeof(word);

		memcpy(bytes + i, &word, part);
		word += 0x9e3779b97f4a7c15;
	}
}
