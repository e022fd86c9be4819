/* A store whose file cannot grow: a limit on the size of files stands for the full disk. */
#include "tests/unit/temp.h"

#include "keytree.h"
#include "keytree_fs.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char dir[64];
	char path[128];
	struct kt_store *store;
	struct rlimit limit;
};

static void limit_file_size(rlim_t bytes)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/keytree-full-XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/a.kt", f->dir);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &f->limit);
	*state = f;
	return kt_open(f->path, KT_OPTIONS(.flags = KT_CREATE), &f->store);
}

static int setup_memory(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	getrlimit(RLIMIT_FSIZE, &f->limit);
	*state = f;
	return kt_open_memory("full", &f->store);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	setrlimit(RLIMIT_FSIZE, &f->limit);
	kt_close(f->store);
	if (f->dir[0] != '\0')
		temp_remove_dir(f->dir);
	free(f);
	return 0;
}

static int put(struct fixture *f, unsigned number, size_t size)
{
	static char value[40000];
	char key[16];
	struct kt_txn *txn;
	int err;

	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	snprintf(key, sizeof(key), "key/%06u", number);
	memset(value, 'a' + (int)(number % 26), size);
	err = kt_put(txn, key, strlen(key), value, size);
	if (!err)
		return kt_commit(txn, number % 5 == 0 ? KT_FLUSH : 0);
	assert_int_equal(kt_commit(txn, 0), err); /* a failed transaction cannot be committed */
	return err;
}

static int delete (struct fixture *f, unsigned number)
{
	char key[16];
	struct kt_txn *txn;
	int err;

	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	snprintf(key, sizeof(key), "key/%06u", number);
	err = kt_delete(txn, key, strlen(key), 0);
	if (!err)
		return kt_commit(txn, 0);
	kt_abort(txn);
	return err;
}

static void assert_sound(struct fixture *f, unsigned keys, size_t size)
{
	struct kt_txn *txn;
	uint64_t findings;

	assert_int_equal(kt_check(f->store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 0);
	assert_int_equal(kt_begin(f->store, KT_READ, &txn), 0);
	for (unsigned i = 0; i < keys; i++) {
		char key[16];
		struct kt_slice value;

		snprintf(key, sizeof(key), "key/%06u", i);
		assert_int_equal(kt_get(txn, key, strlen(key), &value), 0);
		assert_int_equal(value.size, size);
		assert_int_equal(((const char *)value.data)[size - 1], 'a' + (int)(i % 26));
	}
	kt_abort(txn);
}

/* Writing goes on until there is no room; then it fails with the disk's error, all that was
 * committed is there, everything can be deleted key by key, and then there is room again. */
static void full_store(struct fixture *f, size_t size, int full)
{
	unsigned keys = 0, again = 0;
	int err;

	while ((err = put(f, keys, size)) == 0)
		keys++;
	assert_int_equal(err, full);
	assert_true(keys > 20);
	assert_sound(f, keys, size);
	for (unsigned i = keys; i-- > 0;)
		assert_int_equal(delete (f, i), 0);
	assert_int_equal(kt_flush(f->store), 0);
	while (again < keys && put(f, again, size) == 0)
		again++;
	assert_true(again > keys * 3 / 4);
	assert_sound(f, again, size);
}

static void small_values(void **state)
{
	limit_file_size(1 << 20);
	full_store(*state, 100, -EFBIG);
}

static void large_values(void **state)
{
	limit_file_size(3 << 20);
	full_store(*state, 40000, -EFBIG);
}

static uint64_t file_bytes(const struct fixture *f)
{
	struct kt_store_info info;

	assert_int_equal(kt_info(f->store, &info), 0);
	return info.pages * info.page_size;
}

/* The same at a limit that was set: the file never passes it, and what is free is told by it. */
static void max_size(void **state)
{
	struct fixture *f = *state;
	struct kt_store_info info;

	assert_int_equal(kt_set_max_size(f->store, (3 << 20) + 100), 0);
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.max_size, 3 << 20);
	assert_int_equal(info.disk_size, 3 << 20);
	assert_int_equal(info.disk_free, (3 << 20) - info.pages * info.page_size);
	full_store(f, 40000, -ENOSPC);
	assert_true(file_bytes(f) <= 3 << 20);
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.disk_free, (3 << 20) - info.pages * info.page_size);
}

