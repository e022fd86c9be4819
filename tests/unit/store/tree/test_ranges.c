/* Long keys make branches of few children, in which whole ranges of keys come and go, as they do
 * when a deep directory is moved: no node is left empty, and what is there is found. */
#include "tests/unit/fixture.h"
#include "tests/unit/model.h"
#include "tests/unit/rng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIRECTORIES 4
#define DEPTH 800 /* bytes of their paths */
#define ROUNDS 30

/* A path of single letters in a deep directory. So keys that lie side by side differ late, and what
 * parts them is long, but between two directories. */
static size_t random_key(size_t directory, struct rng *rng, unsigned char key[KT_KEY_MAX])
{
	struct rng path = {.state = directory};
	size_t size = DEPTH + rng_below(rng, rng_below(rng, 10) ? 40 : 400);

	for (size_t i = 0; i < size; i++)
		key[i] = i == 0	 ? (unsigned char)('a' + directory)
			 : i % 2 ? '/'
				 : (unsigned char)('a' + rng_below(i < DEPTH ? &path : rng, 3));
	return size;
}

static void put_random(struct kt_txn *txn, struct model *model, size_t directory, struct rng *rng)
{
	unsigned char key[KT_KEY_MAX];
	size_t size = random_key(directory, rng, key);
	struct model_entry *entry = model_edit(model, key, size);

	assert_int_equal(kt_put(txn, key, size, "value", 5), 0);
	model_resize(entry, 5);
	memcpy(entry->value, "value", 5);
}

/* Keys of a directory that lie side by side: some, or all.
 * @return the first; *ret_count  how many */
static size_t choose_range(
	const struct model *model, size_t directory, struct rng *rng, size_t *ret_count)
{
	unsigned char path[KT_KEY_MAX];
	size_t first, end;
	bool exact;

	random_key(directory, rng, path);
	first = model_find(model, path, DEPTH, &exact);
	for (end = first; end < model->count && model->entries[end].key_size >= DEPTH &&
			  memcmp(model->entries[end].key, path, DEPTH) == 0;
		end++)
		;
	*ret_count = end - first;
	if (*ret_count > 0 && rng_below(rng, 2) == 0) {
		first += rng_below(rng, *ret_count);
		*ret_count = rng_below(rng, end - first + 1);
	}
	return first;
}

/* Delete them in one direction or the other. */
static void delete_range(struct kt_txn *txn, struct model *model, size_t directory, struct rng *rng)
{
	bool backward = rng_below(rng, 2);
	size_t count, first = choose_range(model, directory, rng, &count);

	for (; count > 0; count--) {
		const struct model_entry *entry =
			&model->entries[first + (backward ? count - 1 : 0)];

		assert_int_equal(kt_delete(txn, entry->key, entry->key_size, 0), 0);
		model_delete(model, entry->key, entry->key_size);
	}
}

/* What is deleted where a cursor stands, which goes on behind it. */
static void delete_at_cursor(
	struct kt_txn *txn, struct model *model, size_t directory, struct rng *rng)
{
	size_t count, first = choose_range(model, directory, rng, &count);
	struct kt_cursor *cursor;

	if (count == 0)
		return;
	assert_int_equal(kt_cursor_open(txn, &cursor), 0);
	assert_int_equal(
		kt_cursor_seek(cursor, model->entries[first].key, model->entries[first].key_size),
		0);
	for (; count > 0; count--) {
		const struct model_entry *entry = &model->entries[first];
		struct kt_slice key = kt_cursor_key(cursor);

		assert_int_equal(key.size, entry->key_size);
		assert_memory_equal(key.data, entry->key, key.size);
		assert_int_equal(kt_delete(txn, entry->key, entry->key_size, 0), 0);
		model_delete(model, entry->key, entry->key_size);
		assert_int_equal(kt_cursor_next(cursor), first < model->count ? 0 : -ENOENT);
	}
	kt_cursor_close(cursor);
}

static void test_ranges(void **state)
{
	struct fixture *f = *state;
	struct rng rng = rng_seed("ranges");
	struct model model = {0};
	size_t rounds = rng_cases(ROUNDS);

	for (size_t i = 0; i < rounds; i++) {
		struct kt_txn *txn;

		assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
		for (size_t n = 1 + rng_below(&rng, 8); n > 0; n--) {
			size_t directory = rng_below(&rng, DIRECTORIES);
			size_t more = rng_below(&rng, 2) ? rng_below(&rng, 800) : 0;

			for (; more > 0; more--)
				put_random(txn, &model, directory, &rng);
			directory = rng_below(&rng, DIRECTORIES);
			if (rng_below(&rng, 2) == 0)
				delete_range(txn, &model, directory, &rng);
			else
				delete_at_cursor(txn, &model, directory, &rng);
		}
		model_assert_equal(&model, txn);
		assert_int_equal(kt_commit(txn, 0), 0);
		fixture_assert_sound(f->store);
	}
	model_fini(&model);
}

/* The first of two directories goes, from its end. What is left of a branch in which they met is
 * full of long keys of the second, and could not be built anew: its neighbour has to go all the
 * same. */
static void test_first_goes(void **state)
{
	struct fixture *f = *state;
	struct rng rng = rng_seed("ranges, the first goes");
	size_t tries = rng_cases(400);

	for (size_t i = 0; i < tries; i++) {
		struct model model = {0};
		struct kt_txn *txn;
		size_t first;
		bool exact;

		assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
		for (size_t n = 200 + rng_below(&rng, 200); n > 0; n--)
			put_random(txn, &model, 0, &rng);
		for (size_t n = 200 + rng_below(&rng, 200); n > 0; n--)
			put_random(txn, &model, 1, &rng);
		first = model_find(&model, "b", 1, &exact);
		for (; first > 0; first--) {
			const struct model_entry *entry = &model.entries[first - 1];

			assert_int_equal(kt_delete(txn, entry->key, entry->key_size, 0), 0);
			model_delete(&model, entry->key, entry->key_size);
		}
		model_assert_equal(&model, txn);
		kt_abort(txn);
		model_fini(&model);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_BOTH(test_ranges),
		FIXTURE_BOTH(test_first_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
