/* Listing directories: which names are listed, in which order, and how a listing goes on. */
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

/* Names that sort before a '/' stand between a key and what is below it; each is listed once. */
static void test_list_order(void **state)
{
	struct world *w = *state;

	WORLD_PUT(w, "a", "a!", "a-", "a-/x", "a/1", "a/2/3", "a0", "b!", "b/1", "c", "c-", "c.");
	assert_string_equal(world_list(w, ""), "a! a-/ a/ a0 b! b/ c c- c.");
	assert_string_equal(world_list(w, "a"), "%value 1 2/");
	assert_string_equal(world_list(w, "a-"), "%value x");
	assert_string_equal(world_list(w, "a/2"), "3");
}

/* Made directories are listed among those that keys imply, empty or not. */
static void test_list_made(void **state)
{
	struct world *w = *state;

	WORLD_PUT(w, "b", "d/x", "f-");
	assert_int_equal(world_mkdir(w, "a"), 0);
	assert_int_equal(world_mkdir(w, "c"), 0);
	assert_int_equal(world_mkdir(w, "c/c"), 0);
	assert_int_equal(world_mkdir(w, "d/y"), 0);
	assert_int_equal(world_mkdir(w, "e"), 0);
	assert_int_equal(world_mkdir(w, "f"), 0);
	WORLD_PUT(w, "e", "c/d");
	assert_string_equal(world_list(w, ""), "a/ b c/ d/ e/ f- f/");
	assert_string_equal(world_list(w, "a"), "");
	assert_string_equal(world_list(w, "c"), "c/ d");
	assert_string_equal(world_list(w, "d"), "x y/");
	assert_string_equal(world_list(w, "e"), "%value");
}

/* The record of a directory implies the directories above it, also after the last key there is
 * gone. */
static void test_list_record_below(void **state)
{
	struct world *w = *state;
	struct stat stat;

	WORLD_PUT(w, "a/x", "a");
	assert_int_equal(world_mkdir(w, "a/b"), 0);
	world_delete(w, "a/x");
	assert_string_equal(world_list(w, ""), "a/");
	assert_string_equal(world_list(w, "a"), "%value b/");
	assert_int_equal(world_stat(w, "a", &stat), 0);
	assert_true(S_ISDIR(stat.st_mode));
}

/* A collection that an application made is a directory while it is empty, and one that mkdir made
 * is a collection. */
static void test_collections(void **state)
{
	struct world *w = *state;
	struct kt_collection *c;
	struct stat stat;

	assert_int_equal(kt_collection_open(w->store, "made", 4, KT_CREATE, &c), 0);
	kt_collection_close(c);
	assert_string_equal(world_list(w, ""), "made/");
	assert_string_equal(world_list(w, "made"), "");
	assert_int_equal(world_stat(w, "made", &stat), 0);
	assert_int_equal(stat.st_mode, S_IFDIR | 0755);
	assert_int_equal(world_write(w, "made/f", "x"), 0);
	assert_int_equal(world_unlink(w, "made/f"), 0);
	assert_int_equal(world_rmdir(w, "made"), 0);
	assert_int_equal(kt_collection_open(w->store, "made", 4, 0, &c), -ENOENT);
	assert_int_equal(world_mkdir(w, "dir"), 0);
	assert_int_equal(kt_collection_open(w->store, "dir", 3, 0, &c), 0);
	kt_collection_close(c);
}

/* Files that are in memory only are listed in order with the others. If an application puts
 * keys below such a name, the file becomes the value of that directory. */
static void test_list_unstored(void **state)
{
	static const char *const names[] = {"a", "c", "c-", "e", "d/n", "zz"};
	struct fs_file *files[6];
	struct world *w = *state;

	WORLD_PUT(w, "b", "d/x", "d/y");
	for (int i = 0; i < 6; i++)
		assert_int_equal(world_create(w, names[i], &files[i]), 0);
	assert_string_equal(world_list(w, ""), "a b c c- d/ e zz");
	assert_string_equal(world_list(w, "d"), "n x y");
	WORLD_PUT(w, "c/1", "e");
	assert_string_equal(world_list(w, ""), "a b c- c/ d/ e zz");
	assert_string_equal(world_list(w, "c"), "%value 1");
	for (int i = 0; i < 6; i++)
		assert_int_equal(world_close_file(w, files[i]), 0);
	assert_string_equal(world_list(w, ""), "a b c- c/ d/ e zz");
	assert_string_equal(world_keys(w), "a= b= c= c-= c/1= d/n= d/x= d/y= e= zz=");
}

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

