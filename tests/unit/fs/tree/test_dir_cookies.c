/* Offsets of listings stand for places between two names: for every reader, however long it rests,
 * and whatever others remove meanwhile. */
#include "fs/tree/dir_cookies.h"
#include "tests/unit/rng.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY 3000
#define STEP 37 /* names at a call */

struct reader {
	struct world *world;
	uint64_t node;
	off_t offset;
	unsigned room, count;
	unsigned char seen[MANY]; /* how often each name was listed */
	bool end;
};

static bool take(void *arg, const char *name, const struct fs_entry *entry, off_t offset)
{
	struct reader *reader = arg;
	unsigned number;

	(void)entry;
	if (reader->room == 0)
		return false;
	reader->room--;
	reader->offset = offset;
	reader->end = false;
	if (sscanf(name, "n%u", &number) == 1 && number < MANY)
		reader->seen[number]++;
	return true;
}

/* Read some names through a handle of its own, as the kernel does that has dropped its listing. */
static void read_step(struct reader *reader, unsigned room)
{
	struct fs_dir *dir;

	reader->room = room;
	reader->end = true;
	assert_int_equal(fs_opendir(reader->world->fs, reader->node, &dir), 0);
	assert_int_equal(
		fs_readdir(reader->world->fs, dir, reader->offset, false, take, reader), 0);
	fs_releasedir(reader->world->fs, dir);
}

/* Put or delete names from one number up to another, by a step, in one transaction of another
 * user of the store. */
