/* Files that an editor puts aside while it saves: the store learns of the rename late, or
 * never. And the locks of editors, which are symbolic links. Each test begins with f renamed to
 * f~. */
#include "tests/unit/world.h"

#include "fs/access/flusher.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static int setup(void **state)
{
	static struct world world;

	memset(&world, 0, sizeof(world));
	world_open(&world, false);
	world_put(&world, "f", "old");
	assert_string_equal(world_list(&world, ""), "f");
	assert_int_equal(world_rename(&world, "f", "f~"), 0);
	*state = &world;
	return 0;
}

static int teardown(void **state)
{
	world_close(*state);
	return 0;
}

/* Publish all that the mount shows. */
static void settle(struct world *w)
{
	assert_int_equal(fs_fsync(w->fs, NULL), 0);
}

/* While the new version is written, the store has the old one under its name. */
static void test_save(void **state)
{
	struct world *w = *state;
	struct fs_file *file;

	assert_string_equal(world_keys(w), "f=old");
	assert_string_equal(world_list(w, ""), "f~");
	assert_string_equal(world_read(w, "f~"), "old");
	assert_string_equal(world_read(w, "f"), "ENOENT");
	assert_int_equal(world_create(w, "f", &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "n", 1), 0);
	assert_string_equal(world_keys(w), "f=old");
	assert_string_equal(world_list(w, ""), "f f~");
	assert_int_equal(fs_write(w->fs, file, 1, "ew", 2), 0);
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "f=new");
	assert_string_equal(world_list(w, ""), "f f~");
	assert_string_equal(world_read(w, "f~"), "old");
	assert_string_equal(world_read(w, "f"), "new");
	settle(w);
	assert_string_equal(world_keys(w), "f=new");
	/* again: the one that was put aside before goes */
	assert_int_equal(world_rename(w, "f", "f~"), 0);
	assert_int_equal(world_count(w, KT_NAMELESS), 0);
	assert_string_equal(world_keys(w), "f=new");
	assert_int_equal(world_write(w, "f", "newer"), 0);
	assert_string_equal(world_read(w, "f~"), "new");
	assert_int_equal(world_unlink(w, "f~"), 0);
	assert_string_equal(world_keys(w), "f=newer");
	assert_int_equal(world_count(w, KT_NAMELESS), 0);
}

