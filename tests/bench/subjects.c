#include "subjects.h"

#include "keytree.h"
#include "sides.h"

#include <unistd.h>

void subject_renew(struct subject *subject)
{
	bench_check(kt_close(subject->store) == 0);
	unlink(subject->path);
	bench_check(kt_open(subject->path, KT_OPTIONS(.flags = KT_CREATE), &subject->store) == 0);
}

struct kt_txn *subject_begin(struct subject *subject, unsigned flags)
{
	struct kt_txn *txn;

	bench_check(kt_begin(subject->store, flags, &txn) == 0);
	return txn;
}

void subject_commit(struct kt_txn *txn, unsigned flags)
{
	bench_check(kt_commit(txn, flags) == 0);
}

void subjects_report(struct subject *subjects, unsigned count, const char *row)
{
	for (unsigned i = 0; i < count; i++)
		bench_report(row, subjects[i].engine, subjects[i].samples, SUBJECT_REPEATS);
}

void subjects_measure(struct subject *subjects, unsigned count, const char *row, subject_fn *run)
{
	for (unsigned repeat = 0; repeat < SUBJECT_REPEATS; repeat++)
		for (unsigned i = 0; i < count; i++)
			subjects[i].samples[repeat] = run(&subjects[i], repeat);
	subjects_report(subjects, count, row);
}
