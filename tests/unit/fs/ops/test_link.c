/* Hard links: one file under several names, through whatever is done to it. */
#include "tests/unit/world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* Both names must be of different files. */
static void assert_other(struct world *w, const char *a, const char *b)
{
	struct fs_entry entry_a, entry_b;

	assert_int_equal(world_lookup(w, a, &entry_a), 0);
	assert_int_equal(world_lookup(w, b, &entry_b), 0);
	assert_true(entry_a.node != entry_b.node);
	assert_true(entry_a.stat.st_ino != entry_b.stat.st_ino);
	world_forget(w, &entry_a);
	world_forget(w, &entry_b);
}

static bool is_later(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

/* Let the coarse clock move on, by which times are stamped. */
static void let_time_pass(void)
{
	struct timespec from, now;

	clock_gettime(CLOCK_REALTIME_COARSE, &from);
	do
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
	while (!is_later(now, from));
}

/* A link is one file under both names, in other directories too, after a remount too, and for an
 * application two keys with one value. Its inode number is the one it had. */
static void test_link(void **state)
{
	struct world *w = *state;
	struct stat before, after;

	assert_int_equal(world_write(w, "a", "value"), 0);
	before = world_stat_of(w, "a");
	let_time_pass();
	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(world_link(w, "a", "d/b"), 0);
	after = world_stat_of(w, "a");
	assert_int_equal(before.st_ino, after.st_ino);
	assert_true(is_later(after.st_ctim, before.st_ctim));
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	world_assert_same_file(w, "a", "d/b", 2);
	assert_string_equal(world_keys(w), "a=value d/b=value");
	assert_int_equal(world_link(w, "d/b", "c"), 0);
	world_assert_same_file(w, "a", "c", 3);
	assert_string_equal(world_list(w, ""), "a c d/");
	world_remount(w);
	world_assert_same_file(w, "a", "d/b", 3);
	assert_int_equal(world_stat_of(w, "c").st_ino, before.st_ino);
	assert_string_equal(world_read(w, "d/b"), "value");
}

/* Files that an application has written under one key, one after the other, are different files
 * when they have more names, which programs that copy tell from their numbers. */
static void test_of_application(void **state)
{
	struct world *w = *state;
	ino_t ino;

	world_put(w, "a/b", "value");
	assert_int_equal(world_link(w, "a/b", "c"), 0);
	world_assert_same_file(w, "a/b", "c", 2);
	ino = world_stat_of(w, "c").st_ino;
	assert_int_equal(world_rename(w, "a/b", "d"), 0);
	world_put(w, "a/b", "another");
	assert_int_equal(world_link(w, "a/b", "e"), 0);
	world_put(w, "d", "a third");
	assert_int_equal(world_link(w, "d", "f"), 0);
	world_assert_same_file(w, "a/b", "e", 2);
	world_assert_same_file(w, "d", "f", 2);
	assert_other(w, "c", "e");
	assert_other(w, "c", "f");
	assert_other(w, "e", "f");
	world_remount(w);
	assert_int_equal(world_stat_of(w, "c").st_ino, ino);
}

/* Keys that an application links are one file. A value that it puts anew is another file. */
static void test_by_application(void **state)
{
	struct world *w = *state;
	struct fs_file *file;
	struct kt_txn *txn;
	struct fs_setattr set = {.what = FS_SET_MODE, .mode = 0600};

	world_put(w, "a", "value");
	assert_int_equal(world_open_file(w, "a", O_RDWR, &file), 0);
	assert_int_equal(kt_begin(w->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_link(txn, "a", 1, txn, "b", 1), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	world_assert_same_file(w, "a", "b", 2);
	assert_int_equal(fs_write(w->fs, file, 0, "V", 1), 0);
	assert_string_equal(world_read(w, "b"), "Value");
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(world_setattr(w, "a", &set), 0);
	assert_int_equal(world_stat_of(w, "b").st_mode & 07777, 0600);
	world_put(w, "a", "own");
	assert_string_equal(world_read(w, "a"), "own");
	assert_string_equal(world_read(w, "b"), "Value");
	assert_int_equal(world_stat_of(w, "a").st_mode & 07777, 0600);
	assert_int_equal(world_stat_of(w, "a").st_nlink, 1);
	assert_other(w, "a", "b");
	world_delete(w, "b");
	assert_string_equal(world_read(w, "b"), "ENOENT");
}

/* unlink takes one name; the others keep the file, the last one takes it along. */
static void test_unlink(void **state)
{
	struct world *w = *state;
	struct stat before;

	assert_int_equal(world_write(w, "a", "value"), 0);
	assert_int_equal(world_link(w, "a", "b"), 0);
	assert_int_equal(world_link(w, "a", "c"), 0);
	before = world_stat_of(w, "c");
	let_time_pass();
	assert_int_equal(world_unlink(w, "a"), 0);
	world_assert_same_file(w, "b", "c", 2);
	assert_true(is_later(world_stat_of(w, "c").st_ctim, before.st_ctim));
	assert_int_equal(world_unlink(w, "b"), 0);
	assert_int_equal(world_stat_of(w, "c").st_nlink, 1);
	assert_int_equal(world_stat_of(w, "c").st_ino, before.st_ino);
	assert_string_equal(world_read(w, "c"), "value");
	assert_int_equal(world_link(w, "c", "a"), 0);
	world_assert_same_file(w, "a", "c", 2);
	assert_int_equal(world_unlink(w, "a"), 0);
	assert_int_equal(world_unlink(w, "c"), 0);
	assert_string_equal(world_keys(w), "");
	assert_int_equal(world_count(w, KT_SHARED), 0);
}

/* A name moves and stays one of the file; onto another name of the file nothing happens; onto that
 * of another file, that loses the name. */
static void test_rename(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_write(w, "a", "one"), 0);
	assert_int_equal(world_link(w, "a", "b"), 0);
	assert_int_equal(world_write(w, "x", "two"), 0);
	assert_int_equal(world_link(w, "x", "y"), 0);
	assert_int_equal(world_rename(w, "a", "b"), 0);
	world_assert_same_file(w, "a", "b", 2);
	assert_int_equal(world_rename(w, "a", "c"), 0);
	world_assert_same_file(w, "b", "c", 2);
	assert_int_equal(world_rename(w, "c", "x"), 0);
	world_assert_same_file(w, "b", "x", 2);
	assert_int_equal(world_stat_of(w, "y").st_nlink, 1);
	assert_string_equal(world_keys(w), "b=one x=one y=two");
	assert_int_equal(world_write(w, "z", "three"), 0);
	assert_int_equal(world_rename(w, "z", "b"), 0);
	assert_int_equal(world_stat_of(w, "x").st_nlink, 1);
	assert_string_equal(world_keys(w), "b=three x=one y=two");
	assert_int_equal(world_rename(w, "y", "x"), 0);
	assert_string_equal(world_keys(w), "b=three x=two");
	assert_int_equal(world_count(w, KT_SHARED), 2); /* the file, and its name */
}

/* Names of linked files move with their directory. */
static void test_rename_directory(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(world_mkdir(w, "d/e"), 0);
	assert_int_equal(world_write(w, "d/a", "value"), 0);
	assert_int_equal(world_link(w, "d/a", "d/e/b"), 0);
	assert_int_equal(world_link(w, "d/a", "out"), 0);
	assert_int_equal(world_rename(w, "d", "moved"), 0);
	world_assert_same_file(w, "moved/a", "moved/e/b", 3);
	world_assert_same_file(w, "moved/a", "out", 3);
	world_remount(w);
	world_assert_same_file(w, "moved/a", "out", 3);
}

/* Links that are refused. */
static void test_refused(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(world_write(w, "a", "value"), 0);
	assert_int_equal(world_write(w, "b", "value"), 0);
	assert_int_equal(world_link(w, "d", "e"), -EPERM);
	assert_int_equal(world_link(w, "a", "b"), -EEXIST);
	assert_int_equal(world_link(w, "a", "d"), -EEXIST);
	assert_int_equal(world_link(w, "a", "a"), -EEXIST);
	assert_int_equal(world_link(w, "a", "missing/b"), -ENOENT);
	assert_int_equal(world_stat_of(w, "a").st_nlink, 1);
	w->options.read_only = true;
	world_remount(w);
	assert_int_equal(world_link(w, "a", "c"), -EROFS);
}

/* What is written, truncated, appended or set through one name is there under the other. */
static void test_write(void **state)
{
	struct fs_setattr size = {.what = FS_SET_SIZE, .size = 3};
	struct fs_setattr mode = {.what = FS_SET_MODE, .mode = 0600};
	struct world *w = *state;
	struct fs_file *file;

	assert_int_equal(world_write(w, "a", "0123456789"), 0);
	assert_int_equal(world_link(w, "a", "b"), 0);
	assert_int_equal(world_open_file(w, "b", O_RDWR, &file), 0);
	assert_int_equal(fs_write(w->fs, file, 4, "xy", 2), 0);
	assert_string_equal(world_read(w, "a"), "0123xy6789"); /* gathered only */
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "a=0123xy6789 b=0123xy6789");
	assert_int_equal(world_open_file(w, "a", O_WRONLY | O_APPEND, &file), 0);
	assert_int_equal(fs_append(w->fs, file, "end", 3), 0);
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_read(w, "b"), "0123xy6789end");
	assert_int_equal(world_setattr(w, "b", &size), 0);
	assert_int_equal(world_setattr(w, "a", &mode), 0);
	world_assert_same_file(w, "a", "b", 2);
	assert_int_equal(world_stat_of(w, "b").st_size, 3);
	assert_int_equal(world_stat_of(w, "b").st_mode & 07777, 0600);
	assert_int_equal(world_write(w, "a", "written anew"), 0); /* truncates, and is whole */
	world_assert_same_file(w, "a", "b", 2);
	assert_string_equal(world_keys(w), "a=written anew b=written anew");
}