/* A listing goes on by name: other names are neither hidden nor doubled when some are made and
 * removed meanwhile. Another handle can go on where this one stopped, and one can go back. */
static void test_list_resumes(void **state)
{
	struct world *w = *state;
	struct half half = {.left = 5};
	struct fs_dir *dir, *other;

	WORLD_PUT(w, "b", "d", "f", "h", "j");
	assert_int_equal(fs_opendir(w->fs, FS_ROOT, &dir), 0);
	assert_int_equal(fs_readdir(w->fs, dir, 0, false, take_some, &half), 0);
	assert_string_equal(half.text, ". .. b d f");
	WORLD_PUT(w, "a", "c", "g");
	world_delete(w, "b");
	world_delete(w, "f");
	half.left = 2;
	assert_int_equal(fs_readdir(w->fs, dir, half.offset, false, take_some, &half), 0);
	assert_string_equal(half.text, ". .. b d f g h");
	fs_releasedir(w->fs, dir);

	assert_int_equal(fs_opendir(w->fs, FS_ROOT, &other), 0);
	half.left = 100;
	assert_int_equal(fs_readdir(w->fs, other, half.offset, false, take_some, &half), 0);
	assert_string_equal(half.text, ". .. b d f g h j");
	half.text[0] = '\0';
	half.left = 100;
	assert_int_equal(fs_readdir(w->fs, other, 4, false, take_some, &half), 0);
	assert_string_equal(half.text, "c d g h j");
	fs_releasedir(w->fs, other);
}

/* A handle goes on behind any entry that it has told, however far back, as seekdir() asks for. */
static void test_list_goes_back(void **state)
{
	struct world *w = *state;
	struct half half = {.left = 4};
	struct fs_dir *dir;
	off_t behind_d;

	WORLD_PUT(w, "b", "d", "f", "h", "j");
	assert_int_equal(fs_opendir(w->fs, FS_ROOT, &dir), 0);
	assert_int_equal(fs_readdir(w->fs, dir, 0, false, take_some, &half), 0);
	assert_string_equal(half.text, ". .. b d");
	behind_d = half.offset;
	half.left = 2;
	assert_int_equal(fs_readdir(w->fs, dir, behind_d, false, take_some, &half), 0);
	assert_string_equal(half.text, ". .. b d f h");
	WORLD_PUT(w, "a", "c", "e");
	world_delete(w, "f");
	half = (struct half){.left = 100};
	assert_int_equal(fs_readdir(w->fs, dir, behind_d, false, take_some, &half), 0);
	assert_string_equal(half.text, "e h j");
	fs_releasedir(w->fs, dir);
}

static bool count_name(void *arg, const char *name, const struct fs_entry *entry, off_t offset)
{
	(void)name;
	(void)entry;
	(void)offset;
	(*(size_t *)arg)++;
	return true;
}

static bool take_none(void *arg, const char *name, const struct fs_entry *entry, off_t offset)
{
	(void)arg;
	(void)name;
	(void)entry;
	return offset <= 3;
}

/* A directory with very many children, and children with very many keys below, is listed without
 * looking at what is not listed. */
static void test_list_many(void **state)
{
	const int children = 20000, below = 20000;
	struct world *w = *state;
	struct fs_entry entry;
	struct fs_dir *dir;
	struct kt_txn *txn;
	size_t count = 0;

	assert_int_equal(kt_begin(w->store, KT_WRITE, &txn), 0);
	for (int i = 0; i < children + below; i++) {
		char key[40];
		int size = i < children ? sprintf(key, "many/%08d", i)
					: sprintf(key, "deep/%d/%08d", i % 2, i);

		assert_int_equal(kt_put(txn, key, (size_t)size, "", 0), 0);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_string_equal(world_list(w, ""), "deep/ many/");
	assert_string_equal(world_list(w, "deep"), "0/ 1/");

	assert_int_equal(world_lookup(w, "many", &entry), 0);
	assert_int_equal(fs_opendir(w->fs, entry.node, &dir), 0);
	assert_int_equal(fs_readdir(w->fs, dir, 0, false, take_none, NULL), 0);
	assert_int_equal(fs_readdir(w->fs, dir, 0, false, count_name, &count), 0);
	assert_int_equal(count, children + 2);
	fs_releasedir(w->fs, dir);
	world_forget(w, &entry);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, world_setup_memory, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_list_order),
		TEST(test_list_made),
		TEST(test_list_record_below),
		TEST(test_collections),
		TEST(test_list_unstored),
		TEST(test_list_resumes),
		TEST(test_list_goes_back),
		TEST(test_list_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
