/* The store against other embedded stores.
 *
 *     store_bench [--quick] [--only TEXT] [--engines NAMES] [--keep] DIRECTORY
 *
 * prints for each row and engine a line
 *
 *     ROW <tab> ENGINE <tab> median <tab> least <tab> greatest
 *
 * in nanoseconds per operation, or bytes for rows of sizes. What a row is and what is asked of it
 * stands in the file "rows". Stores are loaded and then read and written, in this order:
 *
 *     10 thousand keys: gets
 *     1 million keys: load in key order, load in random order, gets, scans, puts
 *     the same, aged: puts
 *     large values
 *
 * with keys like paths; then loads and reads again with random keys. --only runs the rows whose
 * names contain TEXT, --keep leaves the last stores in the directory.
 */
#include "workloads.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SMALL_KEYS 10000

/* Name of a row: those over random keys say so. */
struct row {
	char name[64];
};

static struct row row(const char *name, enum bench_key_set set)
{
	struct row row;

	snprintf(
		row.name, sizeof(row.name), "%s%s", name, set == BENCH_PATHS ? "" : "-random-keys");
	return row;
}

/* Load all keys in one flushed transaction. The loaded stores stay. */
static void measure_load(struct bench *bench, enum bench_key_set set, bool ordered)
{
	struct work work = {
		.plan = bench_plan(set, bench->keys, bench->keys,
			ordered ? BENCH_SORTED : BENCH_SHUFFLED, 1, VALUE_SIZE),
		.batch = bench->keys,
		.mode = BENCH_WRITE_FLUSHED,
	};
	struct row time = row(ordered ? "load-ordered" : "load-random", set);
	struct row size = row(ordered ? "size-ordered" : "size-random", set);

	bench_measure(bench, time.name, workload_load, &work, bench->keys);
	if (!bench_wants(bench, time.name))
		for (size_t i = 0; i < bench->side_count; i++)
			workload_load(&bench->sides[i], &work, 0);
	bench_measure_sizes(bench, size.name);
	bench_plan_fini(&work.plan);
}

static void measure_gets(struct bench *bench, enum bench_key_set set, uint32_t keys,
	const char *inside, const char *each)
{
	uint32_t count = bench->quick ? 100000 : 500000;
	struct work work = {
		.plan = bench_plan(set, keys, count, BENCH_ANY, 2, VALUE_SIZE),
		.batch = count,
		.mode = BENCH_READ,
	};

	bench_measure(bench, row(inside, set).name, workload_get, &work, count);
	work.batch = 1;
	bench_measure(bench, row(each, set).name, workload_get, &work, count);
	bench_plan_fini(&work.plan);
}

/* Gets from stores of few keys. */
static void measure_small(struct bench *bench, enum bench_key_set set)
{
	struct work work = {
		.plan = bench_plan(set, SMALL_KEYS, SMALL_KEYS, BENCH_SHUFFLED, 1, VALUE_SIZE),
		.batch = SMALL_KEYS,
		.mode = BENCH_WRITE_FLUSHED,
	};

	for (size_t i = 0; i < bench->side_count; i++)
		workload_load(&bench->sides[i], &work, 0);
	bench_plan_fini(&work.plan);
	measure_gets(bench, set, SMALL_KEYS, "get-10k", "get-10k-txn");
}

static void measure_scans(struct bench *bench, enum bench_key_set set)
{
	struct work work = {
		.plan = bench_plan(set, bench->keys, bench->keys, BENCH_SHUFFLED, 1, VALUE_SIZE),
		.mode = BENCH_READ,
	};

	bench_measure(bench, row("scan", set).name, workload_scan, &work, bench->keys);
	if (set == BENCH_PATHS)
		bench_measure(bench, "scan-prefix", workload_scan_users, &work, BENCH_USERS);
	bench_plan_fini(&work.plan);
}

/* Overwrite random keys in transactions of batch puts.
 *  aged: the stores are those that workload_age() left */
static void measure_puts(struct bench *bench, const char *name, bool aged, uint32_t transactions,
	uint32_t batch, enum bench_mode mode)
{
	struct work work = {.per_repeat = transactions * batch, .batch = batch, .mode = mode};
	uint32_t keys = aged ? bench->keys / 2 * 3 : bench->keys;
	uint32_t count = work.per_repeat * bench->repeats * (aged ? 2 : 1);

	work.plan = bench_plan(BENCH_PATHS, keys, count, BENCH_ANY, 3, VALUE_SIZE);
	if (aged)
		workload_age_plan(&work.plan);
	bench_check(work.plan.count >= work.per_repeat * bench->repeats);
	bench_measure(bench, name, workload_put, &work, transactions);
	bench_plan_fini(&work.plan);
}