/* A large file that is written anew goes through a nameless entry, for all of its names. */
static void test_write_large(void **state)
{
	const size_t size = 3 * 1048576;
	struct world *w = *state;
	char *data = malloc(size), *buf = malloc(size);
	struct fs_file *file;
	size_t got;

	memset(data, 'L', size);
	assert_int_equal(world_write(w, "a", "small"), 0);
	assert_int_equal(world_link(w, "a", "b"), 0);
	assert_int_equal(world_open_file(w, "a", O_RDWR | O_TRUNC, &file), 0);
	for (size_t at = 0; at < size; at += 65536)
		assert_int_equal(fs_write(w->fs, file, (off_t)at, data + at, 65536), 0);
	assert_int_equal(world_count(w, KT_NAMELESS), 1);
	assert_int_equal(world_stat_of(w, "b").st_size, size);
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(world_count(w, KT_NAMELESS), 0);
	world_assert_same_file(w, "a", "b", 2);
	assert_int_equal(world_open_file(w, "b", O_RDONLY, &file), 0);
	assert_int_equal(fs_read(w->fs, file, 0, buf, size, &got), 0);
	assert_int_equal(got, size);
	assert_memory_equal(buf, data, size);
	assert_int_equal(world_close_file(w, file), 0);
	free(data);
	free(buf);
}