/* If no new version is saved under the old name, the file is renamed in the store. */
static void test_rename(void **state)
{
	struct world *w = *state;
	struct stat before, after;

	assert_int_equal(world_stat(w, "f~", &before), 0);
	settle(w);
	assert_string_equal(world_keys(w), "f~=old");
	assert_string_equal(world_list(w, ""), "f~");
	assert_int_equal(world_stat(w, "f~", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	assert_int_equal(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
	assert_int_equal(before.st_mode, after.st_mode);
}

/* A delayed rename waits for its time, whatever else is published meanwhile. */
static void test_late(void **state)
{
	struct world *w = *state;
	struct timespec before, after;
	struct fs_file *file;

	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_int_equal(world_rename(w, "f~", "f"), 0);
	assert_int_equal(world_rename(w, "f", "f~"), 0);
	assert_int_equal(world_create(w, "4913", &file), 0);
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(flusher_publish_dirty(w->fs, false), 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	if (after.tv_sec - before.tv_sec < 1) /* else the machine was slow */
		assert_string_equal(world_keys(w), "f=old");
	assert_int_equal(flusher_publish_dirty(w->fs, true), 0);
	assert_string_equal(world_keys(w), "4913= f~=old");
}

/* The rename waits while the new version is being written, however long that takes. */
static void test_slow(void **state)
{
	struct world *w = *state;
	struct fs_file *file;

	assert_int_equal(world_create(w, "f", &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "n", 1), 0);
	assert_int_equal(flusher_publish_dirty(w->fs, true), 0);
	assert_string_equal(world_keys(w), "f=old");
	assert_int_equal(world_unlink(w, "f"), 0); /* it is given up */
	assert_string_equal(world_keys(w), "f=old");
	assert_int_equal(flusher_publish_dirty(w->fs, true), 0);
	assert_string_equal(world_keys(w), "f~=old");
	assert_int_equal(world_close_file(w, file), 0);
}

/* A new version that is given up, or gets another name, leaves the old one alone. */
static void test_given_up(void **state)
{
	struct world *w = *state;
	struct fs_file *file;

	assert_int_equal(world_create(w, "f", &file), 0);
	assert_int_equal(world_unlink(w, "f"), 0);
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(world_rename(w, "f~", "f"), 0);
	assert_string_equal(world_keys(w), "f=old");
	assert_int_equal(world_rename(w, "f", "f~"), 0);
	assert_int_equal(world_create(w, "f", &file), 0);
	assert_int_equal(world_rename(w, "f", "g"), 0);
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "f=old g=");
	assert_string_equal(world_list(w, ""), "f~ g");
	settle(w);
	assert_string_equal(world_keys(w), "f~=old g=");

	/* a key with a name that is one of scratch files, too */
	assert_int_equal(world_rename(w, "f~", "e~"), 0);
	assert_string_equal(world_keys(w), "f~=old g=");
	assert_int_equal(world_write(w, "f~", "scratch"), 0);
	assert_int_equal(world_rename(w, "f~", "d~"), 0);
	settle(w);
	assert_string_equal(world_keys(w), "e~=old g=");
}

/* The file is renamed in the store when the file system ends. */
static void test_end(void **state)
{
	struct world *w = *state;

	world_remount(w);
	assert_string_equal(world_keys(w), "f~=old");
}

/* When the file system ends while the new version is being written, both versions are
 * published. */
static void test_end_while_saving(void **state)
{
	struct world *w = *state;
	struct fs_file *file;

	assert_int_equal(world_create(w, "f", &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "new", 3), 0);
	world_remount(w);
	assert_string_equal(world_keys(w), "f=new f~=old");
}

static void test_sync(void **state)
{
	struct world *w = *state;
	struct fs_file *file;

	assert_int_equal(world_open_file(w, "f~", O_RDONLY, &file), 0);
	assert_int_equal(fs_fsync(w->fs, file), 0);
	assert_string_equal(world_keys(w), "f~=old");
	assert_string_equal(world_read_file(w, file), "old");
	assert_int_equal(world_close_file(w, file), 0);
}

static void test_remove(void **state)
{
	struct world *w = *state;
	struct fs_file *file;

	assert_int_equal(world_open_file(w, "f~", O_RDONLY, &file), 0);
	assert_int_equal(world_unlink(w, "f~"), 0);
	assert_string_equal(world_keys(w), "");
	assert_string_equal(world_list(w, ""), "");
	assert_string_equal(world_read_file(w, file), "old");
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(world_count(w, KT_NAMELESS), 0);
}

/* An editor that failed to save renames the old version back. */
static void test_back(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_rename(w, "f~", "f"), 0);
	assert_string_equal(world_keys(w), "f=old");
	assert_string_equal(world_list(w, ""), "f");
	assert_string_equal(world_read(w, "f"), "old");
	assert_int_equal(world_rename(w, "f", "f~"), 0);
	assert_int_equal(world_rename(w, "f~", "g"), 0);
	assert_string_equal(world_keys(w), "g=old");
	assert_int_equal(world_count(w, KT_NAMELESS), 0);
}

/* Something else takes the old name: a link, a directory or another file. */
static void test_taken(void **state)
{
	struct world *w = *state;
	struct fs_file *file;

	assert_int_equal(world_symlink(w, "x", "f"), 0);
	assert_string_equal(world_keys(w), "f=x");
	assert_string_equal(world_read(w, "f~"), "old");
	assert_int_equal(world_unlink(w, "f"), 0);

	world_put(w, "g", "old");
	world_put(w, "other", "value");
	assert_int_equal(world_rename(w, "g", "g~"), 0);
	assert_int_equal(world_rename(w, "other", "g"), 0);
	assert_string_equal(world_keys(w), "g=value");
	assert_string_equal(world_read(w, "g~"), "old");

	assert_int_equal(world_rename(w, "g", "h~"), 0);
	world_put(w, "other", "value 2");
	assert_int_equal(world_link(w, "other", "g"), 0);
	assert_string_equal(world_keys(w), "g=value 2 other=value 2");
	assert_string_equal(world_read(w, "h~"), "value");
	assert_int_equal(world_unlink(w, "g"), 0);

	assert_int_equal(world_rename(w, "other", "o~"), 0); /* has had two names */
	assert_string_equal(world_keys(w), "o~=value 2");

	world_put(w, "i", "old");
	assert_int_equal(world_rename(w, "i", "i~"), 0);
	assert_int_equal(world_mkdir(w, "i"), 0);
	assert_string_equal(world_list(w, "i"), "");
	assert_int_equal(world_create(w, "i/x", &file), 0);
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_list(w, "i"), "x");
	settle(w);
	assert_string_equal(world_keys(w), "i/x= i~=old o~=value 2");
}

/* A directory with its own value is renamed onto the old name. */
static void test_taken_by_directory(void **state)
{
	struct world *w = *state;

	world_put(w, "d", "value");
	world_put(w, "d/x", "1");
	assert_int_equal(world_rename(w, "d", "f"), 0);
	assert_string_equal(world_keys(w), "f=value f/x=1");
	assert_string_equal(world_read(w, "f~"), "old");
}

/* A directory that took the old name is renamed: the file put aside is not its value, and
 * stays. */
static void test_other_directory(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_mkdir(w, "f"), 0);
	assert_int_equal(world_rename(w, "f", "g"), 0);
	assert_string_equal(world_read(w, "f~"), "old");
	assert_string_equal(world_keys(w), "f=old");
	assert_int_equal(world_rename(w, "g", "f"), 0);
	assert_int_equal(world_mkdir(w, "g"), 0);
	assert_int_equal(fs_rename(w->fs, FS_ROOT, "f", FS_ROOT, "g", RENAME_EXCHANGE), 0);
	assert_string_equal(world_read(w, "f~"), "old");
	assert_string_equal(world_list(w, "g"), "");
}

