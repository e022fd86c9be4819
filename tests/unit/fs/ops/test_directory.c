/* Making and removing directories: made ones, and those that keys imply. */
#include "tests/unit/world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

struct half {
	struct world *world;
	char text[200];
	int left;
	off_t offset;
};

static bool take_some(void *arg, const char *name, const struct fs_entry *entry, off_t offset)
{
	struct half *half = arg;

	(void)entry;
	if (half->left-- == 0)
		return false;
	half->offset = offset;
	strcat(strcat(half->text, half->text[0] ? " " : ""), name);
	return true;
}

/* A file becomes a directory with its value in it when an application puts keys below it, and a
 * file again when they are gone. An open file stays the same file. */
static void test_value(void **state)
{
	struct world *w = *state;
	struct fs_file *file;
	struct stat before, inside, after;

	world_put(w, "a", "1");
	assert_int_equal(world_stat(w, "a", &before), 0);
	assert_int_equal(world_open_file(w, "a", O_RDWR, &file), 0);
	world_put(w, "a/b", "2");
	assert_int_equal(world_stat(w, "a", &after), 0);
	assert_true(S_ISDIR(after.st_mode));
	assert_int_equal(world_stat(w, "a/%value", &inside), 0);
	assert_int_equal(inside.st_ino, before.st_ino);
	assert_int_not_equal(after.st_ino, before.st_ino);
	assert_string_equal(world_read(w, "a/%value"), "1");
	assert_int_equal(fs_write(w->fs, file, 0, "3", 1), 0);
	assert_string_equal(world_read(w, "a/%value"), "3");
	world_delete(w, "a/b");
	assert_string_equal(world_list(w, ""), "a");
	assert_string_equal(world_read(w, "a"), "3");
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "a=3");
	assert_int_equal(world_stat(w, "%value", &after), -ENOENT);
	assert_int_equal(world_write(w, "%value", ""), -EINVAL);
	assert_int_equal(world_mkdir(w, "%value"), -EINVAL);
}

/* The value of a directory is made, replaced, renamed and removed as a file in it. */
static void test_value_as_file(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(world_write(w, "d/%value", "1"), 0);
	assert_string_equal(world_keys(w), "d=1");
	assert_string_equal(world_list(w, "d"), "%value");
	assert_int_equal(world_rmdir(w, "d"), -ENOTEMPTY);
	assert_int_equal(world_rename(w, "d/%value", "e"), 0);
	assert_string_equal(world_keys(w), "e=1");
	assert_int_equal(world_rename(w, "e", "d/%value"), 0);
	assert_string_equal(world_keys(w), "d=1");
	assert_int_equal(world_rename(w, "d/%value", "d/%value"), 0);
	assert_int_equal(world_mkdir(w, "d/%value"), -EEXIST);
	assert_int_equal(world_rename(w, "d", "e"), 0);
	assert_string_equal(world_keys(w), "e=1");
	assert_string_equal(world_list(w, "e"), "%value");
	assert_int_equal(world_unlink(w, "e/%value"), 0);
	assert_int_equal(world_rename(w, "e", "e2"), 0);
	assert_int_equal(world_mkdir(w, "e2/x"), 0);
	assert_int_equal(world_rename(w, "e2/x", "e2/%value"), -EINVAL);
	assert_string_equal(world_keys(w), "");
}

/* A made directory stays without files, is no key, and goes with rmdir. */
static void test_mkdir(void **state)
{
	struct world *w = *state;
	struct stat stat;

	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(world_mkdir(w, "d"), -EEXIST);
	assert_int_equal(world_write(w, "f", ""), 0);
	assert_int_equal(world_mkdir(w, "f"), -EEXIST);
	assert_int_equal(world_mkdir(w, "f/x"), -ENOTDIR);
	assert_int_equal(world_mkdir(w, "x/y"), -ENOENT);
	assert_string_equal(world_keys(w), "f=");
	assert_int_equal(world_stat(w, "d", &stat), 0);
	assert_int_equal(stat.st_mode, S_IFDIR | 0755);
	assert_int_equal(stat.st_uid, 1000);
	world_remount(w);
	assert_string_equal(world_list(w, ""), "d/ f");
	assert_int_equal(world_rmdir(w, "f"), -ENOTDIR);
	assert_int_equal(world_rmdir(w, "x"), -ENOENT);
	assert_int_equal(world_write(w, "d/f", ""), 0);
	assert_int_equal(world_rmdir(w, "d"), -ENOTEMPTY);
	assert_int_equal(world_unlink(w, "d"), -EISDIR);
	assert_int_equal(world_unlink(w, "d/f"), 0);
	assert_int_equal(world_unlink(w, "d/f"), -ENOENT);
	assert_int_equal(world_rmdir(w, "d"), 0);
	assert_string_equal(world_list(w, ""), "f");
	assert_int_equal(world_count(w, KT_DIRECTORIES), 1); /* the root's, if anything */
}

