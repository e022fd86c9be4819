/* A store's file that another program cuts off while it is mapped: errors instead of SIGBUS. */
#include "../../fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEYS 2000

static size_t key_of(int i, char key[32])
{
	return (size_t)snprintf(key, 32, "key %05d", i);
}

/* Values of some hundred bytes, in the leaves, and some in blocks of their own. */
static size_t value_of(int i, char value[20000])
{
	size_t size = i % 100 == 0 ? 20000 : 200;

	memset(value, 'a' + i % 26, size);
	return size;
}

static void fill(struct kt_store *store)
{
	static char value[20000];
	struct kt_txn *txn;
	char key[32];

	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	for (int i = 0; i < KEYS; i++) {
		size_t size = value_of(i, value);

		assert_int_equal(kt_put(txn, key, key_of(i, key), value, size), 0);
	}
	assert_int_equal(kt_commit(txn, KT_FLUSH), 0);
}

/* Get all values. @return how many could not be got; the others are right */
static int count_failures(struct kt_store *store)
{
	static char value[20000];
	struct kt_slice got;
	struct kt_txn *txn;
	char key[32];
	int failures = 0;

	for (int i = 0; i < KEYS; i++) {
		size_t size = value_of(i, value);
		uint64_t before = kt_fault_count();
		bool same = false;
		int err = kt_begin(store, KT_READ, &txn);

		assert_int_equal(err, 0);
		err = kt_get(txn, key, key_of(i, key), &got);
		if (!err)
			same = got.size == size && memcmp(got.data, value, size) == 0;
		if (err != 0 || kt_fault_count() != before)
			failures++;
		else
			assert_true(same);
		assert_true(err == 0 || err == -EIO || err == -EUCLEAN || err == -EBADMSG);
		kt_abort(txn);
	}
	return failures;
}

/* All values were met and found good before: nothing but the handler finds that they are gone. */
static void test_cut(void **state)
{
	struct fixture *f = *state;
	struct kt_store *other;
	struct kt_slice got;

	assert_int_equal(kt_catch_faults(), 0);
	assert_int_equal(kt_open_memory("other", &other), 0);
	fill(f->store);
	fill(other);
	assert_int_equal(count_failures(f->store), 0);
	assert_int_equal(kt_fault_count(), 0);

	assert_int_equal(truncate(f->temp.path, 8192), 0);
	assert_int_equal(count_failures(f->store), KEYS);
	assert_true(kt_fault_count() > 0);
	assert_int_equal(count_failures(f->store), KEYS);
	assert_int_equal(count_failures(other), 0);

	/* A transaction that has met such a page changes nothing. */
	assert_int_equal(kt_begin(f->store, KT_READ, &f->txn), 0);
	assert_int_not_equal(kt_get(f->txn, "key 00001", 9, &got), 0);
	kt_abort(f->txn);
	f->txn = NULL;
	assert_int_equal(kt_close(other), 0);
}

/* What a write transaction read before it met the missing page is not written. */
static void test_no_commit(void **state)
{
	struct fixture *f = *state;
	struct kt_slice got;
	struct kt_txn *txn;
	char key[32];
	int err = 0;

	assert_int_equal(kt_catch_faults(), 0);
	fill(f->store);
	assert_int_equal(count_failures(f->store), 0);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	assert_int_equal(truncate(f->temp.path, 8192), 0);
	for (int i = 0; i < KEYS && !err; i++)
		err = kt_get(txn, key, key_of(i, key), &got);
	assert_int_equal(err, -EIO);
	assert_non_null(strstr(kt_strerror(f->store, err), "cut off"));
	err = kt_commit(txn, 0);
	assert_int_not_equal(err, 0);
	kt_close(f->store);
	f->store = NULL;
}

static int read_in_child(const char *path)
{
	struct kt_store *store;
	int err = kt_open(path, NULL, &store);

	if (err != 0)
		return err;
	count_failures(store);
	if (truncate(path, 8192) != 0)
		return -errno;
	count_failures(store);
	return 0;
}

/* Without the handler, which an application may decline, the process ends. */
static void test_declined(void **state)
{
	struct fixture *f = *state;
	pid_t child;
	int status;

	fill(f->store);
	assert_int_equal(kt_close(f->store), 0);
	f->store = NULL;
	child = fork();
	if (child == 0) {
		signal(SIGBUS, SIG_DFL);
		_exit(read_in_child(f->temp.path) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

static void own_handler(int number)
{
	(void)number;
	_exit(42);
}

/* A page of another map is the business of the handler that was there before. */
static void test_elsewhere(void **state)
{
	struct fixture *f = *state;
	FILE *file = tmpfile();
	pid_t child = fork();
	int status;

	(void)f;
	if (child == 0) {
		const volatile char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(file), 0);

		signal(SIGBUS, own_handler);
		kt_catch_faults();
		_exit(map[0]);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* the two that end a process come before the handler is there */
		cmocka_unit_test_setup_teardown(
			test_declined, fixture_setup_file, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_elsewhere, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_cut, fixture_setup_file, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_no_commit, fixture_setup_file, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
