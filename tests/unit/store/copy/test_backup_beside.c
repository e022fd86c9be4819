/* Backups while other threads and processes write. */
#include "tests/unit/fixture.h"
#include "tests/unit/rng.h"
#include "tests/unit/store/copy/backup_world.h"

#include "keytree_fs.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ACCOUNTS 400
#define TOTAL (ACCOUNTS * UINT64_C(1000))

struct writer {
	struct kt_store *store;
	struct rng rng;
	_Atomic bool stop;
	_Atomic unsigned commits;
	_Atomic int err;
};

static int get_account(struct kt_txn *txn, unsigned account, uint64_t *ret_number)
{
	char key[32];

	snprintf(key, sizeof(key), "account/%u", account);
	return kt_get_uint(txn, key, strlen(key), 8, ret_number);
}

static int put_account(struct kt_txn *txn, unsigned account, uint64_t number)
{
	char key[32];

	snprintf(key, sizeof(key), "account/%u", account);
	return kt_put_uint(txn, key, strlen(key), 8, number);
}

/* Move an amount from one account to another, and write something that takes space. */
static int transfer(struct kt_txn *txn, struct rng *rng)
{
	unsigned from = (unsigned)rng_below(rng, ACCOUNTS), to = (unsigned)rng_below(rng, ACCOUNTS);
	uint64_t amount = rng_below(rng, 100), balance;
	char key[16];
	int err = get_account(txn, from, &balance);

	if (amount > balance)
		amount = balance;
	if (!err)
		err = put_account(txn, from, balance - amount);
	if (!err)
		err = get_account(txn, to, &balance);
	if (!err)
		err = put_account(txn, to, balance + amount);
	snprintf(key, sizeof(key), "bulk/%u", from);
	return err != 0 ? err : kt_put(txn, key, strlen(key), backup_bytes, rng_below(rng, 20000));
}

static void *keep_writing(void *arg)
{
	struct writer *writer = arg;

	while (!writer->stop && !writer->err) {
		struct kt_txn *txn;

		writer->err = kt_begin(writer->store, KT_WRITE, &txn);
		if (writer->err != 0)
			break;
		writer->err = transfer(txn, &writer->rng);
		if (!writer->err)
			writer->err = kt_commit(txn, 0);
		else
			kt_abort(txn);
		writer->commits++;
	}
	return NULL;
}

static void assert_total(const char *path)
{
	struct kt_store *copy = backup_open_copy(path);
	struct kt_txn *txn = backup_begin_read(copy);
	uint64_t sum = 0, number;

	for (unsigned i = 0; i < ACCOUNTS; i++) {
		assert_int_equal(get_account(txn, i, &number), 0);
		sum += number;
	}
	assert_int_equal(sum, TOTAL);
	kt_abort(txn);
	assert_int_equal(kt_close(copy), 0);
}

/* Writers move amounts between accounts all the while. In each copy the sum is right, and it is the
 * very commit that was asked for. */
static void one_point_in_time(void **state)
{
	struct fixture *f = *state;
	struct writer writers[2] = {{.store = f->store}, {.store = f->store}};
	pthread_t threads[2];
	struct kt_txn *txn;

	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	for (unsigned i = 0; i < ACCOUNTS; i++)
		assert_int_equal(put_account(txn, i, 1000), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	for (unsigned i = 0; i < 2; i++) {
		writers[i].rng = rng_seed("backup");
		assert_int_equal(pthread_create(&threads[i], NULL, keep_writing, &writers[i]), 0);
	}
	for (unsigned i = 0; i < 5; i++) {
		unsigned before = writers[0].commits;

		while (writers[0].commits < before + 20 && !writers[0].err)
			sched_yield();
		if (i == 2)
			assert_int_equal(kt_snapshot_create(f->store, "s"), 0);
		txn = backup_begin_read(f->store);
		assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), 0);
		backup_assert_copy_is(f, txn);
		kt_abort(txn);
		assert_total(f->temp.copy);
		assert_int_equal(unlink(f->temp.copy), 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		writers[i].stop = true;
		pthread_join(threads[i], NULL);
		assert_int_equal(writers[i].err, 0);
	}
	fixture_assert_sound(f->store);
}

/* The same with a writer in another process, and a reader who may not write. */
static void beside_another_process(void **state)
{
	struct fixture *f = *state;
	struct writer writer = {.rng = rng_seed("backup, other process")};
	struct kt_txn *txn;
	pid_t child;

	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	for (unsigned i = 0; i < ACCOUNTS; i++)
		assert_int_equal(put_account(txn, i, 1000), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_close(f->store), 0);
	child = fork();
	if (child == 0) {
		if (kt_open(f->temp.path, NULL, &writer.store) == 0)
			keep_writing(&writer);
		_exit(1);
	}
	assert_int_equal(kt_open(f->temp.path, KT_OPTIONS(.flags = KT_READONLY), &f->store), 0);
	for (unsigned i = 0; i < 4; i++) {
		struct kt_store_info before, info;

		assert_int_equal(kt_info(f->store, &before), 0);
		do
			assert_int_equal(kt_info(f->store, &info), 0);
		while (info.txn < before.txn + 10 && waitpid(child, NULL, WNOHANG) == 0);
		assert_true(info.txn >= before.txn + 10);
		txn = backup_begin_read(f->store);
		assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), 0);
		backup_assert_copy_is(f, txn);
		kt_abort(txn);
		assert_total(f->temp.copy);
		assert_int_equal(unlink(f->temp.copy), 0);
	}
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_BOTH(one_point_in_time),
		FIXTURE_FILE(beside_another_process),
	};

	return cmocka_run_group_tests_name("backup_beside", tests, NULL, NULL);
}
