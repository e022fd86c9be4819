/* kt_compact(): the size it reaches, and what it leaves alone. */
#include "tests/unit/store/compact/compact_world.h"

#include "keytree_fs.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>

#include <cmocka.h>

static void compact_aged(struct compact_world *f, unsigned commits, unsigned keys, size_t most)
{
	uint64_t before, aged, fresh, compact;

	compact_age(f, f->store, commits, keys, most);
	before = compact_digest_now(f->store);
	aged = compact_pages(f->store);
	fresh = compact_fresh_pages(f->store);
	assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
	compact = compact_pages(f->store);
	print_message("values up to %zu: %llu pages aged, %llu compact, %llu fresh\n", most,
		(unsigned long long)aged, (unsigned long long)compact, (unsigned long long)fresh);
	compact_assert_sound(f->store);
	assert_int_equal(compact_digest_now(f->store), before);
	assert_true(compact * 100 <= fresh * 105);
	if (f->dir[0] != '\0')
		assert_int_equal(compact_file_size(f), compact * 4096);
}

/* A store that was rewritten many times over comes back to within 5 % of the size it has when it is
 * loaded anew; entries keep their versions and times. */
static void large_values(void **state)
{
	compact_aged(*state, 3000, 3000, VALUE_MAX);
}

static void small_values(void **state)
{
	compact_aged(*state, 16000, 60000, 300);
}

/* A compact store is only looked at: a second compaction writes next to nothing. */
static void twice(void **state)
{
	struct compact_world *f = *state;
	struct kt_store_info first, second;

	compact_age(f, f->store, 2000, 3000, VALUE_MAX);
	assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
	assert_int_equal(kt_info(f->store, &first), 0);
	assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
	assert_int_equal(kt_info(f->store, &second), 0);
	print_message("%llu transactions, %llu pages, then %llu\n",
		(unsigned long long)(second.txn - first.txn), (unsigned long long)first.pages,
		(unsigned long long)second.pages);
	assert_true(second.txn - first.txn <= 4);
	assert_true(second.pages <= first.pages);
}

/* What a snapshot shows stays, and is not stored twice; without it the rest of the space comes
 * back. */
static void with_snapshots(void **state)
{
	struct compact_world *f = *state;
	uint64_t kept[3], now, before, fresh;
	char name[2] = "a";

	for (unsigned i = 0; i < 3; i++) {
		compact_age(f, f->store, 700, 2000, 50000);
		kept[i] = compact_digest_now(f->store);
		name[0] = (char)('a' + i);
		assert_int_equal(kt_snapshot_create(f->store, name), 0);
	}
	compact_age(f, f->store, 700, 2000, 50000);
	now = compact_digest_now(f->store);
	before = compact_pages(f->store);
	assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
	assert_true(compact_pages(f->store) <= before);
	compact_assert_sound(f->store);
	for (unsigned i = 0; i < 3; i++) {
		struct kt_txn *txn;

		name[0] = (char)('a' + i);
		assert_int_equal(kt_snapshot_open(f->store, name, &txn), 0);
		assert_int_equal(compact_digest(txn), kept[i]);
		kt_abort(txn);
		assert_int_equal(kt_snapshot_delete(f->store, name), 0);
	}
	assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
	compact_assert_sound(f->store);
	assert_int_equal(compact_digest_now(f->store), now);
	fresh = compact_fresh_pages(f->store);
	assert_true(compact_pages(f->store) * 100 <= fresh * 105);
}

/* What a reader sees stays, and the file is not cut under it; afterwards it is. */
static void beside_a_reader(void **state)
{
	struct compact_world *f = *state;
	uint64_t seen, size;
	struct kt_txn *reader;

	compact_age(f, f->store, 1500, 3000, 50000);
	assert_int_equal(kt_begin(f->store, KT_READ, &reader), 0);
	seen = compact_digest(reader);
	compact_age(f, f->store, 500, 3000, 50000);
	size = compact_file_size(f);
	assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
	assert_true(compact_file_size(f) >= size);
	assert_true(compact_file_size(f) <= size + (8 << 20));
	assert_int_equal(compact_digest(reader), seen);
	kt_abort(reader);
	assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
	compact_assert_sound(f->store);
	assert_int_equal(compact_file_size(f), compact_pages(f->store) * 4096);
	assert_true(compact_pages(f->store) * 100 <= compact_fresh_pages(f->store) * 105);
}

