/* Stores that are measured against each other.
 *
 * A row is one workload, run by all sides in turn, repetition by repetition, so that whatever
 * disturbs the machine disturbs all of them.
 */
#ifndef TESTS_BENCH_SIDES_H
#define TESTS_BENCH_SIDES_H

#include "bench.h"

#define SIDES_MAX 3
#define REPEATS_MAX 9

/** One engine and its open store. */
struct side {
	const struct bench_engine *engine;
	struct bench_db *db;
	char directory[4096];
};

/** A run of the benchmark. */
struct bench {
	const char *only; /* rows whose names contain this; NULL: all */
	bool quick;
	unsigned repeats;
	uint32_t keys; /* of the large stores */
	struct side sides[SIDES_MAX];
	size_t side_count;
};

/** What one row does. */
struct work {
	struct bench_plan plan;
	uint32_t per_repeat; /* operations of one repetition, out of the plan */
	uint32_t batch;	     /* operations of one transaction */
	enum bench_mode mode;
};

/** Run one repetition of a workload.
 *  @return the nanoseconds it took */
typedef uint64_t workload(struct side *side, const struct work *work, unsigned repeat);

/** Go on with an empty store. */
void side_renew(struct side *side);

/** Close a side's store. */
void side_close(struct side *side);

/** Close a side's store and remove it. */
void side_remove(struct side *side);

/** Is this row asked for? */
bool bench_wants(const struct bench *bench, const char *row);

/** Print one line of results: ROW, ENGINE, median, least and greatest, between tabs.
 *  @param samples  sorted in place */
void bench_report(const char *row, const char *engine, uint64_t *samples, unsigned count);

/** Run a workload on all sides in turn and report it, if it is wanted.
 *  @param operations  what the time of one repetition is divided by */
void bench_measure(struct bench *bench, const char *row, workload *run, const struct work *work,
	uint64_t operations);

/** Report the bytes of disk that each side's store takes. */
void bench_measure_sizes(struct bench *bench, const char *row);

#endif
