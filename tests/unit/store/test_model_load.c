/* A load in key order on a store and on a sorted array must agree. */
#include "tests/unit/model.h"
#include "tests/unit/rng.h"
#include "tests/unit/store/model_world.h"

#include "keytree_fs.h"

#include "store/share/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void put_number(struct kt_txn *tree, struct model *model, struct rng *rng, size_t number)
{
	unsigned char key[400], value[1100];
	size_t size = rng_below(rng, rng_below(rng, 3) ? 200 : sizeof(value));
	size_t key_size = (size_t)sprintf((char *)key, "user/%04zu/%08zu", number / 100, number);
	struct model_entry *entry;

	if (rng_below(rng, 50) == 0) { /* too long for a node */
		memset(key + key_size, 'x', sizeof(key) - key_size);
		key_size = sizeof(key);
	}
	model_fill(rng, value, size);
	assert_int_equal(kt_put(tree, key, key_size, value, size), 0);
	entry = model_edit(model, key, key_size);
	model_resize(entry, size);
	memcpy(entry->value, value, size);
}

static void delete_last(struct model_world *f, size_t count)
{
	for (; count > 0 && f->now.count > 0; count--) {
		const struct model_entry *last = &f->now.entries[f->now.count - 1];

		assert_int_equal(kt_delete(f->txn, last->key, last->key_size, 0), 0);
		model_delete(&f->now, last->key, last->key_size);
	}
}

/* Now and then something else than the next key. */
static void disturb(struct model_world *f, struct kt_txn *tree, struct model *other, size_t number)
{
	switch (rng_below(&f->rng, 100)) {
	case 0:
		put_number(f->txn, &f->now, &f->rng, rng_below(&f->rng, number));
		break;
	case 1:
		model_do_delete(f);
		break;
	case 2:
		delete_last(f, rng_below(&f->rng, 60)); /* whole leaves */
		break;
	case 3:
		put_number(tree, other, &f->rng, number);
		break;
	default:
		break;
	}
}

/* A load in key order takes short cuts, and writes pages before the commit. It is right all the
 * same, also where something else happens in between: to the last keys, to others, to another tree,
 * and in a later transaction. */
static void ordered_load_agrees(void **state)
{
	struct model_world *f = *state;
	struct model other = {0};
	size_t number = 0;

	f->rng = rng_seed("model, ordered load");
	model_open_store(f);
	for (unsigned part = 0; part < 4; part++) {
		unsigned loads = rng_cases(12000);
		struct kt_txn *tree;

		assert_int_equal(kt_begin(f->store, KT_WRITE, &f->txn), 0);
		tree = kt_tree(f->txn, KT_DIRECTORIES);
		for (unsigned i = 0; i < loads; i++) {
			number += 1 + rng_below(&f->rng, 3);
			put_number(f->txn, &f->now, &f->rng, number);
			disturb(f, tree, &other, number);
		}
		model_assert_equal(&f->now, f->txn);
		model_assert_equal(&other, tree);
		assert_int_equal(kt_commit(f->txn, part % 2 == 0 ? KT_FLUSH : 0), 0);
		assert_int_equal(kt_begin(f->store, KT_READ, &f->txn), 0);
		model_assert_equal(&f->now, f->txn);
		kt_abort(f->txn);
		f->txn = NULL;
		model_assert_sound(f->store);
	}
	model_fini(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ordered_load_agrees, model_setup, model_teardown),
	};

	return cmocka_run_group_tests_name("model_load", tests, NULL, NULL);
}