/* Fifos, sockets and device nodes keep their type and device number. */
static void test_mknod(void **state)
{
	static const mode_t modes[] = {S_IFIFO | 0600, S_IFSOCK | 0755, S_IFCHR | 0666,
		S_IFBLK | 0660, S_IFREG | 0644, 0640};
	const struct fs_caller caller = {.uid = 1, .umask = 022};
	struct world *w = *state;
	struct fs_entry entry;
	struct stat stat;
	char name[2] = "a";

	for (size_t i = 0; i < 6; i++, name[0]++) {
		mode_t mode = modes[i] & ~022u;

		assert_int_equal(
			fs_mknod(w->fs, &caller, FS_ROOT, name, modes[i], 0x1234, &entry), 0);
		assert_int_equal(entry.stat.st_mode, mode & S_IFMT ? mode : mode | S_IFREG);
		world_forget(w, &entry);
		assert_int_equal(world_stat(w, name, &stat), 0);
		assert_int_equal(stat.st_mode, entry.stat.st_mode);
		assert_int_equal(stat.st_rdev, i == 2 || i == 3 ? 0x1234 : 0);
	}
	assert_int_equal(fs_mknod(w->fs, &caller, FS_ROOT, "a", S_IFREG, 0, &entry), -EEXIST);
	assert_int_equal(fs_mknod(w->fs, &caller, FS_ROOT, "x", S_IFDIR, 0, &entry), -EINVAL);
	assert_string_equal(world_read(w, "a"), "ENXIO");
	assert_string_equal(world_list(w, ""), "a b c d e f");
	assert_string_equal(world_keys(w), "a= b= c= d= e= f=");
}

/* A file that is not stored yet keeps its directory from being removed. */
static void test_rmdir_unstored(void **state)
{
	struct world *w = *state;
	struct fs_file *file;

	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(world_create(w, "d/f", &file), 0);
	assert_int_equal(world_rmdir(w, "d"), -ENOTEMPTY);
	assert_int_equal(world_unlink(w, "d/f"), 0);
	assert_int_equal(world_rmdir(w, "d"), 0);
	assert_int_equal(world_close_file(w, file), 0);
}

/* So does a file in a directory further below, when an application has deleted the keys that
 * implied the directories between. */
static void test_rmdir_unstored_below(void **state)
{
	struct world *w = *state;
	struct fs_file *file;

	assert_int_equal(world_mkdir(w, "d"), 0);
	world_put(w, "d/e/x", "");
	assert_int_equal(world_create(w, "d/e/f", &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "1", 1), 0);
	world_delete(w, "d/e/x");
	assert_int_equal(world_rmdir(w, "d"), -ENOTEMPTY);
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "d/e/f=1");
}

/* Nothing can be made in a removed directory, but its attributes can be asked for while it is
 * referred to. */
static void test_removed_directory(void **state)
{
	struct world *w = *state;
	struct fs_entry d, entry;
	struct fs_file *file;
	const struct fs_caller caller = {0};
	struct half half = {.left = 10};
	struct fs_dir *dir;

	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(world_lookup(w, "d", &d), 0);
	assert_int_equal(fs_opendir(w->fs, d.node, &dir), 0);
	assert_int_equal(world_rmdir(w, "d"), 0);
	assert_int_equal(fs_lookup(w->fs, d.node, "x", &entry), -ENOENT);
	assert_int_equal(fs_mkdir(w->fs, &caller, d.node, "x", 0777, &entry), -ENOENT);
	assert_int_equal(
		fs_create(w->fs, &caller, d.node, "x", 0666, O_RDWR, &entry, &file), -ENOENT);
	assert_int_equal(fs_getattr(w->fs, d.node, &d.stat), 0);
	assert_int_equal(d.stat.st_nlink, 0);
	assert_int_equal(fs_readdir(w->fs, dir, 0, false, take_some, &half), 0);
	assert_string_equal(half.text, "");
	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(fs_lookup(w->fs, d.node, "x", &entry), -ENOENT);
	fs_releasedir(w->fs, dir);
	world_forget(w, &d);
	assert_string_equal(world_list(w, "d"), "");
}

/* A directory that keys imply stays when its last file goes through the mount, with the inode
 * number it had; and goes with its last key when an application deletes that. */
