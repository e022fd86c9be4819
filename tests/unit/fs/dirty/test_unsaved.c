/* A file that cannot be saved: others are saved all the same, it is told of once, stays in memory
 * and is tried again. */
#include "tests/unit/world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BIG (300 * 1024) /* is gathered in memory, and finds no room in the store */
#define ROOM (128 * 1024)

static char unsaved_key[64];
static int unsaved_count, unsaved_err;

static void note_unsaved(const void *key, size_t size, int err)
{
	snprintf(unsaved_key, sizeof(unsaved_key), "%.*s", (int)size, (const char *)key);
	unsaved_err = err;
	unsaved_count++;
}

static void open_noting(struct world *w)
{
	w->options.unsaved = note_unsaved;
	unsaved_count = 0;
	world_remount(w);
}

static void leave_room(struct world *w, uint64_t room)
{
	struct kt_store_info info;

	assert_int_equal(kt_info(w->store, &info), 0);
	assert_int_equal(kt_set_max_size(w->store, info.pages * info.page_size + room), 0);
}

static struct fs_file *append_to(struct world *w, const char *path, const void *data, size_t size)
{
	struct fs_file *file;

	assert_int_equal(world_open_file(w, path, O_WRONLY, &file), 0);
	assert_int_equal(fs_append(w->fs, file, data, size), 0);
	return file;
}

static char *big_value(void)
{
	char *value = malloc(BIG);

	memset(value, 'x', BIG);
	return value;
}

/* Wait until the store has a key with a value of a size. */
static void wait_for_size(struct world *w, const char *key, size_t size)
{
	struct kt_waiter *waiter;
	bool there = false;

	assert_int_equal(kt_waiter_open(w->store, 0, &waiter), 0);
	while (!there) {
		struct pollfd fd = {.fd = kt_waiter_fd(waiter), .events = POLLIN};
		struct kt_entry_info info;
		struct kt_txn *txn;

		assert_int_equal(kt_waiter_clear(waiter, NULL), 0);
		assert_int_equal(kt_begin(w->store, KT_READ, &txn), 0);
		there = kt_stat(txn, key, strlen(key), &info) == 0 && info.size == size;
		kt_abort(txn);
		if (!there)
			assert_true(poll(&fd, 1, 60000) > 0);
	}
	kt_waiter_close(waiter);
}

/* At the end, the files that have room are saved. */
static void test_at_the_end(void **state)
{
	struct world *w = *state;
	char *value = big_value(), key[2] = "a";
	struct fs_file *file;

	open_noting(w);
	for (; key[0] <= 'e'; key[0]++)
		world_put(w, key, "1");
	leave_room(w, ROOM);
	append_to(w, "a", "2", 1);
	append_to(w, "b", "2", 1);
	assert_int_equal(world_create(w, "big", &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, value, BIG), 0);
	append_to(w, "c", "2", 1);
	append_to(w, "d", "2", 1);
	assert_int_equal(world_create(w, "new", &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "n", 1), 0);
	assert_int_equal(fs_close(w->fs), -ENOSPC);
	assert_int_equal(unsaved_count, 1);
	assert_string_equal(unsaved_key, "big");
	assert_int_equal(unsaved_err, -ENOSPC);
	assert_int_equal(fs_open(w->store, &w->options, &w->fs), 0);
	assert_string_equal(world_keys(w), "a=12 b=12 c=12 d=12 e=1 new=n");
	free(value);
}

/* Meanwhile, too; and when there is room, the thread in the background saves the rest. */
static void test_meanwhile(void **state)
{
	struct world *w = *state;
	struct fs_file *big, *small;
	char *value = big_value();
	struct stat stat;

	open_noting(w);
	world_put(w, "big", "1");
	world_put(w, "small", "1");
	leave_room(w, ROOM);
	small = append_to(w, "small", "2", 1);
	big = append_to(w, "big", value, BIG);
	assert_int_equal(fs_fsync(w->fs, NULL), -ENOSPC);
	assert_string_equal(world_keys(w), "big=1 small=12");
	assert_int_equal(fs_fsync(w->fs, NULL), -ENOSPC);
	assert_int_equal(unsaved_count, 1);
	assert_string_equal(unsaved_key, "big");
	assert_int_equal(world_stat(w, "big", &stat), 0);
	assert_int_equal(stat.st_size, BIG + 1);

	assert_int_equal(kt_set_max_size(w->store, 0), 0);
	wait_for_size(w, "big", BIG + 1);
	assert_int_equal(world_close_file(w, big), 0);
	assert_int_equal(world_close_file(w, small), 0);
	free(value);
}

/* A log that a program keeps open is in the store after a while, and each line soon after. A file that
 * grows fast is not, before it is complete. */
static void test_kept_open(void **state)
{
	struct world *w = *state;
	struct fs_file *log, *old, *copy;

	world_put(w, "old", "before");
	w->options.age_seconds = 1;
	world_remount(w);
	assert_int_equal(world_create(w, "copy", &copy), 0);
	assert_int_equal(fs_write(w->fs, copy, (off_t)1 << 40, "x", 1), 0);
	assert_int_equal(world_create(w, "log", &log), 0);
	assert_int_equal(fs_append(w->fs, log, "1\n", 2), 0);
	assert_int_equal(world_open_file(w, "old", O_WRONLY | O_TRUNC, &old), 0);
	assert_int_equal(fs_append(w->fs, old, "1\n", 2), 0);
	assert_string_equal(world_keys(w), "old=before");
	wait_for_size(w, "log", 2);
	wait_for_size(w, "old", 2);
	assert_int_equal(fs_append(w->fs, log, "2\n", 2), 0);
	wait_for_size(w, "log", 4);
	assert_string_equal(world_keys(w), "log=1\n2\n old=1\n");
	assert_int_equal(world_close_file(w, log), 0);
	assert_int_equal(world_close_file(w, old), 0);
	assert_int_equal(world_unlink(w, "copy"), 0);
	assert_int_equal(world_close_file(w, copy), 0);
	w->options.age_seconds = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_at_the_end, world_setup_file, world_teardown),
		cmocka_unit_test_setup_teardown(test_meanwhile, world_setup_file, world_teardown),
		cmocka_unit_test_setup_teardown(test_kept_open, world_setup_file, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
