/* What lies in pieces takes memory as long as it must, and no longer: views of a transaction stay to
 * its end, unless the program drops them; a transient cursor, and calls that give views away only
 * while they run, take as much memory as the largest. */
#include "tests/unit/fixture.h"

#include "keytree_fs.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	VALUES = 40,
	VALUE_SIZE = 1 << 20,
	PIECE = 1 << 16, /* values are written in such pieces, all of them in turn */
	ATTRS = 400,
	ATTR_SIZE = 20000,
	LITTLE = 3 << 20, /* memory of a call that needs room for one or two entries */
};

/* ---- memory in use --------------------------------------------------------------------------- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void __real_free(void *old);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void __wrap_free(void *old);

static size_t in_use, highest;

static void *note(void *new)
{
	in_use += malloc_usable_size(new);
	if (in_use > highest)
		highest = in_use;
	return new;
}

void *__wrap_malloc(size_t size)
{
	return note(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
	return note(__real_calloc(count, size));
}

void __wrap_free(void *old)
{
	size_t size = malloc_usable_size(old);

	in_use -= size < in_use ? size : in_use; /* what realloc() made was not counted */
	__real_free(old);
}

/* Begin to measure. @return memory in use now */
static size_t begin_measure(void)
{
	highest = in_use;
	return in_use;
}

static void assert_little(size_t before)
{
	assert_true(highest <= before + LITTLE);
}

/* ---- a store whose entries lie in pieces ----------------------------------------------------- */

static void assert_filled(const void *data, size_t size, unsigned i)
{
	const unsigned char *bytes = data;

	for (size_t at = 0; at < size; at += 1000)
		assert_int_equal(bytes[at], 'a' + i % 26);
}

static void put_attrs(struct fixture *f, unsigned round)
{
	static char attr[ATTR_SIZE];
	char key[16];

	assert_int_equal(kt_begin(f->store, KT_WRITE, &f->txn), 0);
	for (unsigned i = 0; i < ATTRS; i++) {
		size_t size = (size_t)sprintf(key, "c/%04u", i);

		memset(attr, 'a' + (int)((i + round) % 26), sizeof(attr));
		assert_int_equal(
			kt_put_entry(f->txn, key, size, NULL, 0, attr, sizeof(attr), 1), 0);
	}
	assert_int_equal(kt_commit(f->txn, 0), 0);
	f->txn = NULL;
}

static void put_values(struct fixture *f)
{
	static char piece[PIECE];
	char key[16];

	for (size_t at = 0; at < VALUE_SIZE; at += PIECE) {
		assert_int_equal(kt_begin(f->store, KT_WRITE, &f->txn), 0);
		for (unsigned i = 0; i < VALUES; i++) {
			size_t size = (size_t)sprintf(key, "v%04u", i);

			memset(piece, 'a' + (int)(i % 26), sizeof(piece));
			assert_int_equal(kt_write(f->txn, key, size, at, piece, sizeof(piece)), 0);
		}
		assert_int_equal(kt_commit(f->txn, 0), 0);
	}
	f->txn = NULL;
}

static int setup(void **state)
{
	int err = fixture_setup_file(state);

	if (!err) {
		put_attrs(*state, 0);
		put_values(*state);
	}
	return err;
}

static void begin(struct fixture *f, unsigned flags)
{
	assert_int_equal(kt_begin(f->store, flags, &f->txn), 0);
}

