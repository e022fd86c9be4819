/* Random operations on a store and on a sorted array must agree, always. */
#include "tests/unit/model.h"
#include "tests/unit/rng.h"
#include "tests/unit/store/model_world.h"

#include "keytree_fs.h"

#include "store/share/handle.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* What differs between a point in time and the last commit, in both directions. */
static void do_diff(struct model_world *f, const struct model *then, struct kt_txn *point)
{
	struct kt_txn *now;

	assert_int_equal(kt_begin(f->store, KT_READ, &now), 0);
	model_assert_diff(then, &f->committed, point, now);
	model_assert_diff(&f->committed, then, now, point);
	kt_abort(now);
}

/* Go back to a point in time. */
static void do_restore(struct model_world *f, const struct model *then, struct kt_txn *point)
{
	struct kt_txn *now;

	assert_int_equal(kt_restore(f->store, point), 0);
	model_fini(&f->committed);
	model_fini(&f->now);
	f->committed = model_clone(then);
	f->now = model_clone(then);
	assert_int_equal(kt_begin(f->store, KT_READ, &now), 0);
	model_assert_equal(&f->now, now);
	kt_abort(now);
}

/* Take, read or delete a snapshot, or go back to it. */
static void do_snapshot(struct model_world *f)
{
	size_t i = rng_below(&f->rng, 5);
	struct kt_txn *txn;

	if (f->snapshots[i].name[0] == '\0') {
		snprintf(f->snapshots[i].name, sizeof(f->snapshots[i].name), "s%zu", i);
		assert_int_equal(kt_snapshot_create(f->store, f->snapshots[i].name), 0);
		f->snapshots[i].model = model_clone(&f->committed);
		return;
	}
	assert_int_equal(kt_snapshot_open(f->store, f->snapshots[i].name, &txn), 0);
	model_assert_equal(&f->snapshots[i].model, txn);
	do_diff(f, &f->snapshots[i].model, txn);
	if (rng_below(&f->rng, 4) == 0)
		do_restore(f, &f->snapshots[i].model, txn);
	if (rng_below(&f->rng, 2) == 0) {
		assert_int_equal(kt_snapshot_delete(f->store, f->snapshots[i].name), 0);
		if (rng_below(&f->rng, 2) == 0) {
			model_run_transaction(f, false);
			model_assert_equal(&f->snapshots[i].model, txn); /* who reads it goes on */
		}
		model_fini(&f->snapshots[i].model);
		f->snapshots[i].name[0] = '\0';
	}
	kt_abort(txn);
}

static void run_rounds(struct model_world *f, size_t rounds)
{
	model_open_store(f);
	for (size_t i = 0; i < rounds; i++) {
		struct kt_txn *reader = NULL;
		struct model seen = {0};

		if (rng_below(&f->rng, 4) == 0) { /* a reader sees one point in time */
			seen = model_clone(&f->committed);
			assert_int_equal(kt_begin(f->store, KT_READ, &reader), 0);
		}
		for (size_t n = rng_below(&f->rng, 4) + 1; n > 0; n--)
			model_run_transaction(f, rng_below(&f->rng, 30) == 0);
		if (rng_below(&f->rng, 5) == 0)
			do_snapshot(f);
		if (reader != NULL) {
			model_assert_equal(&seen, reader);
			kt_abort(reader);
			model_fini(&seen);
		}
		if (rng_below(&f->rng, 10) == 0)
			model_assert_sound(f->store);
		if (!f->memory && rng_below(&f->rng, 10) == 0) {
			assert_int_equal(kt_close(f->store), 0);
			model_open_store(f);
		}
	}
	assert_int_equal(kt_begin(f->store, KT_READ, &f->txn), 0);
	model_assert_equal(&f->now, f->txn);
	kt_abort(f->txn);
	f->txn = NULL;
	model_assert_sound(f->store);
}

/* A store in a file, closed and opened now and then, always shows what the array holds. */
static void file_store_agrees(void **state)
{
	struct model_world *f = *state;

	f->rng = rng_seed("model, file");
	run_rounds(f, 150);
}

/* So does a store in memory. */
static void memory_store_agrees(void **state)
{
	struct model_world *f = *state;

	f->memory = true;
	f->rng = rng_seed("model, memory");
	run_rounds(f, 150);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(file_store_agrees, model_setup, model_teardown),
		cmocka_unit_test_setup_teardown(memory_store_agrees, model_setup, model_teardown),
	};

	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
