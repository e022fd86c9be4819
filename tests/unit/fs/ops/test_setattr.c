/* Attributes of files: set through the mount, by an application, and after a remount. */
#include "tests/unit/world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* mode, owner, times, type and inode number stay over a remount, of files made through the mount
 * and of those an application wrote. */
static void test_remount(void **state)
{
	struct world *w = *state;
	struct fs_setattr set = {
		.what = FS_SET_MODE | FS_SET_UID | FS_SET_GID | FS_SET_ATIME | FS_SET_MTIME,
		.mode = 04751,
		.uid = 7,
		.gid = 8,
		.atime = {.tv_sec = 1000, .tv_nsec = 1},
		.mtime = {.tv_sec = -5, .tv_nsec = 999999999}};
	static const char *const paths[] = {"app", "file", "dir", "dir/sub", "link", "implied", ""};
	struct stat before[7], after;

	world_put(w, "app", "1");
	world_put(w, "implied/x", "1");
	assert_int_equal(world_write(w, "file", "text"), 0);
	assert_int_equal(world_mkdir(w, "dir"), 0);
	assert_int_equal(world_mkdir(w, "dir/sub"), 0);
	assert_int_equal(world_symlink(w, "some/where", "link"), 0);
	for (int i = 0; i < 6; i++) {
		if (strcmp(paths[i], "link") != 0)
			assert_int_equal(world_setattr(w, paths[i], &set), 0);
		assert_int_equal(world_stat(w, paths[i], &before[i]), 0);
	}
	assert_int_equal(before[0].st_mode, S_IFREG | 04751);
	assert_int_equal(before[2].st_mode, S_IFDIR | 04751);
	assert_int_equal(before[4].st_mode, S_IFLNK | 0777);
	assert_int_equal(before[1].st_uid, 7);
	assert_int_equal(before[1].st_gid, 8);
	assert_int_equal(before[1].st_atim.tv_sec, 1000);
	assert_int_equal(before[1].st_atim.tv_nsec, 1);
	assert_int_equal(before[1].st_mtim.tv_sec, -5);
	assert_int_equal(before[1].st_mtim.tv_nsec, 999999999);
	assert_true(before[1].st_ctim.tv_sec > 1000000000);
	assert_int_equal(world_stat(w, "", &before[6]), 0);
	world_remount(w);
	for (int i = 0; i < 7; i++) {
		assert_int_equal(world_stat(w, paths[i], &after), 0);
		assert_memory_equal(&before[i], &after, sizeof(after));
	}
}

/* Each file has an inode number of its own, which edits and renames keep and replacing changes. */
static void test_inode_numbers(void **state)
{
	struct world *w = *state;
	struct stat a, b, c;

	world_put(w, "app", "1");
	assert_int_equal(world_write(w, "mine", "1"), 0);
	assert_int_equal(world_stat(w, "app", &a), 0);
	assert_int_equal(world_stat(w, "mine", &b), 0);
	assert_int_not_equal(a.st_ino, b.st_ino);
	world_put(w, "app", "2");
	assert_int_equal(world_write(w, "mine", "2"), 0);
	assert_int_equal(world_stat(w, "app", &c), 0);
	assert_int_equal(a.st_ino, c.st_ino);
	assert_int_equal(world_rename(w, "app", "app2"), 0);
	assert_int_equal(world_stat(w, "app2", &c), 0);
	assert_int_equal(a.st_ino, c.st_ino);
	world_remount(w);
	assert_int_equal(world_stat(w, "app2", &c), 0);
	assert_int_equal(a.st_ino, c.st_ino);
	assert_int_equal(world_rename(w, "mine", "app2"), 0);
	assert_int_equal(world_stat(w, "app2", &c), 0);
	assert_int_equal(b.st_ino, c.st_ino);
}

/* When an application writes a file that has attributes, mtime and ctime are that time. */
static void test_times_after_application(void **state)
{
	struct world *w = *state;
	struct fs_setattr set = {.what = FS_SET_MTIME, .mtime = {.tv_sec = 1000}};
	struct stat stat;

	assert_int_equal(world_write(w, "f", "1"), 0);
	assert_int_equal(world_setattr(w, "f", &set), 0);
	assert_int_equal(world_stat(w, "f", &stat), 0);
	assert_int_equal(stat.st_mtim.tv_sec, 1000);
	assert_true(stat.st_ctim.tv_sec > 1000000000);
	world_put(w, "f", "2");
	assert_int_equal(world_stat(w, "f", &stat), 0);
	assert_true(stat.st_mtim.tv_sec > 1000000000);
	assert_memory_equal(&stat.st_mtim, &stat.st_ctim, sizeof(stat.st_ctim));
}

/* Attributes of a file that is being written are set in memory, and stored with it. */
static void test_setattr_unstored(void **state)
{
	struct world *w = *state;
	struct fs_setattr set = {.what = FS_SET_MODE | FS_SET_MTIME,
		.mode = 0600,
		.mtime = {.tv_sec = 5000, .tv_nsec = 6}};
	struct fs_file *file;
	struct stat stat;
	uint64_t txn;

	assert_int_equal(world_write(w, "first", ""), 0);
	txn = world_txn(w);
	assert_int_equal(world_create(w, "f", &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "x", 1), 0);
	assert_int_equal(world_setattr(w, "f", &set), 0);
	assert_int_equal(world_txn(w), txn);
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(world_stat(w, "f", &stat), 0);
	assert_int_equal(stat.st_mode, S_IFREG | 0600);
	assert_int_equal(stat.st_mtim.tv_sec, 5000);
	assert_int_equal(stat.st_mtim.tv_nsec, 6);
	assert_int_equal(stat.st_size, 1);
}

/* A damaged blob is an error for requests about its file, and for no others. */
static void test_damaged_blob(void **state)
{
	struct world *w = *state;
	struct kt_txn *txn;
	struct stat stat;

	world_put(w, "bad", "1");
	world_put(w, "good", "1");
	assert_int_equal(kt_begin(w->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_set_attr(txn, "bad", 3, "\001\377\377", 3), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(world_stat(w, "bad", &stat), -EUCLEAN);
	assert_string_equal(world_list(w, ""), "bad good");
	assert_string_equal(world_read(w, "bad"), "EUCLEAN");
	assert_string_equal(world_read(w, "good"), "1");
}

int main(void)
{
#define MEMORY(test) cmocka_unit_test_setup_teardown(test, world_setup_memory, world_teardown)
#define IN_FILE(test) cmocka_unit_test_setup_teardown(test, world_setup_file, world_teardown)
	const struct CMUnitTest tests[] = {
		IN_FILE(test_remount),
		IN_FILE(test_inode_numbers),
		MEMORY(test_times_after_application),
		MEMORY(test_setattr_unstored),
		MEMORY(test_damaged_blob),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