static void max_size_small(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(kt_set_max_size(f->store, 1 << 20), 0);
	full_store(f, 100, -ENOSPC);
	assert_true(file_bytes(f) <= 1 << 20);
}

/* A limit below the size that the store has: it takes no more, everything can be deleted, and the
 * file grows by the reserve at most. Without the limit it goes on. */
static void max_size_passed(void **state)
{
	struct fixture *f = *state;
	uint64_t bytes;
	unsigned keys = 0;

	for (; keys < 50; keys++)
		assert_int_equal(put(f, keys, 20000), 0);
	bytes = file_bytes(f);
	assert_int_equal(kt_set_max_size(f->store, bytes / 2), 0);
	for (unsigned i = 0; i < 10 && put(f, keys, 20000) == 0; i++)
		keys++;
	assert_int_equal(put(f, keys, 40000), -ENOSPC);
	assert_int_equal(put(f, keys, 40000), -ENOSPC);
	assert_sound(f, 50, 20000);
	for (unsigned i = keys; i-- > 0;)
		assert_int_equal(delete (f, i), 0);
	assert_true(file_bytes(f) <= bytes + 16 * 4096);
	assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
	assert_true(file_bytes(f) < bytes / 2);
	assert_int_equal(put(f, 0, 20000), 0);
	assert_int_equal(kt_set_max_size(f->store, 0), 0);
	for (keys = 0; keys < 100; keys++)
		assert_int_equal(put(f, keys, 20000), 0);
	assert_sound(f, 100, 20000);
}

/* What is told of the space is the same before and after the store is opened anew. */
static void info_after_opening(void **state)
{
	struct fixture *f = *state;
	struct kt_store_info before, after;

	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(put(f, i, 20000), 0);
	for (unsigned i = 0; i < 100; i += 2)
		assert_int_equal(delete (f, i), 0);
	assert_int_equal(kt_flush(f->store), 0);
	assert_int_equal(kt_info(f->store, &before), 0);
	assert_true(before.free_pages + before.pending_pages > 200);
	assert_true(before.fragmentation > 0.3 && before.fragmentation < 0.6);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open(f->path, NULL, &f->store), 0);
	assert_int_equal(kt_info(f->store, &after), 0);
	assert_int_equal(after.free_pages, before.free_pages);
	assert_int_equal(after.pending_pages, before.pending_pages);
	assert_true(after.fragmentation == before.fragmentation);
	assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
	assert_int_equal(kt_info(f->store, &after), 0);
	assert_true(after.fragmentation == 0);
}

/* What was committed before the disk was full is there after the store is closed and opened. */
static void survives_reopening(void **state)
{
	struct fixture *f = *state;
	unsigned keys = 0;

	limit_file_size(2 << 20);
	while (put(f, keys, 1000) == 0)
		keys++;
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open(f->path, NULL, &f->store), 0);
	assert_sound(f, keys, 1000);
}

/* Clearing makes room too, at once and with the commits that follow. */
static void clearing_makes_room(void **state)
{
	struct fixture *f = *state;
	unsigned keys = 0, again = 0;
	struct kt_txn *txn;

	limit_file_size(3 << 20);
	while (put(f, keys, 30000) == 0)
		keys++;
	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_clear(txn), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	while (again < keys && put(f, again, 30000) == 0)
		again++;
	assert_true(again > keys * 3 / 4);
	assert_sound(f, again, 30000);
}

/* Forbid the file to grow: by a size limit of the store, or by one of the process. */
static void stop_growth(struct fixture *f, bool by_store)
{
	struct stat stat_buf;

	if (by_store) {
		assert_int_equal(kt_set_max_size(f->store, file_bytes(f)), 0);
		return;
	}
	assert_int_equal(stat(f->path, &stat_buf), 0);
	limit_file_size((rlim_t)stat_buf.st_size);
}

