/* Stores of different sizes, on which the same is done: what costs more on the larger ones?
 *
 * All repetitions of a row are done on each in turn, as sides.h does it for engines.
 */
#ifndef TESTS_BENCH_SUBJECTS_H
#define TESTS_BENCH_SUBJECTS_H

#include <stdint.h>
#include <sys/types.h>

struct kt_store;
struct kt_txn;

#define SUBJECT_REPEATS 5

/** A store of some size. */
struct subject {
	const char *engine; /* its name in the results */
	char path[4096];
	uint32_t keys;
	struct kt_store *store; /* NULL: it is not open */
	char dir[4096];		/* where it is mounted */
	pid_t daemon;		/* of the mount; 0: it is not mounted */
	uint64_t samples[SUBJECT_REPEATS];
};

/** Go on with an empty store. */
void subject_renew(struct subject *subject);

/** Begin a transaction. @param flags  as those of kt_begin() */
struct kt_txn *subject_begin(struct subject *subject, unsigned flags);

/** Commit it. @param flags  as those of kt_commit() */
void subject_commit(struct kt_txn *txn, unsigned flags);

/** Does one repetition. @return the nanoseconds of one operation */
typedef uint64_t subject_fn(struct subject *subject, unsigned repeat);

/** Measure a row on some subjects, and report it. */
void subjects_measure(struct subject *subjects, unsigned count, const char *row, subject_fn *run);

/** Report the samples of a row. */
void subjects_report(struct subject *subjects, unsigned count, const char *row);

#endif
