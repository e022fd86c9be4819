/* What must cost the same whatever the store holds, on a small store and on a large one.
 *
 *     cost_bench [--quick] DIRECTORY
 *
 * prints lines of results as store_bench does; the large store is "keytree", the other side is the
 * small one, or the small difference. Both sides do their repetitions in turn.
 */
#include "bench.h"
#include "subjects.h"

#include "keytree.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SMALL_KEYS 1000
#define VALUE_SIZE 100

enum {
	LARGE = 0,
	SMALL = 1,
	SUBJECTS = 2,
};

static void put(struct kt_txn *txn, uint32_t index, uint32_t generation)
{
	struct bench_key key = bench_key(BENCH_PATHS, index);
	char value[VALUE_SIZE];

	bench_value(index, generation, value, sizeof(value));
	bench_check(kt_put(txn, key.bytes, key.size, value, sizeof(value)) == 0);
}

/* Go on with a new store of all keys. */
static void renew(struct subject *subject)
{
	struct bench_plan plan =
		bench_plan(BENCH_PATHS, subject->keys, subject->keys, BENCH_SORTED, 1, VALUE_SIZE);
	struct kt_txn *txn;

	subject_renew(subject);
	txn = subject_begin(subject, KT_WRITE);
	for (uint32_t i = 0; i < plan.count; i++)
		put(txn, plan.indices[i], 0);
	subject_commit(txn, KT_FLUSH);
	bench_plan_fini(&plan);
}

static uint64_t count_entries(struct subject *subject)
{
	struct kt_txn *txn = subject_begin(subject, KT_READ);
	struct kt_counts count;

	bench_check(kt_count(txn, &count) == 0);
	kt_abort(txn);
	return count.entries;
}

/* ---- what is measured ------------------------------------------------------------------------ */

#define SNAPSHOTS 50

static uint64_t take_snapshots(struct subject *subject, unsigned repeat)
{
	uint64_t start, taken = 0;
	char name[16];

	for (uint32_t i = 0; i < SNAPSHOTS; i++) {
		struct kt_txn *txn = subject_begin(subject, KT_WRITE);

		put(txn, i * 7 % subject->keys, repeat + 1);
		subject_commit(txn, 0);
		snprintf(name, sizeof(name), "%u", i);
		start = bench_now_ns();
		bench_check(kt_snapshot_create(subject->store, name) == 0);
		taken += bench_now_ns() - start;
	}
	for (uint32_t i = 0; i < SNAPSHOTS; i++) {
		snprintf(name, sizeof(name), "%u", i);
		bench_check(kt_snapshot_delete(subject->store, name) == 0);
	}
	return taken / SNAPSHOTS;
}

static uint64_t clear(struct subject *subject, unsigned repeat)
{
	struct kt_txn *txn;
	uint64_t start, taken;

	(void)repeat;
	renew(subject);
	start = bench_now_ns();
	txn = subject_begin(subject, KT_WRITE);
	bench_check(kt_clear(txn) == 0);
	subject_commit(txn, 0);
	taken = bench_now_ns() - start;
	bench_check(count_entries(subject) == 0);
	return taken;
}

/* Let some keys differ from a snapshot, and go back to it. @return nanoseconds for all of them */
static uint64_t restore(struct subject *subject, unsigned repeat, uint32_t differ)
{
	struct kt_txn *txn, *point;
	uint64_t start, taken;
	struct kt_slice value;
	struct bench_key key;
	char expected[VALUE_SIZE];
	uint32_t index = 0;

	bench_check(kt_snapshot_create(subject->store, "then") == 0);
	txn = subject_begin(subject, KT_WRITE);
	for (uint32_t i = 0; i < differ; i++) {
		index = (uint32_t)(bench_mix((uint64_t)repeat << 32 | i) % subject->keys);
		put(txn, index, repeat + 100);
	}
	subject_commit(txn, 0);
	bench_check(kt_snapshot_open(subject->store, "then", &point) == 0);
	start = bench_now_ns();
	bench_check(kt_restore(subject->store, point) == 0);
	taken = bench_now_ns() - start;
	kt_abort(point);
	bench_check(kt_snapshot_delete(subject->store, "then") == 0);
	txn = subject_begin(subject, KT_READ);
	key = bench_key(BENCH_PATHS, index);
	bench_value(index, 0, expected, sizeof(expected));
	bench_check(kt_get(txn, key.bytes, key.size, &value) == 0);
	bench_check(memcmp(value.data, expected, sizeof(expected)) == 0);
	kt_abort(txn);
	return taken;
}

static uint64_t restore_10(struct subject *subject, unsigned repeat)
{
	return restore(subject, repeat, 10);
}

/* In the large store, 10,000 keys against 10, for each key. */
static void measure_differences(struct subject *subjects)
{
	for (unsigned repeat = 0; repeat < SUBJECT_REPEATS; repeat++) {
		subjects[0].samples[repeat] = restore(&subjects[LARGE], repeat + 10, 10000) / 10000;
		subjects[1].samples[repeat] = restore(&subjects[LARGE], repeat + 20, 10) / 10;
	}
	subjects_report(subjects, SUBJECTS, "restore-10000");
}

/* ---------------------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
	static const struct option options[] = {{"quick", no_argument, NULL, 'q'}, {0}};
	static struct subject subjects[SUBJECTS] = {
		[LARGE] = {.engine = "keytree", .keys = 1000000},
		[SMALL] = {.engine = "small store", .keys = SMALL_KEYS},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'q')
			return 2;
		subjects[LARGE].keys = 100000;
	}
	if (optind + 1 != argc)
		bench_fail("usage: cost_bench [--quick] DIRECTORY");
	for (unsigned i = 0; i < SUBJECTS; i++) {
		snprintf(subjects[i].path, sizeof(subjects[i].path), "%s/cost-%u.kt", argv[optind],
			i);
		renew(&subjects[i]);
	}
	subjects_measure(subjects, SUBJECTS, "snapshot", take_snapshots);
	subjects_measure(subjects, SUBJECTS, "restore-10", restore_10);
	measure_differences(subjects);
	subjects_measure(subjects, SUBJECTS, "clear", clear);
	for (unsigned i = 0; i < SUBJECTS; i++)
		unlink(subjects[i].path);
	return 0;
}
