/* Increments while a thread writes. */
#include "tests/unit/rng.h"
#include "tests/unit/store/copy/increment_world.h"

#include "keytree_fs.h"

#include "store/copy/increment.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

/* ---- a pipe that stalls ---------------------------------------------------------------------- */

struct receiver {
	struct kt_store *store;
	int fd, err;
};

static void *receive(void *arg)
{
	struct receiver *receiver = arg;

	receiver->err = kt_apply(receiver->store, receiver->fd, 0, NULL, NULL);
	return NULL;
}

static void pass_on(int from, int to, size_t size)
{
	static char bytes[1 << 16];

	while (size > 0) {
		ssize_t got = read(from, bytes, size < sizeof(bytes) ? size : sizeof(bytes));

		assert_true(got > 0);
		assert_int_equal(write(to, bytes, (size_t)got), got);
		size -= (size_t)got;
	}
}

/* While the rest of an increment is still to come through a pipe, others write to the store. */
static void pipe_stalls(void **state)
{
	struct increment_world *f = *state;
	struct receiver receiver = {.err = 0};
	struct kt_txn *txn;
	pthread_t thread;
	size_t size;
	int fd, left, ends[2];

	increment_prepare(f);
	fd = increment_make(f->store, "one", "two");
	size = (size_t)increment_size(fd);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	receiver.store = f->copy;
	receiver.fd = ends[0];
	assert_int_equal(pthread_create(&thread, NULL, receive, &receiver), 0);
	pass_on(fd, ends[1], size / 2);
	do { /* until the receiver has taken all of that */
		assert_int_equal(ioctl(ends[0], FIONREAD, &left), 0);
		sched_yield();
	} while (left > 0);
	assert_int_equal(kt_begin_wait(f->copy, KT_WRITE, 30000, &txn), 0);
	assert_int_equal(kt_abort(txn), 0);
	pass_on(fd, ends[1], size - size / 2);
	assert_int_equal(close(ends[1]), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(receiver.err, 0);
	increment_assert_same(f->store, "two", f->copy, NULL);
	increment_assert_sound(f->copy);
	close(ends[0]);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		INCREMENT_TEST(while_others_write),
		INCREMENT_TEST(pipe_stalls),
	};

	return cmocka_run_group_tests_name("increment_beside", tests, NULL, NULL);
}
