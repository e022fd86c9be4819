/* Collections that several threads use. */
#include "tests/unit/fixture.h"
#include "tests/unit/store/entry/collection_world.h"

#include "keytree_fs.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define THREADS 4
#define ROUNDS 200

struct worker {
	struct kt_collection *shared;
	struct kt_store *store;
	unsigned number;
	int err;
};

static int increment(void *arg, const struct kt_slice *old, struct kt_slice *ret_new)
{
	uint64_t *number = arg;

	*number = 0;
	if (old != NULL)
		memcpy(number, old->data, sizeof(*number));
	++*number;
	*ret_new = (struct kt_slice){number, sizeof(*number)};
	return KT_REPLACE;
}

static int count_up(struct kt_collection *collection)
{
	struct kt_txn *txn;
	uint64_t number;
	int err = kt_collection_begin(collection, KT_WRITE, &txn);

	if (err != 0)
		return err;
	err = kt_update(txn, "sum", 3, increment, &number);
	if (!err)
		return kt_commit(txn, 0);
	kt_abort(txn);
	return err;
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	char name[16];

	snprintf(name, sizeof(name), "own%u", worker->number);
	for (int i = 0; !worker->err && i < ROUNDS; i++) {
		struct kt_collection *own;

		worker->err = count_up(worker->shared);
		if (!worker->err)
			worker->err = kt_collection_open(
				worker->store, name, strlen(name), KT_CREATE, &own);
		if (!worker->err) {
			worker->err = count_up(own);
			kt_collection_close(own);
		}
	}
	return NULL;
}

static void assert_sum(struct kt_collection *collection, uint64_t expected)
{
	struct kt_txn *txn = collection_test_begin(collection, KT_READ);
	uint64_t number;

	assert_int_equal(kt_get_uint(txn, "sum", 3, 8, &number), 0);
	assert_int_equal(number, expected);
	kt_abort(txn);
}

/* One handle serves many threads at once; each also makes and opens a collection of its own. */
static void threads(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *shared = collection_test_open(f, "shared", KT_CREATE);
	struct worker workers[THREADS];
	pthread_t ids[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){shared, f->store, i, 0};
		assert_int_equal(pthread_create(&ids[i], NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(ids[i], NULL);
		assert_int_equal(workers[i].err, 0);
	}
	assert_sum(shared, THREADS * ROUNDS);
	kt_collection_close(shared);
	shared = collection_test_open(f, "own0", 0);
	assert_sum(shared, ROUNDS);
	kt_collection_close(shared);
	assert_string_equal(collection_test_list(f), "own0 own1 own2 own3 shared ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_BOTH(threads),
	};

	return cmocka_run_group_tests_name("collection_threads", tests, NULL, NULL);
}
