/* What a check of a store with many snapshots costs, and what it still finds. */
#include "tests/unit/fixture.h"

#include "store/format.h"
#include "store/commit/txn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEYS 20000
#define SNAPSHOTS 80
#define LARGE ((size_t)32 << 20)

static void put_key(struct kt_txn *txn, unsigned number, const char *value)
{
	char key[32];
	int size = snprintf(key, sizeof(key), "key/%08u", number);

	assert_int_equal(kt_put(txn, key, (size_t)size, value, strlen(value)), 0);
}

/* Leaves with small values, a value in blocks, and keys that share an entry. */
static void fill(struct kt_store *store)
{
	char *large = malloc(LARGE);
	struct kt_txn *txn;

	assert_non_null(large);
	memset(large, 7, LARGE);
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	for (unsigned i = 0; i < KEYS; i++)
		put_key(txn, i, "a value of the first commit, which most snapshots share");
	assert_int_equal(kt_put(txn, "large", 5, large, LARGE), 0);
	assert_int_equal(kt_link(txn, "large", 5, txn, "linked", 6), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	free(large);
}

/* A snapshot, and a commit that changes one leaf and one block. */
static void add_snapshot(struct kt_store *store, unsigned number)
{
	struct kt_txn *txn;
	char name[32];

	snprintf(name, sizeof(name), "%u", number);
	assert_int_equal(kt_snapshot_create(store, name), 0);
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	put_key(txn, number * 97 % KEYS, name);
	assert_int_equal(kt_write(txn, "large", 5, number * 4096 * 5, name, 2), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
}

struct checked {
	uint64_t done, findings, last_page;
};

static int note_done(void *arg, uint64_t done)
{
	((struct checked *)arg)->done = done;
	return 0;
}

static void note_finding(void *arg, uint64_t page, const char *message)
{
	struct checked *checked = arg;

	(void)message;
	checked->last_page = page;
}

static struct checked check(struct kt_store *store)
{
	struct checked checked = {0};

	assert_int_equal(
		kt_check_steps(store, note_finding, note_done, &checked, &checked.findings), 0);
	return checked;
}

/* A page that many snapshots share is verified once: 80 snapshots cost what they do not share. */
static void shared_pages_are_verified_once(void **state)
{
	struct fixture *f = *state;
	struct checked one, many;

	fill(f->store);
	one = check(f->store);
	assert_int_equal(one.findings, 0);
	for (unsigned i = 0; i < SNAPSHOTS; i++)
		add_snapshot(f->store, i);
	many = check(f->store);
	assert_int_equal(many.findings, 0);
	assert_true(one.done > LARGE);
	assert_true(many.done < one.done + one.done / 5);
	for (unsigned i = 0; i < SNAPSHOTS; i += 2) {
		char name[32];

		snprintf(name, sizeof(name), "%u", i);
		assert_int_equal(kt_snapshot_delete(f->store, name), 0);
	}
	assert_int_equal(check(f->store).findings, 0);
}

/* Damage in a page that only the oldest snapshot has, and in one that all share, is found. */
static void damage_of_a_snapshot_is_found(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *oldest;
	uint64_t page;
	uint8_t byte;
	int fd;

	fill(f->store);
	for (unsigned i = 0; i < 5; i++)
		add_snapshot(f->store, i);
	assert_int_equal(kt_snapshot_open(f->store, "0", &oldest), 0);
	page = oldest->txn->trees[TREE_ENTRIES].root & ((UINT64_C(1) << PAGE_BITS) - 1);
	kt_abort(oldest);
	fd = open(f->temp.path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)(page * PAGE_SIZE + 2000)), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)(page * PAGE_SIZE + 2000)), 1);
	assert_true(check(f->store).findings > 0);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)(page * PAGE_SIZE + 2000)), 1);
	assert_int_equal(check(f->store).findings, 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_BOTH(shared_pages_are_verified_once),
		FIXTURE_FILE(damage_of_a_snapshot_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
