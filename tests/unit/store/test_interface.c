/* What applications keep their state with elsewhere, here: backends of bytes, typed maps, state
 * stores, collections. Each of their calls has its counterpart, on a file and in memory, and the
 * same errors. */
#include "keytree.h"
#include "tests/unit/fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct kt_txn *begin(struct fixture *f, unsigned flags)
{
	assert_int_equal(kt_begin(f->store, flags, &f->txn), 0);
	return f->txn;
}

static void commit(struct fixture *f, unsigned flags)
{
	assert_int_equal(kt_commit(f->txn, flags), 0);
	f->txn = NULL;
}

static void drop(struct fixture *f)
{
	kt_abort(f->txn);
	f->txn = NULL;
}

static void put(struct fixture *f, const char *key, const char *value)
{
	assert_int_equal(kt_put(begin(f, KT_WRITE), key, strlen(key), value, strlen(value)), 0);
	commit(f, 0);
}

static void assert_value(struct kt_txn *txn, const char *key, const char *expected)
{
	struct kt_slice value;
	int err = kt_get(txn, key, strlen(key), &value);

	if (expected == NULL) {
		assert_int_equal(err, -ENOENT);
		return;
	}
	assert_int_equal(err, 0);
	assert_int_equal(value.size, strlen(expected));
	assert_memory_equal(value.data, expected, value.size);
}

/* All entries that a cursor passes, "key=value ". */
static const char *list(struct kt_cursor *cursor)
{
	static char text[4096];
	size_t size = 0;

	while (kt_cursor_next(cursor) == 0) {
		struct kt_slice key = kt_cursor_key(cursor), value;

		assert_int_equal(kt_cursor_value(cursor, &value), 0);
		size += (size_t)snprintf(text + size, sizeof(text) - size, "%.*s=%.*s ",
			(int)key.size, (const char *)key.data, (int)value.size,
			(const char *)value.data);
		assert_true(size < sizeof(text));
	}
	text[size] = '\0';
	return text;
}

/* A backend has a name for diagnosis, which says what kind it is, and each error in words bears
 * it. */
static void name(void **state)
{
	struct fixture *f = *state;
	const char *words = kt_strerror(f->store, -EIO);
	char expected[200];
	struct kt_store_info info;

	if (f->memory)
		strcpy(expected, "memory:test");
	else
		snprintf(expected, sizeof(expected), "file:%s", f->temp.path);
	assert_string_equal(kt_name(f->store), expected);
	assert_memory_equal(words, expected, strlen(expected));
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.persistent, !f->memory);
}

/* read, write, delete: a missing key is no value, and deleting it no error if that is wished. */
static void read_write_delete(void **state)
{
	struct fixture *f = *state;
	bool contains;

	put(f, "k", "one");
	put(f, "k", "two");
	begin(f, KT_WRITE);
	assert_value(f->txn, "k", "two");
	assert_value(f->txn, "missing", NULL);
	assert_int_equal(kt_contains(f->txn, "k", 1, &contains), 0);
	assert_true(contains);
	assert_int_equal(kt_delete(f->txn, "k", 1, 0), 0);
	assert_int_equal(kt_delete(f->txn, "k", 1, 0), -ENOENT);
	assert_int_equal(kt_delete(f->txn, "k", 1, KT_MISSING_OK), 0);
	assert_int_equal(kt_contains(f->txn, "k", 1, &contains), 0);
	assert_false(contains);
}

/* get_ref: a value is not copied. Whoever reads it, and however often, gets the same bytes in the
 * map, inline or in blocks of their own. */
static void references(void **state)
{
	static char large[300000];
	struct fixture *f = *state;
	struct kt_slice first, second;
	struct kt_txn *other;

	memset(large, 'l', sizeof(large));
	assert_int_equal(kt_put(begin(f, KT_WRITE), "large", 5, large, sizeof(large)), 0);
	commit(f, 0);
	put(f, "small", "value");
	begin(f, KT_READ);
	assert_int_equal(kt_begin(f->store, KT_READ, &other), 0);
	assert_int_equal(kt_get(f->txn, "large", 5, &first), 0);
	assert_int_equal(kt_get(other, "large", 5, &second), 0);
	assert_ptr_equal(first.data, second.data);
	assert_int_equal((uintptr_t)first.data % 4096, 0);
	assert_memory_equal(first.data, large, sizeof(large));
	assert_int_equal(kt_get(f->txn, "small", 5, &first), 0);
	assert_int_equal(kt_get(other, "small", 5, &second), 0);
	assert_ptr_equal(first.data, second.data);
	kt_abort(other);
}

