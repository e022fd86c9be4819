/* A store whose file cannot grow: a limit on the size of files stands for the full disk. */
#include "store/keytree.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char dir[64];
	char path[128];
	struct kt_store *store;
	struct rlimit limit;
};

static void limit_file_size(rlim_t bytes)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/keytree-full-XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/a.kt", f->dir);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &f->limit);
	*state = f;
	return kt_open(f->path, KT_CREATE, &f->store);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	setrlimit(RLIMIT_FSIZE, &f->limit);
	kt_close(f->store);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static int put(struct fixture *f, unsigned number, size_t size)
{
	static char value[40000];
	char key[16];
	struct kt_txn *txn;
	int err;

	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	snprintf(key, sizeof(key), "key/%06u", number);
	memset(value, 'a' + (int)(number % 26), size);
	err = kt_put(txn, key, strlen(key), value, size);
	if (err == 0)
		return kt_commit(txn, number % 5 == 0 ? KT_FLUSH : 0);
	assert_int_equal(kt_commit(txn, 0), err); /* a failed transaction cannot be committed */
	return err;
}

static int delete (struct fixture *f, unsigned number)
{
	char key[16];
	struct kt_txn *txn;
	int err;

	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	snprintf(key, sizeof(key), "key/%06u", number);
	err = kt_delete(txn, key, strlen(key), 0);
	if (err == 0)
		return kt_commit(txn, 0);
	kt_abort(txn);
	return err;
}

static void assert_sound(struct fixture *f, unsigned keys, size_t size)
{
	struct kt_txn *txn;
	uint64_t findings;

	assert_int_equal(kt_check(f->store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 0);
	assert_int_equal(kt_begin(f->store, KT_READ, &txn), 0);
	for (unsigned i = 0; i < keys; i++) {
		char key[16];
		struct kt_slice value;

		snprintf(key, sizeof(key), "key/%06u", i);
		assert_int_equal(kt_get(txn, key, strlen(key), &value), 0);
		assert_int_equal(value.size, size);
		assert_int_equal(((const char *)value.data)[size - 1], 'a' + (int)(i % 26));
	}
	kt_abort(txn);
}

/* Writing goes on until there is no room; then it fails with the disk's error, all that was
 * committed is there, everything can be deleted key by key, and then there is room again. */
static void full_store(struct fixture *f, size_t size, rlim_t limit)
{
	unsigned keys = 0, again = 0;
	int err;

	limit_file_size(limit);
	while ((err = put(f, keys, size)) == 0)
		keys++;
	assert_int_equal(err, -EFBIG);
	assert_true(keys > 20);
	assert_sound(f, keys, size);
	for (unsigned i = keys; i-- > 0;)
		assert_int_equal(delete (f, i), 0);
	assert_int_equal(kt_flush(f->store), 0);
	while (again < keys && put(f, again, size) == 0)
		again++;
	assert_true(again > keys * 3 / 4);
	assert_sound(f, again, size);
}

static void small_values(void **state)
{
	full_store(*state, 100, 1 << 20);
}

static void large_values(void **state)
{
	full_store(*state, 40000, 3 << 20);
}

/* What was committed before the disk was full is there after the store is closed and opened. */
static void survives_reopening(void **state)
{
	struct fixture *f = *state;
	unsigned keys = 0;

	limit_file_size(2 << 20);
	while (put(f, keys, 1000) == 0)
		keys++;
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open(f->path, 0, &f->store), 0);
	assert_sound(f, keys, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(small_values, setup, teardown),
		cmocka_unit_test_setup_teardown(large_values, setup, teardown),
		cmocka_unit_test_setup_teardown(survives_reopening, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
