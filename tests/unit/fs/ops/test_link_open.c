/* Hard links of open files: unsaved ones, removed ones, and files without a name. */
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

/* A file that is open and not saved yet is linked with what was written so far, and goes on. */
static void test_link_unsaved(void **state)
{
	struct world *w = *state;
	struct fs_file *file;

	assert_int_equal(world_create(w, "a", &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "first", 5), 0);
	assert_int_equal(world_link(w, "a", "b"), 0);
	assert_string_equal(world_keys(w), "a=first b=first");
	assert_int_equal(fs_write(w->fs, file, 5, " second", 7), 0);
	assert_string_equal(world_read(w, "b"), "first second");
	assert_int_equal(world_unlink(w, "a"), 0);
	assert_string_equal(world_read_file(w, file), "first second");
	assert_int_equal(fs_write(w->fs, file, 12, "!", 1), 0);
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "b=first second!");
}

/* An open file can be used when its names are removed, even the last one. It ends with its
 * handle then. */
static void test_unlink_open(void **state)
{
	struct world *w = *state;
	struct fs_file *stored, *whole;
	struct fs_entry node;

	assert_int_equal(world_write(w, "a", "stored"), 0);
	assert_int_equal(world_link(w, "a", "b"), 0);
	assert_int_equal(world_write(w, "x", "to be truncated"), 0);
	assert_int_equal(world_link(w, "x", "y"), 0);
	assert_int_equal(world_open_file(w, "a", O_RDWR, &stored), 0);
	assert_int_equal(world_open_file(w, "y", O_RDWR | O_TRUNC, &whole), 0);
	assert_int_equal(fs_write(w->fs, whole, 0, "whole", 5), 0);
	assert_int_equal(world_lookup(w, "b", &node), 0);
	assert_int_equal(world_unlink(w, "a"), 0);
	assert_int_equal(world_unlink(w, "x"), 0);
	assert_string_equal(world_read_file(w, stored), "stored");
	assert_int_equal(world_stat_of(w, "y").st_nlink, 1);
	assert_int_equal(world_unlink(w, "b"), 0);
	assert_int_equal(world_unlink(w, "y"), 0);
	assert_string_equal(world_keys(w), "");
	assert_int_equal(fs_getattr(w->fs, node.node, &node.stat), 0);
	assert_int_equal(node.stat.st_nlink, 0);
	assert_int_equal(fs_write(w->fs, stored, 6, "!", 1), 0);
	assert_string_equal(world_read_file(w, stored), "stored!");
	assert_string_equal(world_read_file(w, whole), "whole");
	assert_int_equal(world_close_file(w, stored), 0);
	assert_int_equal(world_close_file(w, whole), 0);
	assert_int_equal(fs_getattr(w->fs, node.node, &node.stat), -ENOENT);
	world_forget(w, &node);
	assert_string_equal(world_keys(w), "");
	assert_int_equal(world_count(w, KT_NAMELESS), 0);
	assert_int_equal(world_count(w, KT_SHARED), 0);
}

/* A file that was made without a name gets its first one, and then has it for good. */
static void test_temporary(void **state)
{
	const struct fs_caller caller = {.uid = 1, .gid = 2, .umask = 022};
	struct world *w = *state;
	struct fs_file *file;
	struct fs_entry node, entry;

	assert_int_equal(fs_tmpfile(w->fs, &caller, FS_ROOT, 0666, O_RDWR, &node, &file), 0);
	assert_int_equal(node.stat.st_nlink, 0);
	assert_int_equal(fs_write(w->fs, file, 0, "text", 4), 0);
	assert_int_equal(fs_link(w->fs, node.node, FS_ROOT, "named", &entry), 0);
	assert_int_equal(entry.node, node.node);
	assert_int_equal(entry.stat.st_nlink, 1);
	assert_int_equal(entry.stat.st_ino, node.stat.st_ino);
	world_forget(w, &entry);
	assert_int_equal(fs_link(w->fs, node.node, FS_ROOT, "again", &entry), 0);
	world_forget(w, &entry);
	world_forget(w, &node);
	assert_int_equal(fs_write(w->fs, file, 4, "!", 1), 0);
	assert_int_equal(world_close_file(w, file), 0);
	world_assert_same_file(w, "again", "named", 2);
	assert_string_equal(world_keys(w), "again=text! named=text!");
}

static void tell_nobody(void *arg, const struct fs_invalidation *notice)
{
	(void)arg;
	(void)notice;
}

/* A file that is open when an application links it is the linked file from then on: what is written
 * to it is there under the other name, too, and what is told of it leaves it open.
 * @param flags  to open it
 * @param asked  the other name is asked for first
 * @param told   before it is written */
static void check_linked_meanwhile(struct world *w, int flags, bool asked, bool told)
{
	struct fs_file *file;
	struct kt_txn *txn;
	struct fs_entry a, b;

	world_put(w, "a", "value");
	assert_int_equal(world_open_file(w, "a", flags, &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "WHOLE", 5), 0);
	assert_int_equal(kt_begin(w->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_link(txn, "a", 1, txn, "b", 1), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	if (asked)
		assert_int_equal(world_lookup(w, "b", &b), 0);
	if (told)
		assert_int_equal(fs_invalidate(w->fs, tell_nobody, NULL), 0);
	if (asked)
		assert_int_equal(world_lookup(w, "a", &a), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "whole", 5), 0);
	assert_int_equal(world_close_file(w, file), 0);
	if (asked) {
		world_forget(w, &a);
		world_forget(w, &b);
	}
	assert_string_equal(world_keys(w), "a=whole b=whole");
	world_assert_same_file(w, "a", "b", 2);
	assert_int_equal(fs_invalidate(w->fs, tell_nobody, NULL), 0);
	assert_int_equal(world_unlink(w, "b"), 0);
	assert_int_equal(world_unlink(w, "a"), 0);
}

static void test_linked_meanwhile(void **state)
{
	struct world *w = *state;

	assert_int_equal(fs_watch(w->fs, NULL), 0);
	for (int i = 0; i < 4; i++) {
		check_linked_meanwhile(w, O_RDWR | O_TRUNC, i & 1, i & 2);
		check_linked_meanwhile(w, O_RDWR, i & 1, i & 2);
	}
}

/* A file that has lost its name gets another, with all that was written to it. */
static void test_first_name(void **state)
{
	struct world *w = *state;
	struct fs_file *file;
	struct fs_entry node, root, entry;

	assert_int_equal(world_create(w, "a", &file), 0);
	assert_int_equal(world_lookup(w, "a", &node), 0);
	assert_int_equal(world_unlink(w, "a"), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "text", 4), 0);
	assert_int_equal(world_lookup(w, "", &root), 0);
	assert_int_equal(fs_link(w->fs, node.node, root.node, "named", &entry), 0);
	assert_int_equal(entry.node, node.node);
	assert_int_equal(entry.stat.st_nlink, 1);
	assert_int_equal(entry.stat.st_ino, node.stat.st_ino);
	assert_string_equal(world_keys(w), "named=text");
	assert_int_equal(fs_write(w->fs, file, 4, "!", 1), 0);
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "named=text!");
	assert_int_equal(world_link(w, "named", "again"), 0);
	world_assert_same_file(w, "named", "again", 2);
	world_forget(w, &entry);
	world_forget(w, &node);
	world_forget(w, &root);
}

#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, world_setup_memory, world_teardown),                 \
		cmocka_unit_test_setup_teardown(name, world_setup_file, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_link_unsaved),
		TEST(test_unlink_open),
		TEST(test_first_name),
		TEST(test_temporary),
		TEST(test_linked_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