static void change_names(struct world *w, bool put, unsigned from, unsigned to, unsigned step)
{
	struct kt_txn *txn;
	char key[32];

	assert_int_equal(kt_begin(w->store, KT_WRITE, &txn), 0);
	for (unsigned i = from; i < to; i += step) {
		size_t size = (size_t)sprintf(key, "dir/n%06u", i);

		if (put)
			assert_int_equal(kt_put(txn, key, size, "", 0), 0);
		else
			assert_int_equal(kt_delete(txn, key, size, KT_MISSING_OK), 0);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
}

static struct reader *reader_new(struct world *w, const struct fs_entry *dir)
{
	struct reader *reader = calloc(1, sizeof(*reader));

	assert_non_null(reader);
	reader->world = w;
	reader->node = dir->node;
	return reader;
}

/* Names that a reader has passed are removed while it rests, and others list the directory. All
 * that stay are listed once. */
static void test_passed_names_removed(void **state)
{
	struct world *w = *state;
	struct fs_entry dir;
	struct reader *reader, *other;

	change_names(w, true, 0, MANY, 1);
	assert_int_equal(world_lookup(w, "dir", &dir), 0);
	reader = reader_new(w, &dir);
	while (!reader->end && reader->offset < MANY / 2)
		read_step(reader, STEP);
	change_names(w, false, 0, MANY / 3, 1);
	for (int i = 0; i < 20; i++) { /* more readers than one */
		other = reader_new(w, &dir);
		read_step(other, MANY);
		free(other);
	}
	while (!reader->end)
		read_step(reader, STEP);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(reader->seen[i], 1);
	free(reader);
	world_forget(w, &dir);
}

/* The same of very many readers that rest at different places, and of names that come and go at
 * random: some are never touched. */
static void test_many_readers(void **state)
{
	enum { READERS = 200, KEEP = 3 };
	struct reader *readers[READERS];
	struct world *w = *state;
	struct fs_entry dir;
	struct rng rng = rng_seed("dir_cookies");
	bool any = true;

	change_names(w, true, 0, MANY, 1);
	assert_int_equal(world_lookup(w, "dir", &dir), 0);
	for (int i = 0; i < READERS; i++)
		readers[i] = reader_new(w, &dir);
	while (any) {
		unsigned from = (unsigned)rng_below(&rng, MANY / KEEP) * KEEP;

		any = false;
		for (int i = 0; i < READERS; i++) {
			if (rng_below(&rng, 2) && !readers[i]->end)
				read_step(readers[i], 1 + (unsigned)rng_below(&rng, 4 * STEP));
			any |= !readers[i]->end;
		}
		/* nobody touches the multiples of KEEP */
		change_names(
			w, rng_below(&rng, 2), from + 1 + (unsigned)rng_below(&rng, 2), MANY, KEEP);
	}
	for (int i = 0; i < READERS; i++) {
		for (unsigned n = 0; n < MANY; n += KEEP)
			assert_int_equal(readers[i]->seen[n], 1);
		free(readers[i]);
	}
	world_forget(w, &dir);
}

/* ---- what it costs --------------------------------------------------------------------------- */

/* List names with the numbers from one up to another. */
static void list_numbers(struct dir_cookies *cookies, unsigned from, unsigned to, off_t *offsets)
{
	struct dir_cookie *at = NULL;
	struct position position = {.size = 0};
	char name[32];

	for (unsigned i = from; i < to; i++) {
		size_t size = (size_t)sprintf(name, "n%08u", i);

		position_set_behind(&position, name, size);
		assert_int_equal(dir_cookies_next(cookies, &at, &position, &offsets[i - from]), 0);
	}
	dir_cookies_end(cookies, at);
}

/* The thousandth reader is given the offsets of the first, and takes no memory. */
static void test_readers_share(void **state)
{
	struct dir_cookies *cookies = dir_cookies_new();
	off_t first[MANY], others[MANY];
	size_t bytes;

	(void)state;
	assert_non_null(cookies);
	list_numbers(cookies, 0, MANY, first);
	bytes = dir_cookies_bytes(cookies);
	for (int i = 0; i < 1000; i++) {
		list_numbers(cookies, 0, MANY, others);
		assert_memory_equal(first, others, sizeof(first));
	}
	assert_int_equal(dir_cookies_count(cookies), MANY);
	assert_int_equal(dir_cookies_bytes(cookies), bytes);
	dir_cookies_free(cookies);
}

/* Offsets of names that are gone stay known, and take next to nothing: in a directory where names
 * come and go, with a name before them all that stays, or without. */
static void test_gone_names_are_freed(void **state)
{
	enum { WINDOW = 100, ROUNDS = 5000 };
	struct dir_cookies *cookies = dir_cookies_new();
	struct dir_cookie *at;
	struct position position;
	off_t offsets[WINDOW], oldest = 0;

	(void)state;
	assert_non_null(cookies);
	for (unsigned round = 0; round < ROUNDS; round++) {
		list_numbers(cookies, round * WINDOW, (round + 1) * WINDOW, offsets);
		if (round == 0)
			oldest = offsets[WINDOW - 1];
		assert_int_equal(dir_cookies_count(cookies), WINDOW);
	}
	assert_true(dir_cookies_bytes(cookies) < 128 * 1024);
	dir_cookies_seek(cookies, oldest, &at, &position);
	assert_null(at);
	assert_int_equal(position.size, 0);
	dir_cookies_seek(cookies, offsets[1], &at, &position);
	assert_non_null(at);
	assert_string_equal((const char *)position.bytes, "n00499901");
	dir_cookies_free(cookies);
}

/* An offset of a name that is gone stands behind the one before it that is left, which may be
 * removed later too; an offset that was never given stands at the begin. */
static void test_offset_of_gone_name(void **state)
{
	struct dir_cookies *cookies = dir_cookies_new();
	struct position position;
	struct dir_cookie *at;
	off_t offsets[10], again[10];

	(void)state;
	assert_non_null(cookies);
	list_numbers(cookies, 0, 10, offsets);
	for (unsigned left = 9; left > 0; left--) {
		list_numbers(cookies, 0, left, again);
		assert_memory_equal(offsets, again, left * sizeof(again[0]));
		for (unsigned i = 0; i < 10; i++) {
			char name[32];

			sprintf(name, "n%08u", i < left ? i : left - 1);
			dir_cookies_seek(cookies, offsets[i], &at, &position);
			assert_int_equal(position.size, strlen(name) + 1);
			assert_string_equal((const char *)position.bytes, name);
		}
	}
	dir_cookies_seek(cookies, 1000, &at, &position);
	assert_null(at);
	dir_cookies_seek(cookies, -1, &at, &position);
	assert_null(at);
	dir_cookies_free(cookies);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_passed_names_removed, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_many_readers, world_setup_memory, world_teardown),
		cmocka_unit_test(test_readers_share),
		cmocka_unit_test(test_gone_names_are_freed),
		cmocka_unit_test(test_offset_of_gone_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