static void measure_blobs(struct bench *bench)
{
	struct work work = {
		.plan = bench_plan(BENCH_PATHS, 16, 16, BENCH_SORTED, 1, VALUE_SIZE),
		.per_repeat = bench->quick ? 16 : 48,
		.mode = BENCH_WRITE_FLUSHED,
	};

	for (size_t i = 0; bench_wants(bench, "put-1m") && i < bench->side_count; i++)
		side_renew(&bench->sides[i]);
	bench_measure(bench, "put-1m", workload_put_blobs, &work, work.per_repeat);
	bench_plan_fini(&work.plan);
}

/* 4 KiB into a huge value against one put, both durable, in a store of all keys. Only keytree can
 * do the first, so the second is its measure. */
static void measure_patch(struct bench *bench)
{
	struct side *side = &bench->sides[0];
	uint32_t count = bench->quick ? 50 : 200;
	uint64_t size = bench->quick ? (uint64_t)1 << 28 : (uint64_t)1 << 30;
	struct work work = {.per_repeat = count, .batch = 1, .mode = BENCH_WRITE_FLUSHED};
	uint64_t patches[REPEATS_MAX], puts[REPEATS_MAX];

	if (!side->engine->patch || !bench_wants(bench, "patch"))
		return;
	workload_put_huge(side, size);
	work.plan = bench_plan(
		BENCH_PATHS, bench->keys, count * bench->repeats, BENCH_ANY, 5, VALUE_SIZE);
	for (unsigned repeat = 0; repeat < bench->repeats; repeat++) {
		sync();
		patches[repeat] = workload_patch_huge(side, size, count, repeat) / count;
		puts[repeat] = workload_put(side, &work, repeat) / count;
	}
	bench_report("patch", side->engine->name, patches, bench->repeats);
	bench_report("patch", "one put", puts, bench->repeats);
	bench_plan_fini(&work.plan);
}

static void measure_all(struct bench *bench)
{
	uint32_t less = bench->quick ? 4 : 1;

	measure_small(bench, BENCH_PATHS);
	measure_load(bench, BENCH_PATHS, true);
	measure_load(bench, BENCH_PATHS, false);
	measure_gets(bench, BENCH_PATHS, bench->keys, "get-1m", "get-1m-txn");
	measure_scans(bench, BENCH_PATHS);
	measure_puts(bench, "put", false, 20000 / less, 1, BENCH_WRITE);
	measure_puts(bench, "put-durable", false, 400 / less, 1, BENCH_WRITE_FLUSHED);
	measure_puts(bench, "put-100", false, 100 / less, 100, BENCH_WRITE_FLUSHED);
	measure_patch(bench);

	if (bench_wants(bench, "put-100-aged")) {
		for (size_t i = 0; i < bench->side_count; i++)
			workload_age(&bench->sides[i], bench->keys);
		bench_measure_sizes(bench, "size-aged");
		measure_puts(bench, "put-100-aged", true, 100 / less, 100, BENCH_WRITE_FLUSHED);
	}
	measure_blobs(bench);

	if (bench->quick)
		return;
	measure_small(bench, BENCH_RANDOM);
	measure_load(bench, BENCH_RANDOM, true);
	measure_load(bench, BENCH_RANDOM, false);
	measure_gets(bench, BENCH_RANDOM, bench->keys, "get-1m", "get-1m-txn");
	measure_scans(bench, BENCH_RANDOM);
}

static void choose_engines(struct bench *bench, const char *directory, const char *names)
{
	static const struct bench_engine *const all[] = {
		&bench_keytree, &bench_lmdb, &bench_sqlite};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct side *side = &bench->sides[bench->side_count];

		if (names && !strstr(names, all[i]->name))
			continue;
		side->engine = all[i];
		snprintf(
			side->directory, sizeof(side->directory), "%s/%s", directory, all[i]->name);
		bench->side_count++;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"quick", no_argument, NULL, 'q'},
		{"only", required_argument, NULL, 'o'},
		{"engines", required_argument, NULL, 'e'},
		{"keep", no_argument, NULL, 'k'},
		{0},
	};
	static struct bench bench = {.repeats = 5, .keys = 1000000};
	const char *engines = NULL;
	bool keep = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'o')
			bench.only = optarg;
		else if (option == 'e')
			engines = optarg;
		else if (option == 'k')
			keep = true;
		else if (option == 'q')
			bench.quick = true;
		else
			return 2;
	}
	if (optind + 1 != argc)
		bench_fail("usage: store_bench [--quick] [--only TEXT] [--engines NAMES] [--keep] "
			   "DIRECTORY");
	if (bench.quick)
		bench.keys = 100000;
	choose_engines(&bench, argv[optind], engines);
	measure_all(&bench);
	for (size_t i = 0; i < bench.side_count; i++) {
		if (keep)
			side_close(&bench.sides[i]);
		else
			side_remove(&bench.sides[i]);
	}
	return 0;
}