/* The directory of both names is renamed meanwhile, and is not empty. */
static void test_directory(void **state)
{
	struct world *w = *state;

	world_put(w, "d/f", "deep");
	assert_int_equal(world_rename(w, "d/f", "d/f~"), 0);
	assert_int_equal(world_rmdir(w, "d"), -ENOTEMPTY);
	assert_int_equal(world_rename(w, "d", "e"), 0);
	assert_string_equal(world_list(w, "e"), "f~");
	assert_string_equal(world_keys(w), "e/f=deep f=old");
	assert_int_equal(world_write(w, "e/f", "new"), 0);
	assert_string_equal(world_keys(w), "e/f=new f=old");
	assert_int_equal(world_unlink(w, "e/f~"), 0);
	assert_int_equal(world_unlink(w, "e/f"), 0);
	assert_int_equal(world_rmdir(w, "e"), 0);
	assert_string_equal(world_keys(w), "f=old");
}

/* A file that was put aside is changed. */
static void test_change(void **state)
{
	struct fs_setattr mode = {.what = FS_SET_MODE, .mode = 0600};
	struct fs_setattr size = {.what = FS_SET_SIZE, .size = 2};
	static char large[700 * 1024];
	struct world *w = *state;
	struct fs_file *file;
	struct stat stat;

	assert_int_equal(world_setattr(w, "f~", &mode), 0);
	assert_int_equal(world_setattr(w, "f~", &size), 0);
	assert_string_equal(world_keys(w), "f=old");
	assert_string_equal(world_read(w, "f~"), "ol");
	assert_int_equal(world_open_file(w, "f~", O_RDWR, &file), 0);
	assert_int_equal(fs_write(w->fs, file, 2, "der", 3), 0);
	assert_string_equal(world_read(w, "f~"), "older");
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "f~=older");
	assert_int_equal(world_stat(w, "f~", &stat), 0);
	assert_int_equal(stat.st_mode, S_IFREG | 0600);

	world_put(w, "g", "old");
	assert_int_equal(world_rename(w, "g", "g~"), 0);
	assert_int_equal(world_write(w, "g~", "x"), 0); /* with O_TRUNC */
	assert_string_equal(world_keys(w), "f~=older g~=x");

	world_put(w, "h", "old");
	assert_int_equal(world_rename(w, "h", "h~"), 0);
	assert_int_equal(world_open_file(w, "h~", O_RDWR, &file), 0);
	assert_int_equal(fs_write(w->fs, file, 3, large, sizeof(large)), 0);
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(world_stat(w, "h~", &stat), 0);
	assert_int_equal(stat.st_size, 3 + sizeof(large));

	world_put(w, "i", "a value");
	assert_int_equal(world_rename(w, "i", "i~"), 0);
	assert_int_equal(world_open_file(w, "i~", O_RDWR, &file), 0);
	assert_int_equal(fs_fallocate(w->fs, file, FALLOC_FL_ZERO_RANGE, 5, 4), 0);
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(world_stat(w, "i~", &stat), 0);
	assert_int_equal(stat.st_size, 9);
	assert_int_equal(world_unlink(w, "h~"), 0);
	assert_int_equal(world_unlink(w, "i~"), 0);
	assert_string_equal(world_keys(w), "f~=older g~=x");
}

/* A file that was put aside is exchanged with another file, and gets a second name. */
static void test_names(void **state)
{
	struct world *w = *state;

	world_put(w, "g", "other");
	assert_int_equal(fs_rename(w->fs, FS_ROOT, "f~", FS_ROOT, "g", RENAME_EXCHANGE), 0);
	assert_string_equal(world_keys(w), "f~=other g=old");
	assert_int_equal(world_rename(w, "g", "g~"), 0);
	assert_int_equal(world_link(w, "g~", "g"), 0);
	assert_string_equal(world_keys(w), "f~=other g=old g~=old");
}

