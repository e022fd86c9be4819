/* kt_compact() while threads read and write. */
#include "tests/unit/rng.h"
#include "tests/unit/store/compact/compact_world.h"

#include "keytree_fs.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

struct beside {
	struct kt_store *store;
	_Atomic bool end;
	_Atomic uint64_t commits, reads;
	_Atomic uint64_t failures;
};

static void *write_on(void *arg)
{
	struct beside *beside = arg;

	for (uint32_t n = 0; !atomic_load(&beside->end); n++) {
		uint32_t key = n % 1000;
		struct kt_txn *txn;

		if (kt_begin(beside->store, KT_WRITE, &txn) != 0 ||
			kt_put(txn, &key, sizeof(key), &n, sizeof(n)) != 0 ||
			kt_commit(txn, 0) != 0)
			atomic_fetch_add(&beside->failures, 1);
		atomic_fetch_add(&beside->commits, 1);
	}
	return NULL;
}

static void *read_on(void *arg)
{
	struct beside *beside = arg;

	while (!atomic_load(&beside->end)) {
		struct kt_txn *txn;
		uint64_t once;

		if (kt_begin(beside->store, KT_READ, &txn) != 0)
			continue;
		once = compact_digest(txn);
		if (compact_digest(txn) != once)
			atomic_fetch_add(&beside->failures, 1);
		kt_abort(txn);
		atomic_fetch_add(&beside->reads, 1);
	}
	return NULL;
}

struct steps {
	struct beside *beside;
	uint64_t count, others, waited;
};

/* A writer that waits gets its turn between two steps. */
static int count_step(void *arg, const struct kt_compaction *compaction)
{
	struct steps *steps = arg;
	uint64_t commits = atomic_load(&steps->beside->commits);

	(void)compaction;
	steps->count++;
	steps->waited += commits > steps->others;
	steps->others = commits;
	return 0;
}

/* Readers see a point in time while pages move beneath them, and writers go on between the steps.
 */
static void beside_others(void **state)
{
	struct compact_world *f = *state;
	struct beside beside = {.store = f->store};
	struct steps steps = {.beside = &beside};
	pthread_t writer, reader;

	compact_age(f, f->store, 1500, 3000, 30000);
	pthread_create(&writer, NULL, write_on, &beside);
	pthread_create(&reader, NULL, read_on, &beside);
	while (atomic_load(&beside.commits) == 0)
		sched_yield();
	assert_int_equal(kt_compact(f->store, count_step, &steps), 0);
	atomic_store(&beside.end, true);
	pthread_join(writer, NULL);
	pthread_join(reader, NULL);
	print_message("%llu steps, writers came in after %llu\n", (unsigned long long)steps.count,
		(unsigned long long)steps.waited);
	assert_int_equal(atomic_load(&beside.failures), 0);
	assert_true(steps.waited * 4 >= steps.count);
	compact_assert_sound(f->store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(beside_others, compact_setup, compact_teardown),
	};

	compact_seed = rng_seed("test_compact").state;
	return cmocka_run_group_tests_name("compact_beside", tests, NULL, NULL);
}
