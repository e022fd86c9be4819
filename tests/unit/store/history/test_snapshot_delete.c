/* Deleting a snapshot tells how far it is, and can be given up; what is not there is said in words. */
#include "tests/unit/fixture.h"

#include <errno.h>
#include <stdio.h>

/* Calls of a progress function, and when it gives up. */
struct steps {
	unsigned calls, give_up_at;
	uint64_t done, total;
};

static int step(void *arg, uint64_t done, uint64_t total)
{
	struct steps *steps = arg;

	assert_true(done > steps->done);
	assert_true(done <= total);
	steps->done = done;
	steps->total = total;
	return ++steps->calls == steps->give_up_at ? -ECANCELED : 0;
}

static uint64_t kept_bytes;

static int note_kept(void *arg, const struct kt_snapshot *snapshot)
{
	(void)arg;
	kept_bytes = snapshot->kept_bytes;
	return 0;
}

/* The steps end with all that the snapshot kept. A deletion that is given up has done nothing. */
static void steps(void **state)
{
	struct fixture *f = *state;
	static char value[8 << 20];
	struct steps few = {.give_up_at = 3}, all = {0};
	struct kt_txn *then;

	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_put(f->txn, "large", 5, value, sizeof(value)), 0);
	fixture_commit(f);
	assert_int_equal(kt_snapshot_create(f->store, "s"), 0);
	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_delete(f->txn, "large", 5, 0), 0);
	fixture_commit(f);
	assert_int_equal(kt_snapshot_delete_steps(f->store, "s", step, &few), -ECANCELED);
	assert_int_equal(few.calls, 3);
	assert_int_equal(kt_snapshot_list(f->store, note_kept, NULL), 0);
	assert_int_equal(kt_snapshot_open(f->store, "s", &then), 0);
	kt_abort(then);
	fixture_assert_sound(f->store);
	assert_int_equal(kt_snapshot_delete_steps(f->store, "s", step, &all), 0);
	assert_int_equal(all.done, all.total);
	assert_int_equal(all.total, kept_bytes);
	assert_true(all.calls >= 3);
	assert_int_equal(kt_snapshot_open(f->store, "s", &then), -ENOENT);
	fixture_assert_sound(f->store);
}

static void assert_words(struct fixture *f, int err, const char *words)
{
	assert_int_equal(err, -ENOENT);
	assert_non_null(strstr(kt_strerror(f->store, err), words));
}

/* The words say what is not there: a snapshot, a collection, a key. */
static void words(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *collection;
	struct kt_txn *txn;
	struct kt_slice value;

	assert_words(f, kt_snapshot_open(f->store, "s", &txn), "no such snapshot");
	assert_words(f, kt_snapshot_delete(f->store, "s"), "no such snapshot");
	assert_words(
		f, kt_collection_open(f->store, KT_STR("c"), 0, &collection), "no such collection");
	fixture_begin(f, KT_WRITE);
	assert_words(f, kt_collection_delete(f->txn, KT_STR("c")), "no such collection");
	assert_words(f, kt_get(f->txn, KT_STR("k"), &value), "no such key");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_BOTH(steps),
		FIXTURE_BOTH(words),
	};

	return cmocka_run_group_tests_name("snapshot_delete", tests, NULL, NULL);
}