/* The first delete of an opener succeeds where the file cannot grow, without a failed change before
 * it; so does moving an entry to those without a name. */
static void first_delete(struct fixture *f, bool by_store)
{
	struct kt_txn *txn;
	unsigned keys = 0;
	uint64_t id;

	for (; keys < 300; keys++)
		assert_int_equal(put(f, keys, 3000), 0);
	stop_growth(f, by_store);
	while (put(f, keys, 3000) == 0)
		keys++;
	while (put(f, keys, 100) == 0)
		keys++;
	for (unsigned i = 1; i < 3; i++) {
		assert_int_equal(kt_close(f->store), 0);
		assert_int_equal(kt_open(f->path, NULL, &f->store), 0);
		stop_growth(f, by_store);
		if (i == 1) {
			assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
			assert_int_equal(kt_nameless_take(txn, "key/000250", 10, &id), 0);
			assert_int_equal(kt_commit(txn, 0), 0);
		}
		for (unsigned j = 0; j < 6; j++)
			assert_int_equal(delete (f, 100 * i + j), 0);
	}
	assert_sound(f, 100, 3000);
}

static void first_delete_at_limit(void **state)
{
	first_delete(*state, true);
}

static void first_delete_on_full_disk(void **state)
{
	first_delete(*state, false);
}

/* Free pages are used where the file cannot grow, also single ones. */
static void scattered(struct fixture *f, bool by_store)
{
	struct kt_store_info info;
	uint64_t free_pages;
	unsigned more = 1000;

	for (unsigned i = 0; i < 500; i++)
		assert_int_equal(put(f, i, 5000), 0);
	for (unsigned i = 499; i > 200; i -= 6)
		assert_int_equal(delete (f, i), 0);
	assert_int_equal(kt_flush(f->store), 0);
	assert_int_equal(kt_info(f->store, &info), 0);
	free_pages = info.free_pages + info.pending_pages;
	assert_in_range(free_pages, 60, info.pages / 8);
	stop_growth(f, by_store);
	assert_int_equal(put(f, more++, 40000), 0);
	assert_int_equal(put(f, more++, 40000), 0);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open(f->path, NULL, &f->store), 0);
	stop_growth(f, by_store);
	assert_int_equal(put(f, more++, 40000), 0);
	assert_sound(f, 200, 5000);
}

static void scattered_at_limit(void **state)
{
	scattered(*state, true);
}

static void scattered_on_full_disk(void **state)
{
	scattered(*state, false);
}

/* Pages that wait for nothing but a flush are used when there are no others. */
static void full_flushes(void **state)
{
	struct fixture *f = *state;
	unsigned failed = 0;

	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(put(f, i, 40000), 0);
	assert_int_equal(kt_flush(f->store), 0);
	stop_growth(f, true);
	for (unsigned i = 1; i < 5; i++)
		assert_int_equal(delete (f, i), 0);
	for (unsigned i = 1; i < 5; i++)
		if (put(f, i, 40000) != 0)
			failed++;
	assert_true(failed <= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(small_values, setup, teardown),
		cmocka_unit_test_setup_teardown(large_values, setup, teardown),
		cmocka_unit_test_setup_teardown(max_size, setup, teardown),
		cmocka_unit_test_setup_teardown(max_size_small, setup, teardown),
		cmocka_unit_test_setup_teardown(max_size_passed, setup, teardown),
		cmocka_unit_test_setup_teardown(max_size, setup_memory, teardown),
		cmocka_unit_test_setup_teardown(max_size_small, setup_memory, teardown),
		cmocka_unit_test_setup_teardown(max_size_passed, setup_memory, teardown),
		cmocka_unit_test_setup_teardown(info_after_opening, setup, teardown),
		cmocka_unit_test_setup_teardown(survives_reopening, setup, teardown),
		cmocka_unit_test_setup_teardown(clearing_makes_room, setup, teardown),
		cmocka_unit_test_setup_teardown(first_delete_at_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(first_delete_on_full_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(scattered_at_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(scattered_on_full_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(full_flushes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