static int stop(void *arg, const struct kt_compaction *compaction)
{
	unsigned *left = arg;

	assert_true(compaction->done <= compaction->total);
	return (*left)-- == 0 ? 77 : 0;
}

/* It can be interrupted after any step; what is there is sound, and nothing has changed. */
static void interrupted(void **state)
{
	struct compact_world *f = *state;
	uint64_t before;
	int err = 77;

	compact_age(f, f->store, 1000, 3000, 30000);
	before = compact_digest_now(f->store);
	for (unsigned steps = 0; err == 77; steps += steps / 4 + 1) {
		unsigned left = steps;

		err = kt_compact(f->store, stop, &left);
		assert_true(!err || err == 77);
		compact_assert_sound(f->store);
		assert_int_equal(compact_digest_now(f->store), before);
		assert_true(steps < 100000);
	}
	assert_true(compact_pages(f->store) * 100 <= compact_fresh_pages(f->store) * 106);
}

/* A cleared store becomes as small as an empty one. */
static void cleared(void **state)
{
	struct compact_world *f = *state;
	struct kt_txn *txn;

	compact_age(f, f->store, 1500, 3000, 30000);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_clear(txn), 0);
	assert_int_equal(kt_clear(kt_tree(txn, KT_DIRECTORIES)), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
	compact_assert_sound(f->store);
	assert_true(compact_pages(f->store) < 64);
	assert_int_equal(compact_file_size(f), compact_pages(f->store) * 4096);
}

/* It fails where it must, at once. */
static void refused(void **state)
{
	struct compact_world *f = *state;
	struct kt_txn *txn;

	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_compact(f->store, NULL, NULL), -EDEADLK);
	kt_abort(txn);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_READONLY), &f->store), 0);
	assert_int_equal(kt_compact(f->store, NULL, NULL), -EROFS);
}

/* A disk that is full does not keep it from making room. */
static void full_disk(void **state)
{
	struct compact_world *f = *state;
	struct rlimit limit, old;
	uint64_t before, size;

	compact_age(f, f->store, 2000, 3000, 30000);
	assert_int_equal(kt_flush(f->store), 0);
	before = compact_digest_now(f->store);
	size = compact_file_size(f);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_true(compact_file_size(f) < size);
	compact_assert_sound(f->store);
	assert_int_equal(compact_digest_now(f->store), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(large_values, compact_setup, compact_teardown),
		cmocka_unit_test_setup_teardown(twice, compact_setup, compact_teardown),
		cmocka_unit_test_setup_teardown(with_snapshots, compact_setup, compact_teardown),
		cmocka_unit_test_setup_teardown(beside_a_reader, compact_setup, compact_teardown),
		cmocka_unit_test_setup_teardown(interrupted, compact_setup, compact_teardown),
		cmocka_unit_test_setup_teardown(cleared, compact_setup, compact_teardown),
		cmocka_unit_test_setup_teardown(refused, compact_setup, compact_teardown),
		cmocka_unit_test_setup_teardown(full_disk, compact_setup, compact_teardown),
		cmocka_unit_test_setup_teardown(small_values, compact_setup, compact_teardown),
		cmocka_unit_test_setup_teardown(
			large_values, compact_setup_memory, compact_teardown),
		cmocka_unit_test_setup_teardown(
			small_values, compact_setup_memory, compact_teardown),
	};

	compact_seed = rng_seed("test_compact").state;
	return cmocka_run_group_tests_name("compact", tests, NULL, NULL);
}
