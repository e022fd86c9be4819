/* A store for a test, as a file in a directory of its own or in memory, and a transaction of it. */
#ifndef TESTS_UNIT_FIXTURE_H
#define TESTS_UNIT_FIXTURE_H

#include "temp.h"

#include "keytree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct temp temp;
	bool memory;
	struct kt_store *store; /* a file's is at temp.path; named "test" in memory */
	struct kt_txn *txn;	/* what the test leaves open here is aborted */
};

/** Only the directory. For cmocka, as all that follow. */
static inline int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return f != NULL ? temp_make(&f->temp) : -1;
}

static inline int fixture_setup_file(void **state)
{
	int err = fixture_setup(state);
	struct fixture *f = *state;

	return err != 0 ? err : kt_open(f->temp.path, KT_OPTIONS(.flags = KT_CREATE), &f->store);
}

static inline int fixture_setup_memory(void **state)
{
	int err = fixture_setup(state);
	struct fixture *f = *state;

	if (err != 0)
		return err;
	f->memory = true;
	return kt_open_memory("test", &f->store);
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	kt_abort(f->txn);
	kt_close(f->store);
	temp_remove(&f->temp);
	free(f);
	return 0;
}

/** Fail the test unless a store is sound. */
static inline void fixture_assert_sound(struct kt_store *store)
{
	uint64_t findings;

	assert_int_equal(kt_check(store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 0);
}

/** Begin the transaction of the fixture. */
static inline void fixture_begin(struct fixture *f, unsigned flags)
{
	assert_int_equal(kt_begin(f->store, flags, &f->txn), 0);
}

static inline void fixture_commit(struct fixture *f)
{
	assert_int_equal(kt_commit(f->txn, 0), 0);
	f->txn = NULL;
}

static inline void fixture_abort(struct fixture *f)
{
	kt_abort(f->txn);
	f->txn = NULL;
}

static inline int fixture_put(struct kt_txn *txn, const char *key, const char *value)
{
	return kt_put(txn, key, strlen(key), value, strlen(value));
}

static inline void fixture_assert_value(struct kt_txn *txn, const char *key, const char *expected)
{
	struct kt_slice value;

	assert_int_equal(kt_get(txn, key, strlen(key), &value), 0);
	assert_int_equal(value.size, strlen(expected));
	assert_memory_equal(value.data, expected, value.size);
}

/** A test on a file; and one on a file and in memory, for the list of a group. */
#define FIXTURE_FILE(test)                                                                         \
	cmocka_unit_test_setup_teardown(test, fixture_setup_file, fixture_teardown)
#define FIXTURE_BOTH(test)                                                                         \
	FIXTURE_FILE(test),                                                                        \
		cmocka_unit_test_setup_teardown(test, fixture_setup_memory, fixture_teardown)

#endif