/* list, prefix_scan, range_scan: ascending, the end of a range not included, an empty prefix is
 * everything. */
static void scans(void **state)
{
	struct fixture *f = *state;
	struct kt_cursor *cursor;

	put(f, "b/2", "4");
	put(f, "a", "1");
	put(f, "b/10", "3");
	put(f, "b", "2");
	put(f, "c", "5");
	assert_int_equal(kt_cursor_open(begin(f, KT_READ), &cursor), 0);
	assert_string_equal(list(cursor), "a=1 b=2 b/10=3 b/2=4 c=5 ");
	assert_int_equal(kt_cursor_set_prefix(cursor, "b/", 2), 0);
	assert_string_equal(list(cursor), "b/10=3 b/2=4 ");
	assert_int_equal(kt_cursor_set_range(cursor, "b", 1, "b/2", 3), 0);
	assert_string_equal(list(cursor), "b=2 b/10=3 ");
	assert_int_equal(kt_cursor_set_prefix(cursor, "", 0), 0);
	assert_string_equal(list(cursor), "a=1 b=2 b/10=3 b/2=4 c=5 ");
	kt_cursor_close(cursor);
}

/* load_all, save, flush, and load again: what was flushed is there when the file is opened anew;
 * what is in memory is there until it is closed. */
static void persistence(void **state)
{
	struct fixture *f = *state;
	struct kt_cursor *cursor;
	struct kt_store_info info;

	put(f, "b", "2");
	put(f, "a", "1");
	assert_int_equal(kt_flush(f->store), 0);
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.durable_txn, info.txn);
	begin(f, KT_WRITE);
	assert_int_equal(kt_put(f->txn, "c", 1, "3", 1), 0);
	commit(f, KT_FLUSH);
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.durable_txn, info.txn);
	if (!f->memory) {
		assert_int_equal(kt_close(f->store), 0);
		assert_int_equal(kt_open(f->temp.path, NULL, &f->store), 0);
	}
	assert_int_equal(kt_cursor_open(begin(f, KT_READ), &cursor), 0);
	assert_string_equal(list(cursor), "a=1 b=2 c=3 ");
	kt_cursor_close(cursor);
	drop(f);
	if (f->memory) {
		assert_int_equal(kt_close(f->store), 0);
		assert_int_equal(kt_open_memory("hot tier", &f->store), 0);
		assert_int_equal(kt_info(f->store, &info), 0);
		assert_int_equal(info.entries, 0);
	}
}

/* len, is_empty, size_bytes: of the last commit by kt_info(), of what a transaction sees by
 * kt_count(). */
static void sums(void **state)
{
	struct fixture *f = *state;
	struct kt_counts count;
	struct kt_store_info info;

	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.entries, 0);
	put(f, "key", "12345");
	put(f, "k", "");
	begin(f, KT_WRITE);
	assert_int_equal(kt_put(f->txn, "other", 5, "1", 1), 0);
	assert_int_equal(kt_put(f->txn, "key", 3, "12", 2), 0);
	assert_int_equal(kt_count(f->txn, &count), 0);
	assert_int_equal(count.entries, 3);
	assert_int_equal(count.key_bytes, 9);
	assert_int_equal(count.value_bytes, 3);
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.entries, 2);
	assert_int_equal(info.key_bytes, 4);
	assert_int_equal(info.value_bytes, 5);
}

static int append(void *arg, const struct kt_slice *old, struct kt_slice *ret_new)
{
	static char text[64];

	ret_new->size =
		(size_t)snprintf(text, sizeof(text), "%.*s%s", old != NULL ? (int)old->size : 0,
			old != NULL ? (const char *)old->data : "", (const char *)arg);
	ret_new->data = text;
	return KT_REPLACE;
}

