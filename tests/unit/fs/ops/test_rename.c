/* Renaming files and directories, and exchanging two names. */
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

/* A file takes its value, attributes and mtime along, and the place of another. */
static void test_rename_file(void **state)
{
	struct fs_setattr set = {.what = FS_SET_MODE | FS_SET_MTIME, .mode = 0600};
	struct world *w = *state;
	struct stat stat;
	uint64_t txn;

	WORLD_PUT(w, "b", "d/x");
	assert_int_equal(world_write(w, "a", "1"), 0);
	assert_int_equal(world_setattr(w, "a", &set), 0);
	txn = world_txn(w);
	assert_int_equal(world_rename(w, "a", "b"), 0);
	assert_int_equal(world_txn(w), txn + 1);
	assert_string_equal(world_keys(w), "b=1 d/x=");
	assert_int_equal(world_stat(w, "b", &stat), 0);
	assert_int_equal(stat.st_mode, S_IFREG | 0600);
	assert_int_equal(stat.st_mtim.tv_sec, 0);
	assert_int_equal(world_rename(w, "b", "b"), 0);
	assert_int_equal(world_rename(w, "b", "d/y"), 0);
	assert_string_equal(world_keys(w), "d/x= d/y=1");
	assert_int_equal(world_rename(w, "d/y", "d"), -EISDIR);
	assert_int_equal(world_rename(w, "nothing", "x"), -ENOENT);
	assert_int_equal(world_rename(w, "d/y", "nothing/x"), -ENOENT);
	assert_int_equal(world_rename(w, "d/y", "d/x/z"), -ENOTDIR);
}

/* RENAME_NOREPLACE keeps what is there; other flags are refused. */
static void test_rename_flags(void **state)
{
	struct world *w = *state;

	WORLD_PUT(w, "a", "b");
	assert_int_equal(fs_rename(w->fs, FS_ROOT, "a", FS_ROOT, "b", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(fs_rename(w->fs, FS_ROOT, "a", FS_ROOT, "a", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(fs_rename(w->fs, FS_ROOT, "a", FS_ROOT, "c", RENAME_NOREPLACE), 0);
	assert_int_equal(fs_rename(w->fs, FS_ROOT, "c", FS_ROOT, "b", RENAME_WHITEOUT), -EINVAL);
	assert_string_equal(world_keys(w), "b= c=");
}

static int exchange(struct world *w, const char *a, const char *b)
{
	return fs_rename(w->fs, FS_ROOT, a, FS_ROOT, b, RENAME_EXCHANGE);
}

/* RENAME_EXCHANGE swaps all that is at two names, in one transaction: values of directories go
 * along, inode numbers stay, and keys of 0xff are not in the way. */
static void test_exchange(void **state)
{
	struct world *w = *state;
	struct stat before, after;
	uint64_t txn;

	world_put(w, "a", "1");
	world_put(w, "a/x", "2");
	world_put(w, "b/y/z", "3");
	world_put(w, "c", "4");
	world_put(w, "\xff\xff/q", "5");
	assert_int_equal(world_stat(w, "b/y/z", &before), 0);
	txn = world_txn(w);
	assert_int_equal(exchange(w, "a", "b"), 0);
	assert_int_equal(world_txn(w), txn + 1);
	assert_string_equal(world_keys(w), "a/y/z=3 b=1 b/x=2 c=4 \xff\xff/q=5");
	assert_string_equal(world_list(w, "b"), "%value x");
	assert_int_equal(world_stat(w, "a/y/z", &after), 0);
	assert_true(before.st_ino == after.st_ino);
	assert_int_equal(exchange(w, "c", "b"), 0);
	assert_string_equal(world_keys(w), "a/y/z=3 b=4 c=1 c/x=2 \xff\xff/q=5");
	assert_string_equal(world_read(w, "c/%value"), "1");
	assert_int_equal(exchange(w, "b", "\xff\xff"), 0);
	assert_string_equal(world_keys(w), "a/y/z=3 b/q=5 c=1 c/x=2 \xff\xff=4");
	assert_int_equal(exchange(w, "b", "\xff\xff"), 0);
	assert_string_equal(world_keys(w), "a/y/z=3 b=4 c=1 c/x=2 \xff\xff/q=5");
	assert_int_equal(exchange(w, "b", "nothing"), -ENOENT);
	assert_int_equal(exchange(w, "b", "b"), 0);
}

/* A file that is not published yet is published under its new name, whole, in the transaction
 * of the rename. Its handle goes on. */
static void test_rename_unstored(void **state)
{
	struct world *w = *state;
	struct fs_file *file, *other;

	WORLD_PUT(w, "real");
	assert_int_equal(world_create(w, "tmp", &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "new", 3), 0);
	assert_int_equal(world_rename(w, "tmp", "real"), 0);
	assert_string_equal(world_keys(w), "real=new");
	assert_string_equal(world_list(w, ""), "real");
	assert_int_equal(fs_write(w->fs, file, 3, "er", 2), 0);
	assert_string_equal(world_read(w, "real"), "newer");
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "real=newer");

	/* truncated: the old value of the old name does not stay behind */
	assert_int_equal(world_open_file(w, "real", O_WRONLY | O_TRUNC, &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "x", 1), 0);
	assert_int_equal(world_rename(w, "real", "other"), 0);
	assert_string_equal(world_keys(w), "other=x");
	assert_int_equal(world_close_file(w, file), 0);

	/* onto a file that is not stored yet, and one with gathered writes */
	assert_int_equal(world_create(w, "t1", &file), 0);
	assert_int_equal(world_create(w, "t2", &other), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "1", 1), 0);
	assert_int_equal(fs_write(w->fs, other, 0, "2", 1), 0);
	assert_int_equal(world_rename(w, "t1", "t2"), 0);
	assert_string_equal(world_keys(w), "other=x t2=1");
	assert_string_equal(world_read_file(w, other), "2");
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(world_close_file(w, other), 0);
	assert_string_equal(world_keys(w), "other=x t2=1");
	assert_int_equal(world_open_file(w, "other", O_WRONLY, &file), 0);
	assert_int_equal(fs_write(w->fs, file, 1, "yz", 2), 0);
	assert_int_equal(world_rename(w, "other", "moved"), 0);
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "moved=xyz t2=1");
}

/* A file that is replaced while open goes on without a name. */
static void test_rename_over_open(void **state)
{
	struct world *w = *state;
	struct fs_file *file;

	assert_int_equal(world_write(w, "a", "A"), 0);
	assert_int_equal(world_write(w, "b", "B"), 0);
	assert_int_equal(world_open_file(w, "b", O_RDWR, &file), 0);
	assert_int_equal(world_rename(w, "a", "b"), 0);
	assert_string_equal(world_read_file(w, file), "B");
	assert_int_equal(fs_write(w->fs, file, 0, "C", 1), 0);
	assert_string_equal(world_read(w, "b"), "A");
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "b=A");
	assert_int_equal(world_count(w, KT_NAMELESS), 0);
}