static void test_implied_stays(void **state)
{
	struct world *w = *state;
	struct stat before, after;

	WORLD_PUT(w, "a/b/c", "x/y", "p/q/r");
	assert_int_equal(world_stat(w, "a/b", &before), 0);
	assert_int_equal(world_unlink(w, "a/b/c"), 0);
	assert_string_equal(world_list(w, "a"), "b/");
	assert_string_equal(world_list(w, "a/b"), "");
	assert_int_equal(world_stat(w, "a/b", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(world_rmdir(w, "a/b"), 0);
	assert_string_equal(world_list(w, ""), "a/ p/ x/");
	assert_int_equal(world_rmdir(w, "a"), 0);
	world_delete(w, "x/y");
	assert_string_equal(world_list(w, ""), "p/");
	assert_int_equal(world_rename(w, "p/q/r", "r"), 0);
	assert_string_equal(world_list(w, "p"), "q/");
	assert_int_equal(world_rename(w, "p/q", "q"), 0);
	assert_string_equal(world_list(w, ""), "p/ q/ r");
	world_remount(w);
	assert_string_equal(world_list(w, ""), "p/ q/ r");
}

/* The times of a directory change with the names in it, and stay over a remount. */
static void test_directory_times(void **state)
{
	struct fs_setattr set = {.what = FS_SET_MTIME, .mtime = {.tv_sec = 1000}};
	struct world *w = *state;
	struct fs_file *file;
	struct stat stat, again;

	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(world_setattr(w, "d", &set), 0);
	assert_int_equal(world_stat(w, "d", &stat), 0);
	assert_int_equal(stat.st_mtim.tv_sec, 1000);
	assert_int_equal(world_create(w, "d/f", &file), 0);
	assert_int_equal(world_stat(w, "d", &stat), 0);
	assert_true(stat.st_mtim.tv_sec > 1000000000);
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(world_stat(w, "", &stat), 0);
	world_remount(w);
	assert_int_equal(world_stat(w, "", &again), 0);
	assert_memory_equal(&stat, &again, sizeof(stat));
	assert_int_equal(world_stat(w, "d", &stat), 0);
	assert_true(stat.st_mtim.tv_sec > 1000000000);
	assert_int_equal(world_setattr(w, "d", &set), 0);
	assert_int_equal(world_unlink(w, "d/f"), 0);
	assert_int_equal(world_setattr(w, "d", &set), 0);
	world_remount(w);
	assert_int_equal(world_stat(w, "d", &stat), 0);
	assert_int_equal(stat.st_mtim.tv_sec, 1000);
}

/* What a rename does to the ctime of a directory stays, although a name in it had changed before.
 */
static void test_directory_ctime(void **state)
{
	const struct timespec tick = {.tv_nsec = 10000000}; /* the clock for stamps is coarse */
	struct world *w = *state;
	struct stat before, after;

	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(world_write(w, "d/f", ""), 0);
	nanosleep(&tick, NULL);
	assert_int_equal(world_rename(w, "d", "e"), 0);
	assert_int_equal(world_stat(w, "e", &before), 0);
	assert_memory_not_equal(&before.st_ctim, &before.st_mtim, sizeof(before.st_ctim));
	world_remount(w);
	assert_int_equal(world_stat(w, "e", &after), 0);
	assert_memory_equal(&before.st_ctim, &after.st_ctim, sizeof(before.st_ctim));
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
}

/* New files take the group of a directory that has set-group-id. */
static void test_setgid(void **state)
{
	struct fs_setattr set = {.what = FS_SET_MODE | FS_SET_GID, .mode = 02775, .gid = 77};
	struct world *w = *state;
	struct stat stat;

	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(world_setattr(w, "d", &set), 0);
	assert_int_equal(world_write(w, "d/f", ""), 0);
	assert_int_equal(world_mkdir(w, "d/e"), 0);
	assert_int_equal(world_stat(w, "d/f", &stat), 0);
	assert_int_equal(stat.st_gid, 77);
	assert_int_equal(world_stat(w, "d/e", &stat), 0);
	assert_int_equal(stat.st_gid, 77);
	assert_int_equal(stat.st_mode, S_IFDIR | S_ISGID | 0755);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, world_setup_memory, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_value),
		TEST(test_value_as_file),
		TEST(test_mkdir),
		TEST(test_mknod),
		TEST(test_rmdir_unstored),
		TEST(test_rmdir_unstored_below),
		TEST(test_removed_directory),
		TEST(test_implied_stays),
		TEST(test_directory_ctime),
		TEST(test_directory_times),
		TEST(test_setgid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
