/* A transaction that is larger than the memory it may have: what it made goes to the file before it
 * is committed, where nobody sees it. */
#include "tests/unit/fixture.h"

#include "store/commit/txn.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define KEYS 20000
#define PAGES 64

/* One put touches a path, and splits each node of it once. */
#define PAGES_OF_A_PUT 16

static void value_of(uint32_t key, unsigned round, char *value)
{
	memset(value, (int)('a' + (key + round) % 26), 100);
	memcpy(value, &key, sizeof(key));
}

/* Put all keys, in an order that scatters them. */
static void put_all(struct fixture *f, unsigned round)
{
	const struct txn *txn = f->txn->txn;
	char value[100];

	for (uint32_t i = 0; i < KEYS; i++) {
		uint32_t key = i * UINT32_C(2654435761);

		value_of(key, round, value);
		assert_int_equal(kt_put(f->txn, &key, sizeof(key), value, sizeof(value)), 0);
		assert_true(txn->pager.dirty_live <= PAGES + PAGES_OF_A_PUT);
	}
}

static void assert_all(struct kt_txn *txn, unsigned round)
{
	struct kt_slice found;
	char value[100];

	for (uint32_t i = 0; i < KEYS; i++) {
		uint32_t key = i * UINT32_C(2654435761);

		value_of(key, round, value);
		assert_int_equal(kt_get(txn, &key, sizeof(key), &found), 0);
		assert_int_equal(found.size, sizeof(value));
		assert_memory_equal(found.data, value, sizeof(value));
	}
}

static void assert_sound(struct fixture *f)
{
	uint64_t findings;

	assert_int_equal(kt_check(f->store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 0);
}

static void begin(struct fixture *f, unsigned flags)
{
	assert_int_equal(kt_begin(f->store, flags, &f->txn), 0);
}

/* Keys in any order, some times as many as fit: the memory is bounded, and the transaction sees,
 * and commits, every one of them. Others see nothing before. */
static void bounded(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *reader;
	struct kt_slice value;
	uint32_t key = 0;

	f->store->spill_pages = PAGES;
	for (unsigned round = 0; round < 2; round++) {
		begin(f, KT_WRITE);
		put_all(f, round);
		assert_all(f->txn, round);
		assert_int_equal(kt_begin(f->store, KT_READ, &reader), 0);
		if (round == 0)
			assert_int_equal(kt_get(reader, &key, sizeof(key), &value), -ENOENT);
		else
			assert_all(reader, 0);
		kt_abort(reader);
		assert_int_equal(kt_commit(f->txn, KT_FLUSH), 0);
		f->txn = NULL;
		assert_sound(f);
	}
	begin(f, KT_READ);
	assert_all(f->txn, 1);
}

/* A transaction that was spilled and is given up leaves nothing. */
static void given_up(void **state)
{
	struct fixture *f = *state;

	f->store->spill_pages = PAGES;
	begin(f, KT_WRITE);
	put_all(f, 0);
	assert_int_equal(kt_commit(f->txn, 0), 0);
	begin(f, KT_WRITE);
	put_all(f, 1);
	kt_abort(f->txn);
	f->txn = NULL;
	assert_sound(f);
	begin(f, KT_READ);
	assert_all(f->txn, 0);
}

/* How much it may have follows the machine. */
static void limit(void **state)
{
	struct fixture *f = *state;
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

	assert_true(f->store->spill_pages > 0);
	assert_true(f->store->spill_pages * PAGE_SIZE <= memory / 16);
	assert_true(f->store->spill_pages * PAGE_SIZE <= UINT64_C(512) << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_BOTH(bounded),
		FIXTURE_BOTH(given_up),
		FIXTURE_FILE(limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
