/* Cursors of keytree.h: bounds, seeking, trees that change under them. */
#include "tests/unit/fixture.h"

#include "keytree_fs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The keys a cursor shows, in one string; both ways it shows the same. */
static void walk(struct kt_cursor *cursor, char *keys, size_t size)
{
	char back[200];
	size_t at = 0, end = sizeof(back) - 1;
	int err;

	for (err = kt_cursor_first(cursor); !err; err = kt_cursor_next(cursor)) {
		struct kt_slice key = kt_cursor_key(cursor);

		assert_true(at + key.size + 2 < size);
		memcpy(keys + at, key.data, key.size);
		at += key.size;
		keys[at++] = ' ';
	}
	keys[at] = '\0';
	assert_int_equal(err, -ENOENT);
	assert_int_equal(kt_cursor_next(cursor), -ENOENT);
	back[end] = '\0';
	for (err = kt_cursor_last(cursor); !err; err = kt_cursor_prev(cursor)) {
		struct kt_slice key = kt_cursor_key(cursor);

		back[--end] = ' ';
		end -= key.size;
		memcpy(back + end, key.data, key.size);
	}
	assert_int_equal(err, -ENOENT);
	assert_int_equal(kt_cursor_prev(cursor), -ENOENT);
	assert_string_equal(back + end, keys);
}

/* Bounds: prefixes, also of 0xff, and half-open ranges, also empty ones. */
static void bounds(void **state)
{
	static const char *const keys[] = {
		"", "a", "a-", "a/", "a/b", "a0", "b", "\xfe", "\xff", "\xff\xff", "\xff\xffy"};
	static const struct {
		bool prefix;
		const char *from, *to;
		const char *expected;
	} cases[] = {
		{true, "", NULL, " a a- a/ a/b a0 b \xfe \xff \xff\xff \xff\xffy "},
		{true, "a", NULL, "a a- a/ a/b a0 "},
		{true, "a/", NULL, "a/ a/b "},
		{true, "a/b", NULL, "a/b "},
		{true, "c", NULL, ""},
		{true, "\xff", NULL, "\xff \xff\xff \xff\xffy "},
		{true, "\xff\xff", NULL, "\xff\xff \xff\xffy "},
		{true, "\xff\xff\xff", NULL, ""},
		{true, "\xfe", NULL, "\xfe "},
		{false, NULL, NULL, " a a- a/ a/b a0 b \xfe \xff \xff\xff \xff\xffy "},
		{false, "a/", "b", "a/ a/b a0 "},
		{false, "a.", "a0", "a/ a/b "},
		{false, NULL, "a-", " a "},
		{false, "b", NULL, "b \xfe \xff \xff\xff \xff\xffy "},
		{false, "b", "b", ""},
		{false, "b", "a", ""},
		{false, "c", "d", ""},
		{false, "", "", ""},
		{false, "", "a", " "},
		{false, "\xff\xff\xff", NULL, ""},
	};
	struct fixture *f = *state;
	struct kt_cursor *cursor;
	char shown[200];

	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	walk(cursor, shown, sizeof(shown));
	assert_string_equal(shown, "");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_int_equal(fixture_put(f->txn, keys[i], keys[i]), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *from = cases[i].from, *to = cases[i].to;

		if (cases[i].prefix)
			assert_int_equal(kt_cursor_set_prefix(cursor, from, strlen(from)), 0);
		else
			assert_int_equal(kt_cursor_set_range(cursor, from, from ? strlen(from) : 0,
						 to, to ? strlen(to) : 0),
				0);
		walk(cursor, shown, sizeof(shown));
		assert_string_equal(shown, cases[i].expected);
	}
	kt_cursor_close(cursor);
	fixture_abort(f);
}

/* Seeking goes to the key or the next one, never out of the bounds. */
static void seeking(void **state)
{
	struct fixture *f = *state;
	struct kt_cursor *cursor;
	struct kt_slice value;

	fixture_begin(f, KT_WRITE);
	for (const char *key = "bdfh"; *key != '\0'; key++)
		assert_int_equal(kt_put(f->txn, key, 1, key, 1), 0);
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	assert_int_equal(kt_cursor_value(cursor, &value), -ENOENT);
	assert_int_equal(kt_cursor_seek(cursor, "d", 1), 0);
	assert_memory_equal(kt_cursor_key(cursor).data, "d", 1);
	assert_int_equal(kt_cursor_seek(cursor, "e", 1), 0);
	assert_memory_equal(kt_cursor_key(cursor).data, "f", 1);
	assert_int_equal(kt_cursor_seek(cursor, "i", 1), -ENOENT);
	assert_int_equal(kt_cursor_prev(cursor), 0);
	assert_memory_equal(kt_cursor_key(cursor).data, "h", 1);
	assert_int_equal(kt_cursor_set_range(cursor, "c", 1, "g", 1), 0);
	assert_int_equal(kt_cursor_seek(cursor, "a", 1), 0);
	assert_memory_equal(kt_cursor_key(cursor).data, "d", 1);
	assert_int_equal(kt_cursor_seek(cursor, "g", 1), -ENOENT);
	assert_int_equal(kt_cursor_prev(cursor), 0);
	assert_memory_equal(kt_cursor_key(cursor).data, "f", 1);
	kt_cursor_close(cursor);
	fixture_abort(f);
}

/* A cursor goes on from its key while the tree changes under it, whether the key still exists. */
static void changing_trees(void **state)
{
	struct fixture *f = *state;
	struct kt_cursor *cursor;
	struct kt_slice value;
	char key[16];
	unsigned count = 0;

	fixture_begin(f, KT_WRITE);
	for (unsigned i = 0; i < 2000; i++)
		assert_int_equal(
			kt_put(f->txn, key, (size_t)snprintf(key, sizeof(key), "%06u", i), "v", 1),
			0);
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	while (kt_cursor_next(cursor) == 0) { /* delete each, put some before and behind */
		memcpy(key, kt_cursor_key(cursor).data, 6);
		assert_int_equal(kt_delete(f->txn, key, 6, 0), 0);
		assert_int_equal(kt_cursor_value(cursor, &value), -ENOENT);
		assert_int_equal(fixture_put(f->txn, "!", "before"), 0);
		count++;
	}
	assert_int_equal(count, 2000);
	assert_int_equal(kt_cursor_prev(cursor), 0);
	assert_int_equal(kt_cursor_key(cursor).size, 1);
	kt_cursor_close(cursor);
	fixture_commit(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_BOTH(bounds),
		FIXTURE_BOTH(seeking),
		FIXTURE_BOTH(changing_trees),
	};

	return cmocka_run_group_tests_name("entry_cursor", tests, NULL, NULL);
}