/* Large writes into what is there, holes, and what was gathered before them reach the one entry. */
static void test_write_in_place(void **state)
{
	const size_t size = 600 * 1024;
	struct world *w = *state;
	char *data = malloc(size), *buf = malloc(size);
	struct fs_file *file;
	size_t got;
	off_t at;

	memset(data, 'D', size);
	assert_int_equal(world_write(w, "a", "0123456789"), 0);
	assert_int_equal(world_link(w, "a", "b"), 0);
	assert_int_equal(world_open_file(w, "b", O_RDWR, &file), 0);
	assert_int_equal(fs_write(w->fs, file, 2, "xy", 2), 0);
	assert_int_equal(fs_write(w->fs, file, 8, data, size), 0);
	assert_int_equal(world_stat_of(w, "a").st_size, 8 + size);
	assert_int_equal(
		fs_fallocate(w->fs, file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192, 65536),
		0);
	assert_int_equal(fs_lseek(w->fs, file, 0, SEEK_HOLE, &at), 0);
	assert_int_equal(at, 8192);
	assert_int_equal(world_close_file(w, file), 0);
	world_assert_same_file(w, "a", "b", 2);
	assert_int_equal(world_open_file(w, "a", O_RDONLY, &file), 0);
	assert_int_equal(fs_read(w->fs, file, 0, buf, size, &got), 0);
	assert_int_equal(got, size);
	assert_memory_equal(buf, "01xy4567", 8);
	assert_memory_equal(buf + 8, data, 8192 - 8);
	assert_int_equal(buf[8192], '\0');
	assert_memory_equal(buf + 8192 + 65536, data, size - 8192 - 65536);
	assert_int_equal(world_close_file(w, file), 0);
	free(data);
	free(buf);
}

/* Names of linked files can be exchanged. */
static void test_exchange(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_write(w, "a", "one"), 0);
	assert_int_equal(world_link(w, "a", "b"), 0);
	assert_int_equal(world_write(w, "x", "two"), 0);
	assert_int_equal(fs_rename(w->fs, FS_ROOT, "b", FS_ROOT, "x", RENAME_EXCHANGE), 0);
	assert_string_equal(world_keys(w), "a=one b=two x=one");
	world_assert_same_file(w, "a", "x", 2);
	assert_int_equal(fs_rename(w->fs, FS_ROOT, "a", FS_ROOT, "x", RENAME_EXCHANGE), 0);
	world_assert_same_file(w, "a", "x", 2);
	assert_int_equal(world_stat_of(w, "b").st_nlink, 1);
}

/* Symbolic links have names, too. */
static void test_symlink(void **state)
{
	struct world *w = *state;
	struct fs_entry entry;
	char *target;

	assert_int_equal(world_symlink(w, "target", "a"), 0);
	assert_int_equal(world_link(w, "a", "b"), 0);
	world_assert_same_file(w, "a", "b", 2);
	assert_int_equal(world_unlink(w, "a"), 0);
	assert_int_equal(world_lookup(w, "b", &entry), 0);
	assert_int_equal(fs_readlink(w->fs, entry.node, &target), 0);
	assert_string_equal(target, "target");
	free(target);
	world_forget(w, &entry);
}

#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, world_setup_memory, world_teardown),                 \
		cmocka_unit_test_setup_teardown(name, world_setup_file, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_link),
		TEST(test_of_application),
		TEST(test_by_application),
		TEST(test_unlink),
		TEST(test_rename),
		TEST(test_rename_directory),
		TEST(test_refused),
		TEST(test_write),
		TEST(test_write_large),
		TEST(test_write_in_place),
		TEST(test_exchange),
		TEST(test_symlink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
