/* Increments of random histories: the backup is equal to the store at each snapshot. */
#include "tests/unit/rng.h"
#include "tests/unit/store/copy/increment_world.h"

#include "keytree_fs.h"

#include "store/copy/increment.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define KEYS 24

/* Keys that are hard to tell apart, the empty one and the longest among them. */
static size_t pick_key(struct rng *rng, char *key)
{
	static const char *const texts[] = {"", "a", "a/", "a/b", "a-", "a\xff", "/", "//", "a//b",
		"%value", ".", "..", "\n", "\xff\xff", "dir/x", "dir/y"};
	size_t n = rng_below(rng, KEYS), size = strlen(texts[n % 16]);

	memcpy(key, texts[n % 16], size);
	if (n >= 16 && n < 20) { /* NUL, and long ones */
		key[size++] = '\0';
	} else if (n >= 20) {
		size_t length = n == 23 ? KT_KEY_MAX : 200 * (n - 18);

		memset(key + size, 'k', length - size);
		size = length;
	}
	return size;
}

static size_t pick_size(struct rng *rng)
{
	static const size_t limits[] = {1, 40, 1100, 5000, 66000, 70000, 400000};

	return rng_below(rng, limits[rng_below(rng, sizeof(limits) / sizeof(limits[0]))] + 1);
}

static int change_value(struct kt_txn *txn, struct rng *rng, const char *key, size_t size)
{
	const char *data = increment_bytes + rng_below(rng, 1000);

	switch (rng_below(rng, 6)) {
	case 0:
		return kt_put(txn, key, size, data, pick_size(rng));
	case 1:
		return kt_put_entry(txn, key, size, data, pick_size(rng), data,
			rng_below(rng, rng_below(rng, 8) == 0 ? 200000 : 80), 12345);
	case 2:
		return kt_write(
			txn, key, size, rng_below(rng, 600000), data, rng_below(rng, 30000) + 1);
	case 3:
		return kt_write(
			txn, key, size, rng_below(rng, 70000), data, rng_below(rng, 5000) + 1);
	case 4:
		return kt_truncate(txn, key, size, pick_size(rng));
	default:
		return kt_punch(txn, key, size, rng_below(rng, 300000), pick_size(rng));
	}
}

static int change_entry(struct kt_txn *txn, struct rng *rng, const char *key, size_t size)
{
	char other[KT_KEY_MAX];
	size_t other_size = pick_key(rng, other);

	switch (rng_below(rng, 6)) {
	case 0:
		return kt_delete(txn, key, size, KT_MISSING_OK);
	case 1:
		return kt_set_attr(txn, key, size, increment_bytes, rng_below(rng, 60));
	case 2:
		return kt_set_mtime(txn, key, size, (int64_t)rng_below(rng, 1000000));
	case 3:
		return kt_move(txn, key, size, txn, other, other_size);
	default:
		return kt_link(txn, key, size, txn, other, other_size);
	}
}

static int change_directory(struct kt_txn *txn, struct rng *rng)
{
	static const char *const names[] = {"a/", "empty/", "a/b/", "//"};
	const char *name = names[rng_below(rng, 4)];
	struct kt_txn *tree = kt_tree(txn, KT_DIRECTORIES);

	if (rng_below(rng, 3) == 0)
		return kt_delete(tree, name, strlen(name), KT_MISSING_OK);
	return kt_put_entry(
		tree, name, strlen(name), "", 0, increment_bytes, rng_below(rng, 50), 77);
}

static void change_something(struct increment_world *f)
{
	unsigned count = 1 + (unsigned)rng_below(&f->rng, 12);
	struct kt_txn *txn = increment_begin_write(f->store);

	for (unsigned i = 0; i < count; i++) {
		char key[KT_KEY_MAX];
		size_t size = pick_key(&f->rng, key), way = rng_below(&f->rng, 100);
		int err;

		if (way == 0)
			err = kt_clear(txn);
		else if (way < 10)
			err = change_directory(txn, &f->rng);
		else if (way < 60)
			err = change_value(txn, &f->rng, key, size);
		else
			err = change_entry(txn, &f->rng, key, size);
		assert_true(!err || err == -ENOENT || err == -EEXIST);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
}

/* What may happen to a store and its backup between two increments. */
static void interfere(struct increment_world *f)
{
	switch (rng_below(&f->rng, 8)) {
	case 0:
		assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
		break;
	case 1:
		assert_int_equal(kt_compact(f->copy, NULL, NULL), 0);
		break;
	case 2:
		assert_int_equal(kt_close(f->copy), 0);
		assert_int_equal(kt_open(f->copy_path, NULL, &f->copy), 0);
		break;
	case 3:
		increment_put_text(f->copy, "written to the backup", "lost");
		break;
	default:
		break;
	}
}

static void run_history(struct increment_world *f)
{
	unsigned rounds = 2 + (unsigned)rng_below(&f->rng, 6);
	char since[16], name[16];

	for (size_t i = rng_below(&f->rng, 3); i > 0; i--)
		change_something(f);
	assert_int_equal(kt_snapshot_create(f->store, "s0"), 0);
	if (rng_below(&f->rng, 2))
		change_something(f);
	increment_back_up(f, rng_below(&f->rng, 2) ? "s0" : NULL);
	for (unsigned round = 1; round <= rounds; round++) {
		snprintf(since, sizeof(since), "s%u", round - 1);
		snprintf(name, sizeof(name), "s%u", round);
		for (size_t i = rng_below(&f->rng, 8); i > 0; i--)
			change_something(f);
		assert_int_equal(kt_snapshot_create(f->store, name), 0);
		if (rng_below(&f->rng, 2))
			change_something(f);
		if (rng_below(&f->rng, 4) == 0 && round > 1)
			increment_follow(f, since, NULL, KT_APPLY_REPLACE); /* to now, and back */
		increment_follow(f, since, name, KT_APPLY_REPLACE);
		increment_assert_same(f->store, name, f->copy, NULL);
		increment_assert_same(f->store, name, f->copy, name);
		increment_assert_sound(f->copy);
		if (rng_below(&f->rng, 3) == 0)
			assert_int_equal(kt_snapshot_delete(f->store, since), 0);
		interfere(f);
	}
	increment_follow(f, name, NULL, KT_APPLY_REPLACE);
	increment_assert_same(f->store, NULL, f->copy, NULL);
	if (kt_snapshot_delete(f->copy, name) == 0)
		increment_assert_sound(f->copy);
}

/* A full backup and increments from snapshot to snapshot are the store at each of them, whatever
 * was done to it: entries, attributes, times, holes, made directories, and who shares an entry. */
static void histories(void **state)
{
	struct increment_world *f = *state;

	f->rng = rng_seed("increment");
	for (unsigned i = rng_cases(60); i > 0; i--) {
		run_history(f);
		assert_int_equal(kt_close(f->copy), 0);
		f->copy = NULL;
		assert_int_equal(kt_close(f->store), 0);
		assert_int_equal(unlink(f->temp.path), 0);
		assert_int_equal(unlink(f->copy_path), 0);
		assert_int_equal(
			kt_open(f->temp.path, KT_OPTIONS(.flags = KT_CREATE), &f->store), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		INCREMENT_TEST(histories),
	};

	return cmocka_run_group_tests_name("increment_random", tests, NULL, NULL);
}