/* Read all values of a cursor. views: of each; may be NULL */
static void read_values(struct fixture *f, bool transient, struct kt_slice *views)
{
	struct kt_cursor *cursor;
	struct kt_slice value;

	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	if (transient)
		kt_cursor_set_transient(cursor);
	assert_int_equal(kt_cursor_set_prefix(cursor, KT_STR("v")), 0);
	for (unsigned i = 0; i < VALUES; i++) {
		assert_int_equal(kt_cursor_next(cursor), 0);
		assert_int_equal(kt_cursor_value(cursor, &value), 0);
		assert_int_equal(value.size, VALUE_SIZE);
		assert_filled(value.data, value.size, i);
		if (views != NULL)
			views[i] = value;
	}
	assert_int_equal(kt_cursor_next(cursor), -ENOENT);
	kt_cursor_close(cursor);
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* A cursor's values stay valid to the end of the transaction, when the cursor is closed, too. */
static void views_stay(void **state)
{
	struct fixture *f = *state;
	struct kt_slice views[VALUES];
	size_t before;

	begin(f, KT_READ);
	before = begin_measure();
	read_values(f, false, views);
	assert_true(highest >= before + VALUES / 2 * (size_t)VALUE_SIZE); /* they lie in pieces */
	for (unsigned i = 0; i < VALUES; i++)
		assert_filled(views[i].data, VALUE_SIZE, i);
	kt_drop_views(f->txn);
	assert_true(in_use <= before + LITTLE);
}

/* A transient cursor takes room for one value, and one blob. */
static void transient_cursor(void **state)
{
	struct fixture *f = *state;
	struct kt_cursor *cursor;
	struct kt_entry_info info;
	struct kt_slice value;
	size_t before;

	begin(f, KT_READ);
	before = begin_measure();
	read_values(f, true, NULL);
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	kt_cursor_set_transient(cursor);
	for (unsigned i = 0; i < ATTRS; i++) {
		assert_int_equal(kt_cursor_next(cursor), 0);
		assert_int_equal(kt_cursor_stat(cursor, &info), 0);
		assert_int_equal(kt_cursor_value(cursor, &value), 0); /* has memory of its own */
		assert_int_equal(info.attr.size, ATTR_SIZE);
		assert_filled(info.attr.data, ATTR_SIZE, i);
	}
	kt_cursor_close(cursor);
	assert_little(before);
}

/* What is dropped is views only: not what a collection, or a snapshot, is seen through. */
static void dropped(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *collection;
	struct kt_entry_info info;
	struct kt_txn *view;
	const char *string;
	char key[16];
	size_t before;

	assert_int_equal(kt_snapshot_create(f->store, "kept"), 0);
	put_attrs(f, 1);
	assert_int_equal(kt_collection_open(f->store, KT_STR("c"), 0, &collection), 0);
	assert_int_equal(kt_snapshot_open(f->store, "kept", &f->txn), 0);
	assert_int_equal(kt_collection_view(collection, f->txn, &view), 0);
	before = begin_measure();
	for (unsigned i = 0; i < ATTRS; i++) {
		size_t size = (size_t)sprintf(key, "%04u", i);

		assert_int_equal(kt_stat(view, key, size, &info), 0);
		assert_filled(info.attr.data, info.attr.size, i);
		assert_int_equal(kt_get_string(f->txn, KT_STR("v0001"), &string), 0);
		assert_filled(string, VALUE_SIZE, 1);
		kt_drop_views(i % 2 == 0 ? view : f->txn);
	}
	assert_little(before);
	kt_collection_close(collection);
}

static int verify_change(void *arg, const struct kt_slice *key, const struct kt_entry_info *from,
	const struct kt_entry_info *to)
{
	unsigned *told = arg;
	char number[5] = "";
	unsigned i;

	memcpy(number, (const char *)key->data + 2, 4);
	i = (unsigned)atoi(number);
	assert_filled(from->attr.data, from->attr.size, i);
	assert_filled(to->attr.data, to->attr.size, i + 1);
	++*told;
	return 0;
}

/* A difference, and what is built on it. */
static void differences(void **state)
{
	struct fixture *f = *state;
	unsigned told = 0;
	struct kt_txn *point;
	size_t before;

	assert_int_equal(kt_snapshot_create(f->store, "kept"), 0);
	put_attrs(f, 1);
	assert_int_equal(kt_snapshot_open(f->store, "kept", &point), 0);
	begin(f, KT_READ);
	before = begin_measure();
	assert_int_equal(kt_diff(point, f->txn, verify_change, &told), 0);
	assert_int_equal(told, ATTRS);
	assert_little(before);
	kt_abort(f->txn);
	begin(f, KT_WRITE);
	assert_int_equal(kt_delete_prefix(f->txn, KT_STR("v"), NULL), 0);
	assert_int_equal(kt_commit(f->txn, 0), 0);
	f->txn = NULL;
	before = in_use;
	assert_int_equal(kt_restore(f->store, point), 0);
	assert_true(in_use <= before + LITTLE); /* nothing is left in the point's transaction */
	kt_abort(point);
	begin(f, KT_READ);
	read_values(f, true, NULL);
}

static int rotate(void *arg, const struct kt_slice *old, struct kt_slice *ret_new)
{
	(void)arg;
	*ret_new = (struct kt_slice){old->data, 100};
	return KT_REPLACE;
}

/* Calls that look at an entry without returning a view of it. */
static void no_views(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *collection;
	static char copy[VALUE_SIZE];
	struct kt_counts counts;
	struct kt_txn *view;
	char key[16];
	size_t before;

	begin(f, KT_WRITE);
	assert_int_equal(kt_collection_open(f->store, KT_STR("c"), 0, &collection), 0);
	assert_int_equal(kt_collection_view(collection, f->txn, &view), 0);
	before = begin_measure();
	assert_int_equal(kt_count(view, &counts), 0);
	assert_int_equal(counts.entries, ATTRS);
	for (unsigned i = 0; i < ATTRS; i++) {
		size_t size = (size_t)sprintf(key, "%04u", i);

		assert_int_equal(kt_put_if(view, key, size, KT_STR("new"), 0), -ESTALE);
		assert_int_equal(kt_get_copy(view, key, size, copy, 0, NULL), 0);
	}
	for (unsigned i = 0; i < VALUES; i++) {
		size_t size = (size_t)sprintf(key, "v%04u", i);

		assert_int_equal(kt_get_copy(f->txn, key, size, copy, sizeof(copy), NULL), 0);
		assert_filled(copy, sizeof(copy), i);
		assert_int_equal(kt_update(f->txn, key, size, rotate, NULL), 0);
	}
	assert_little(before);
	kt_collection_close(collection);
}

/* A key that leaves a shared entry takes a copy of the blob along, and no memory. */
static void parted(void **state)
{
	struct fixture *f = *state;
	struct kt_entry_info info;
	char key[16], link[16];
	size_t before;

	begin(f, KT_WRITE);
	for (unsigned i = 0; i < ATTRS; i++) {
		size_t size = (size_t)sprintf(key, "c/%04u", i);

		sprintf(link, "l/%04u", i);
		assert_int_equal(kt_link(f->txn, key, size, f->txn, link, size), 0);
	}
	before = begin_measure();
	for (unsigned i = 0; i < ATTRS; i++) {
		size_t size = (size_t)sprintf(link, "l/%04u", i);

		assert_int_equal(kt_put(f->txn, link, size, KT_STR("own")), 0);
	}
	assert_true(
		highest <= before + LITTLE + (size_t)ATTRS * 6 * 4128); /* pages of the copies */
	for (unsigned i = 0; i < ATTRS; i++) {
		size_t size = (size_t)sprintf(link, "l/%04u", i);

		assert_int_equal(kt_stat(f->txn, link, size, &info), 0);
		assert_filled(info.attr.data, info.attr.size, i);
	}
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(views_stay),
		TEST(transient_cursor),
		TEST(dropped),
		TEST(differences),
		TEST(no_views),
		TEST(parted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