/* An application changes or deletes the key of a file that was put aside. */
static void test_application(void **state)
{
	struct world *w = *state;

	world_delete(w, "f");
	assert_int_equal(world_write(w, "f", "new"), 0);
	assert_string_equal(world_keys(w), "f=new");
	assert_string_equal(world_read(w, "f"), "new");
	assert_string_equal(world_read(w, "f~"), "");

	world_put(w, "g", "old");
	assert_int_equal(world_rename(w, "g", "g~"), 0);
	world_delete(w, "g");
	settle(w);
	assert_string_equal(world_keys(w), "f=new");

	world_put(w, "h", "old");
	assert_int_equal(world_rename(w, "h", "h~"), 0);
	world_put(w, "h", "newer");
	settle(w);
	assert_string_equal(world_keys(w), "f=new h~=newer");
}

/* These files are renamed in the store at once: one with two names, one that is open, one that
 * goes to another directory, a key whose name is that of a scratch file, and a file that is
 * renamed onto such a key. */
static void test_others(void **state)
{
	struct world *w = *state;
	struct fs_file *file;

	settle(w);
	assert_int_equal(world_rename(w, "f~", "f"), 0);
	world_put(w, "a", "1");
	assert_int_equal(world_link(w, "a", "b"), 0);
	assert_int_equal(world_rename(w, "b", "b~"), 0);
	assert_string_equal(world_keys(w), "a=1 b~=1 f=old");
	assert_int_equal(world_open_file(w, "f", O_RDWR, &file), 0);
	assert_int_equal(world_rename(w, "f", "f~"), 0);
	assert_string_equal(world_keys(w), "a=1 b~=1 f~=old");
	assert_int_equal(world_close_file(w, file), 0);
	world_put(w, "f", "new");
	assert_int_equal(world_rename(w, "f", "f~"), 0);
	assert_string_equal(world_keys(w), "a=1 b~=1 f~=new");
	assert_int_equal(world_mkdir(w, "d"), 0);
	world_put(w, "f", "old");
	assert_int_equal(world_rename(w, "f", "d/f~"), 0);
	assert_string_equal(world_keys(w), "a=1 b~=1 d/f~=old f~=new");
}

/* A symbolic link that locks a file is seen through the mount only, until it gets another name. */
static void test_lock(void **state)
{
	struct world *w = *state;
	struct fs_entry entry;
	char *target;

	assert_int_equal(world_unlink(w, "f~"), 0);
	assert_int_equal(world_symlink(w, "ada@host.1:2", ".#f"), 0);
	assert_int_equal(world_symlink(w, "other", ".#f"), -EEXIST);
	assert_string_equal(world_keys(w), "");
	assert_string_equal(world_list(w, ""), ".#f");
	assert_int_equal(world_lookup(w, ".#f", &entry), 0);
	assert_true(S_ISLNK(entry.stat.st_mode));
	assert_int_equal(entry.stat.st_size, 12);
	assert_int_equal(fs_readlink(w->fs, entry.node, &target), 0);
	assert_string_equal(target, "ada@host.1:2");
	free(target);
	world_forget(w, &entry);
	assert_int_equal(world_rename(w, ".#f", ".#g"), 0);
	assert_string_equal(world_keys(w), "");
	assert_int_equal(world_rename(w, ".#g", "link"), 0);
	assert_string_equal(world_keys(w), "link=ada@host.1:2");
	assert_int_equal(world_lookup(w, "link", &entry), 0);
	assert_true(S_ISLNK(entry.stat.st_mode));
	world_forget(w, &entry);
	assert_int_equal(world_symlink(w, "x", ".#f"), 0);
	assert_int_equal(world_unlink(w, ".#f"), 0);
	assert_string_equal(world_list(w, ""), "link");
	assert_int_equal(world_symlink(w, "x", ".#f"), 0);
	assert_int_equal(world_write(w, "s~", "scratch"), 0);
	assert_int_equal(world_write(w, "t~", "scratch"), 0);
	world_put(w, "t~", "an application's");
	/* at the end they are saved, but not over what an application has put */
	assert_int_equal(fs_close(w->fs), -EEXIST);
	assert_string_equal(
		world_keys(w), ".#f=x link=ada@host.1:2 s~=scratch t~=an application's");
	assert_int_equal(fs_open(w->store, &w->options, &w->fs), 0);
	assert_int_equal(world_lookup(w, ".#f", &entry), 0);
	assert_true(S_ISLNK(entry.stat.st_mode));
	world_forget(w, &entry);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_save),
		TEST(test_rename),
		TEST(test_late),
		TEST(test_slow),
		TEST(test_given_up),
		TEST(test_end),
		TEST(test_end_while_saving),
		TEST(test_sync),
		TEST(test_remove),
		TEST(test_back),
		TEST(test_taken),
		TEST(test_taken_by_directory),
		TEST(test_other_directory),
		TEST(test_directory),
		TEST(test_change),
		TEST(test_names),
		TEST(test_application),
		TEST(test_others),
		TEST(test_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