/* All keys below a directory move with it in one transaction, as do made directories, its value
 * and open files. Keys that only sort near them stay. */
static void test_rename_directory(void **state)
{
	struct world *w = *state;
	struct fs_file *file, *unstored;
	struct stat before, after;
	uint64_t txn;

	WORLD_PUT(w, "a", "a!", "a-/x", "a/1", "a/b/2", "a0");
	assert_int_equal(world_mkdir(w, "a/empty"), 0);
	assert_int_equal(world_open_file(w, "a/b/2", O_RDWR, &file), 0);
	assert_int_equal(world_create(w, "a/b/new", &unstored), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "w", 1), 0);
	assert_int_equal(world_stat(w, "a/b/2", &before), 0);
	txn = world_txn(w);
	assert_int_equal(world_rename(w, "a", "z"), 0);
	assert_int_equal(world_txn(w), txn + 1);
	assert_string_equal(world_keys(w), "a!= a-/x= a0= z= z/1= z/b/2=");
	assert_string_equal(world_list(w, ""), "a! a-/ a0 z/");
	assert_string_equal(world_list(w, "z"), "%value 1 b/ empty/");
	assert_string_equal(world_list(w, "z/b"), "2 new");
	assert_int_equal(world_stat(w, "z/b/2", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(world_close_file(w, unstored), 0);
	assert_string_equal(world_keys(w), "a!= a-/x= a0= z= z/1= z/b/2=w z/b/new=");
	world_remount(w);
	assert_int_equal(world_stat(w, "z/b/2", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

/* Renames of directories that are refused. */
static void test_rename_directory_refused(void **state)
{
	struct world *w = *state;

	WORLD_PUT(w, "d/a/b", "full/x", "file");
	assert_int_equal(world_mkdir(w, "empty"), 0);
	assert_int_equal(world_rename(w, "d", "d/x"), -EINVAL);
	assert_int_equal(world_rename(w, "d", "d/a/x"), -EINVAL);
	assert_int_equal(world_rename(w, "d/a", "d"), -ENOTEMPTY);
	assert_int_equal(world_rename(w, "d", "full"), -ENOTEMPTY);
	assert_int_equal(world_rename(w, "d", "file"), -ENOTDIR);
	assert_int_equal(world_rename(w, "file", "empty"), -EISDIR);
	assert_int_equal(world_rename(w, "d", "d"), 0);
	assert_string_equal(world_keys(w), "d/a/b= file= full/x=");
	assert_int_equal(world_rename(w, "d", "empty"), 0);
	assert_string_equal(world_keys(w), "empty/a/b= file= full/x=");
	assert_int_equal(world_rename(w, "empty", "empty2"), 0);
	assert_int_equal(world_rename(w, "empty2/a", "full/a"), 0);
	assert_string_equal(world_list(w, ""), "empty2/ file full/");
	assert_string_equal(world_keys(w), "file= full/a/b= full/x=");
}

/* A rename that would make a key too long changes nothing. */
static void test_rename_too_long(void **state)
{
	struct world *w = *state;
	char key[KT_KEY_MAX + 1];

	memset(key, 'x', sizeof(key));
	memcpy(key, "d/1/", 4);
	for (size_t i = 100; i < KT_KEY_MAX; i += 100)
		key[i] = '/';
	key[KT_KEY_MAX] = '\0';
	world_put(w, key, "v");
	WORLD_PUT(w, "d/0");
	assert_int_equal(world_rename(w, "d", "dd"), -ENAMETOOLONG);
	assert_string_equal(world_list(w, ""), "d/");
	assert_string_equal(world_list(w, "d"), "0 1/");
	assert_int_equal(world_rename(w, "d", "e"), 0);
	assert_string_equal(world_list(w, "e"), "0 1/");
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, world_setup_memory, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_rename_file),
		TEST(test_rename_flags),
		TEST(test_exchange),
		TEST(test_rename_unstored),
		TEST(test_rename_over_open),
		TEST(test_rename_directory),
		TEST(test_rename_directory_refused),
		TEST(test_rename_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
