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

/* Halve a value where it stands. */
static int halve(void *arg, const struct kt_slice *old, struct kt_slice *ret_new)
{
	(void)arg;
	*ret_new = (struct kt_slice){old->data, old->size / 2};
	return KT_REPLACE;
}

/* The content of an entry of test views(). */
static void fill(uint8_t *bytes, size_t size, unsigned i)
{
	for (size_t n = 0; n < size; n++)
		bytes[n] = (uint8_t)(i * 7 + n);
}

/* A change takes views of the same transaction: the old value, another entry's value as value,
 * attribute or part, and a value as key; the pages they are in move and go to the file meanwhile. */
static void views(void **state)
{
	enum { COUNT = 6000, SIZE = 900 };
	struct fixture *f = *state;
	uint8_t bytes[SIZE], name[16];
	struct kt_entry_info info;
	struct kt_slice value;

	f->store->spill_pages = PAGES;
	begin(f, KT_WRITE);
	for (unsigned i = 0; i < COUNT; i++) {
		uint32_t key = __builtin_bswap32(i), copy = __builtin_bswap32(i | 1U << 31);

		fill(bytes, SIZE, i);
		assert_int_equal(kt_put(f->txn, &key, 4, bytes, SIZE), 0);
		assert_int_equal(kt_update(f->txn, &key, 4, halve, NULL), 0);
		assert_int_equal(kt_get(f->txn, &key, 4, &value), 0);
		assert_int_equal(kt_put(f->txn, &copy, 4, value.data, value.size), 0);
		assert_int_equal(kt_get(f->txn, &key, 4, &value), 0);
		assert_int_equal(kt_set_attr(f->txn, &copy, 4, value.data, 100), 0);
		assert_int_equal(kt_get(f->txn, &key, 4, &value), 0);
		assert_int_equal(kt_write(f->txn, &key, 4, value.size, value.data, 10), 0);
		assert_int_equal(kt_get(f->txn, &key, 4, &value), 0);
		assert_int_equal(kt_put(f->txn, value.data, 16, value.data, 16), 0);
	}
	assert_int_equal(kt_commit(f->txn, KT_FLUSH), 0);
	begin(f, KT_READ);
	for (unsigned i = 0; i < COUNT; i++) {
		uint32_t key = __builtin_bswap32(i), copy = __builtin_bswap32(i | 1U << 31);

		fill(bytes, SIZE, i);
		assert_int_equal(kt_get(f->txn, &key, 4, &value), 0);
		assert_int_equal(value.size, SIZE / 2 + 10);
		assert_memory_equal(value.data, bytes, SIZE / 2);
		assert_memory_equal((const uint8_t *)value.data + SIZE / 2, bytes, 10);
		assert_int_equal(kt_get(f->txn, &copy, 4, &value), 0);
		assert_int_equal(value.size, SIZE / 2);
		assert_memory_equal(value.data, bytes, SIZE / 2);
		assert_int_equal(kt_stat(f->txn, &copy, 4, &info), 0);
		assert_int_equal(info.attr.size, 100);
		assert_memory_equal(info.attr.data, bytes, 100);
		memcpy(name, bytes, sizeof(name));
		assert_int_equal(kt_get(f->txn, name, sizeof(name), &value), 0);
		assert_int_equal(value.size, sizeof(name));
		assert_memory_equal(value.data, name, sizeof(name));
	}
	assert_sound(f);
}

/* Keys that are moved or linked to may be views as well, of a value that moves meanwhile. */
static void key_views(void **state)
{
	enum { COUNT = 4000, SIZE = 700 };
	struct fixture *f = *state;
	uint8_t bytes[SIZE];
	struct kt_slice value;

	f->store->spill_pages = PAGES;
	begin(f, KT_WRITE);
	for (unsigned i = 0; i < COUNT; i++) {
		uint32_t key = __builtin_bswap32(i);

		fill(bytes, SIZE, i);
		memcpy(bytes, &key, 4);
		assert_int_equal(kt_put(f->txn, &key, 4, bytes, SIZE), 0);
		assert_int_equal(kt_get(f->txn, &key, 4, &value), 0);
		assert_int_equal(kt_move(f->txn, &key, 4, f->txn, value.data, 40), 0);
		assert_int_equal(kt_get(f->txn, bytes, 40, &value), 0);
		assert_int_equal(kt_link(f->txn, bytes, 40, f->txn, value.data, 200), 0);
	}
	assert_int_equal(kt_commit(f->txn, KT_FLUSH), 0);
	begin(f, KT_READ);
	for (unsigned i = 0; i < COUNT; i++) {
		uint32_t key = __builtin_bswap32(i);

		fill(bytes, SIZE, i);
		memcpy(bytes, &key, 4);
		assert_int_equal(kt_get(f->txn, &key, 4, &value), -ENOENT);
		for (size_t size = 40; size <= 200; size += 160) {
			assert_int_equal(kt_get(f->txn, bytes, size, &value), 0);
			assert_int_equal(value.size, SIZE);
			assert_memory_equal(value.data, bytes, SIZE);
		}
	}
	assert_sound(f);
}

/* A change takes views of values that lie in the file: the pages of the old ones are used again at
 * once. */
static void large_views(void **state)
{
	enum { COUNT = 200, SIZE = 100000 };
	struct fixture *f = *state;
	uint8_t *bytes = malloc(SIZE);
	struct kt_slice value;

	assert_non_null(bytes);
	begin(f, KT_WRITE);
	fill(bytes, SIZE, 1);
	assert_int_equal(kt_put(f->txn, "a", 1, bytes, SIZE), 0);
	for (unsigned i = 0; i < COUNT; i++) {
		assert_int_equal(kt_get(f->txn, "a", 1, &value), 0);
		assert_int_equal(kt_put(f->txn, "a", 1, value.data, SIZE), 0);
		assert_int_equal(kt_get(f->txn, "a", 1, &value), 0);
		assert_int_equal(kt_write(f->txn, "a", 1, 4096, value.data, 8192), 0);
		assert_int_equal(kt_get(f->txn, "a", 1, &value), 0);
		assert_memory_equal(value.data, bytes, 4096);
		assert_memory_equal((const uint8_t *)value.data + 4096, bytes, 8192);
		assert_memory_equal(
			(const uint8_t *)value.data + 12288, bytes + 12288, SIZE - 12288);
		assert_int_equal(kt_write(f->txn, "a", 1, 4096, bytes + 4096, 8192), 0);
	}
	assert_int_equal(kt_commit(f->txn, KT_FLUSH), 0);
	f->txn = NULL;
	free(bytes);
	assert_sound(f);
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
		FIXTURE_BOTH(views),
		FIXTURE_BOTH(large_views),
		FIXTURE_BOTH(key_views),
		FIXTURE_FILE(limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