/* get_or_insert, update, get_typed, put_typed. */
static void conveniences(void **state)
{
	struct fixture *f = *state;
	struct kt_slice value;
	uint64_t number;
	const char *string;

	begin(f, KT_WRITE);
	assert_int_equal(kt_get_or_insert(f->txn, "k", 1, "default", 7, &value), 0);
	assert_int_equal(value.size, 7);
	assert_int_equal(kt_get_or_insert(f->txn, "k", 1, "other", 5, &value), 0);
	assert_int_equal(value.size, 7);
	assert_int_equal(kt_update(f->txn, "k", 1, append, "+"), 0);
	assert_int_equal(kt_update(f->txn, "new", 3, append, "first"), 0);
	assert_value(f->txn, "k", "default+");
	assert_value(f->txn, "new", "first");
	assert_int_equal(kt_put_uint(f->txn, "n", 1, 8, 1 << 20), 0);
	assert_int_equal(kt_get_uint(f->txn, "n", 1, 8, &number), 0);
	assert_int_equal(number, 1 << 20);
	assert_int_equal(kt_get_uint(f->txn, "k", 1, 8, &number), 0); /* eight bytes too */
	assert_int_equal(kt_get_uint(f->txn, "new", 3, 8, &number), -EMSGSIZE);
	assert_int_equal(kt_put_string(f->txn, "s", 1, "text"), 0);
	assert_int_equal(kt_get_string(f->txn, "s", 1, &string), 0);
	assert_string_equal(string, "text");
}

static void fill(struct fixture *f, unsigned count)
{
	char key[16];

	begin(f, KT_WRITE);
	for (unsigned i = 0; i < count; i++) {
		snprintf(key, sizeof(key), "n/%u", i);
		assert_int_equal(kt_put(f->txn, key, strlen(key), key, strlen(key)), 0);
	}
	commit(f, 0);
}

static uint64_t unused_pages(struct fixture *f)
{
	struct kt_store_info info;

	assert_int_equal(kt_info(f->store, &info), 0);
	return info.free_pages + info.pending_pages;
}

/* clear: all at once, in one transaction, which writes a few pages; the space comes back in steps
 * with the commits that follow. */
static void clear(void **state)
{
	struct fixture *f = *state;
	uint64_t before, cleared;
	struct kt_store_info info;

	fill(f, 60000);
	before = unused_pages(f);
	assert_int_equal(kt_clear(begin(f, KT_WRITE)), 0);
	commit(f, 0);
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.entries, 0);
	cleared = unused_pages(f);
	assert_true(cleared < before + 200);
	for (unsigned i = 0; i < 40; i++)
		put(f, "k", "v");
	assert_true(unused_pages(f) > cleared + 300);
	assert_true(unused_pages(f) > info.pages * 8 / 10);
	fixture_assert_sound(f->store);
}

static int add_snapshot(void *arg, const struct kt_snapshot *snapshot)
{
	char *text = arg;
	size_t size = strlen(text);

	snprintf(text + size, 200 - size, "%s:%u ", snapshot->name, (unsigned)snapshot->entries);
	assert_true(snapshot->time_ns > 0 && snapshot->txn > 0);
	return strcmp(snapshot->name, "stop") == 0 ? 7 : 0;
}

static void assert_snapshots(struct fixture *f, int result, const char *expected)
{
	char text[200] = "";

	assert_int_equal(kt_snapshot_list(f->store, add_snapshot, text), result);
	assert_string_equal(text, expected);
}

/* snapshot and restore, by a transaction that is held: what was then is now. */
static void snapshot_and_restore(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *then;
	struct kt_store_info info;

	fill(f, 2000);
	put(f, "changed", "then");
	assert_int_equal(kt_begin(f->store, KT_READ, &then), 0);
	put(f, "changed", "now");
	put(f, "n/3000", "new");
	begin(f, KT_WRITE);
	assert_int_equal(kt_delete(f->txn, "n/7", 3, 0), 0);
	commit(f, 0);
	assert_int_equal(kt_restore(f->store, then), 0);
	kt_abort(then);
	begin(f, KT_READ);
	assert_value(f->txn, "changed", "then");
	assert_value(f->txn, "n/3000", NULL);
	assert_value(f->txn, "n/7", "n/7");
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.entries, 2001);
	fixture_assert_sound(f->store);
}

