/* Increments while a thread writes. */
#include "tests/unit/rng.h"
#include "tests/unit/store/copy/increment_world.h"

#include "keytree_fs.h"

#include "store/copy/increment.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define ACCOUNTS 200

struct writer {
	struct kt_store *store;
	struct rng rng;
	_Atomic bool stop;
	int err;
};

/* Move 1 from one account to another. */
static int transfer(struct kt_txn *txn, struct rng *rng)
{
	char keys[2][16];
	uint64_t balance;
	int err = 0;

	for (int i = 0; i < 2 && !err; i++) {
		size_t size = (size_t)snprintf(
			keys[i], sizeof(keys[i]), "%u", (unsigned)rng_below(rng, ACCOUNTS));

		err = kt_get_uint(txn, keys[i], size, 8, &balance);
		if (!err)
			err = kt_put_uint(txn, keys[i], size, 8, balance + (i == 0 ? 1 : -1));
	}
	return err;
}

static void *keep_writing(void *arg)
{
	struct writer *writer = arg;

	while (!writer->stop && !writer->err) {
		struct kt_txn *txn;

		writer->err = kt_begin(writer->store, KT_WRITE, &txn);
		if (!writer->err)
			writer->err = transfer(txn, &writer->rng);
		if (!writer->err)
			writer->err = kt_commit(txn, 0);
	}
	return NULL;
}

static uint64_t total(struct kt_store *store)
{
	struct kt_txn *txn = increment_begin_read(store);
	struct kt_cursor *cursor;
	uint64_t sum = 0, number;

	assert_int_equal(kt_cursor_open(txn, &cursor), 0);
	while (kt_cursor_next(cursor) == 0) {
		struct kt_slice key = kt_cursor_key(cursor);

		assert_int_equal(kt_get_uint(txn, key.data, key.size, 8, &number), 0);
		sum += number;
	}
	kt_cursor_close(cursor);
	kt_abort(txn);
	return sum;
}

/* Each increment of a store that is written to is one point in time: no amount is lost or there
 * twice in the backup. */
static void while_others_write(void **state)
{
	struct increment_world *f = *state;
	struct writer writer = {.rng = rng_seed("increment while others write")};
	struct kt_txn *txn = increment_begin_write(f->store);
	char names[2][16], key[16];
	pthread_t thread;

	for (unsigned i = 0; i < ACCOUNTS; i++) {
		snprintf(key, sizeof(key), "%u", i);
		assert_int_equal(kt_put_uint(txn, key, strlen(key), 8, 1000000), 0);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_snapshot_create(f->store, "s0"), 0);
	increment_back_up(f, "s0");
	writer.store = f->store;
	assert_int_equal(pthread_create(&thread, NULL, keep_writing, &writer), 0);
	for (unsigned i = 1; i <= 60; i++) {
		snprintf(names[0], sizeof(names[0]), "s%u", i - 1);
		snprintf(names[1], sizeof(names[1]), "s%u", i);
		assert_int_equal(kt_snapshot_create(f->store, names[1]), 0);
		increment_follow(f, names[0], NULL, KT_APPLY_REPLACE);
		assert_int_equal(total(f->copy), ACCOUNTS * UINT64_C(1000000));
		increment_follow(f, names[0], names[1], KT_APPLY_REPLACE);
		assert_int_equal(total(f->copy), ACCOUNTS * UINT64_C(1000000));
		assert_int_equal(kt_snapshot_delete(f->store, names[0]), 0);
	}
	writer.stop = true;
	pthread_join(thread, NULL);
	assert_int_equal(writer.err, 0);
	increment_assert_sound(f->copy);
	increment_assert_sound(f->store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		INCREMENT_TEST(while_others_write),
	};

	return cmocka_run_group_tests_name("increment_beside", tests, NULL, NULL);
}