/* Named snapshots: taken, listed from the oldest on, opened, restored, undone, and deleted. */
static void named_snapshots(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *point;
	char long_name[300];

	put(f, "k", "one");
	assert_int_equal(kt_snapshot_create(f->store, "one"), 0);
	assert_int_equal(kt_snapshot_create(f->store, "one"), -EEXIST);
	put(f, "k", "two");
	put(f, "l", "two");
	assert_int_equal(kt_snapshot_create(f->store, "two"), 0);
	assert_snapshots(f, 0, "one:1 two:2 ");
	assert_int_equal(kt_snapshot_open(f->store, "one", &point), 0);
	assert_value(point, "k", "one");
	assert_int_equal(kt_restore(f->store, point), 0);
	kt_abort(point);
	assert_value(begin(f, KT_READ), "k", "one");
	assert_value(f->txn, "l", NULL);
	drop(f);
	assert_int_equal(kt_snapshot_open(f->store, "two", &point), 0);
	assert_int_equal(kt_restore(f->store, point), 0); /* the undo */
	kt_abort(point);
	assert_value(begin(f, KT_READ), "l", "two");
	drop(f);
	put(f, "m", "three");
	assert_int_equal(kt_snapshot_create(f->store, "stop"), 0);
	put(f, "n", "four");
	assert_int_equal(kt_snapshot_create(f->store, "unlisted"), 0);
	assert_snapshots(f, 7, "one:1 two:2 stop:3 ");
	assert_int_equal(kt_snapshot_delete(f->store, "stop"), 0);
	assert_int_equal(kt_snapshot_delete(f->store, "stop"), -ENOENT);
	assert_int_equal(kt_snapshot_open(f->store, "stop", &point), -ENOENT);
	assert_snapshots(f, 0, "one:1 two:2 unlisted:4 ");
	memset(long_name, 'n', sizeof(long_name));
	long_name[KT_NAME_MAX + 1] = '\0';
	assert_int_equal(kt_snapshot_create(f->store, long_name), -ENAMETOOLONG);
	assert_int_equal(kt_snapshot_create(f->store, ""), -EINVAL);
	assert_int_equal(kt_snapshot_create(f->store, "a/b"), -EINVAL);
	assert_int_equal(kt_snapshot_create(f->store, ".."), -EINVAL);
	begin(f, KT_WRITE);
	assert_int_equal(kt_snapshot_create(f->store, "in"), -EDEADLK);
	assert_int_equal(kt_restore(f->store, f->txn), -EINVAL);
	drop(f);
	fixture_assert_sound(f->store);
}

/* What is held keeps its answers, whatever is written: several points in time at once. */
static void points_in_time(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *points[20];
	char value[8];

	for (int i = 0; i < 20; i++) {
		snprintf(value, sizeof(value), "%d", i);
		put(f, "k", value);
		assert_int_equal(kt_begin(f->store, KT_READ, &points[i]), 0);
	}
	assert_int_equal(kt_clear(begin(f, KT_WRITE)), 0);
	commit(f, 0);
	for (int i = 0; i < 20; i++) {
		snprintf(value, sizeof(value), "%d", i);
		assert_value(points[i], "k", value);
		kt_abort(points[i]);
	}
}

/* Several keys change together or not at all. */
static void many_keys_in_one(void **state)
{
	struct fixture *f = *state;

	put(f, "a", "1");
	begin(f, KT_WRITE);
	assert_int_equal(kt_put(f->txn, "a", 1, "2", 1), 0);
	assert_int_equal(kt_put(f->txn, "b", 1, "2", 1), 0);
	drop(f);
	assert_value(begin(f, KT_READ), "a", "1");
	assert_value(f->txn, "b", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_BOTH(name),
		FIXTURE_BOTH(read_write_delete),
		FIXTURE_BOTH(references),
		FIXTURE_BOTH(scans),
		FIXTURE_BOTH(persistence),
		FIXTURE_BOTH(sums),
		FIXTURE_BOTH(conveniences),
		FIXTURE_BOTH(clear),
		FIXTURE_BOTH(snapshot_and_restore),
		FIXTURE_BOTH(named_snapshots),
		FIXTURE_BOTH(points_in_time),
		FIXTURE_BOTH(many_keys_in_one),
	};

	return cmocka_run_group_tests_name("interface", tests, NULL, NULL);
}
