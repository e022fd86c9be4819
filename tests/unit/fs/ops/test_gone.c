/* Files that are gone: deleted by an application under a writer's hands, or replaced between being
 * looked up and being opened. */
#include "tests/unit/world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- ways to take a name that is free -------------------------------------------------------- */

static int create_f(struct world *w)
{
	struct fs_file *file;
	int err = world_create(w, "f", &file);

	return err ? err : world_close_file(w, file);
}

static int symlink_f(struct world *w)
{
	return world_symlink(w, "target", "f");
}

static int rename_to_f(struct world *w)
{
	return world_rename(w, "other", "f");
}

static int link_to_f(struct world *w)
{
	return world_link(w, "other", "f");
}

/* Give a file its first name. */
static int link_first_to_f(struct world *w)
{
	static const struct fs_caller caller = {.uid = 1, .gid = 1};
	struct fs_entry entry, linked;
	struct fs_file *file;
	int err = fs_tmpfile(w->fs, &caller, FS_ROOT, 0644, O_RDWR, &entry, &file);

	if (err)
		return err;
	err = fs_link(w->fs, entry.node, FS_ROOT, "f", &linked);
	if (!err)
		err = world_close_file(w, file);
	fs_forget(w->fs, entry.node, 2);
	return err;
}

static int (*const ways[])(struct world *) = {
	create_f, symlink_f, rename_to_f, link_to_f, link_first_to_f};

/* Something new takes the name of a file that an application has deleted while it was written.
 * The writer gets ESTALE, and the new file is unchanged. */
static void test_name_taken(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct fs_entry old, new;
		struct fs_file *file;

		world_put(w, "f", "0123");
		world_put(w, "other", "");
		assert_int_equal(world_lookup(w, "f", &old), 0);
		assert_int_equal(world_open_file(w, "f", O_RDWR, &file), 0);
		assert_int_equal(fs_write(w->fs, file, 2, "x", 1), 0);
		world_delete(w, "f");
		assert_int_equal(ways[i](w), 0);
		assert_int_equal(world_lookup(w, "f", &new), 0);
		assert_int_not_equal(old.node, new.node);
		assert_string_equal(world_read_file(w, file), "ESTALE");
		assert_int_equal(fs_write(w->fs, file, 3, "y", 1), 0);
		assert_int_equal(world_close_file(w, file), -ESTALE);
		if (ways[i] != symlink_f)
			assert_string_equal(world_read(w, "f"), "");
		world_forget(w, &old);
		world_forget(w, &new);
		assert_int_equal(world_unlink(w, "f"), 0);
	}
}

/* A file that is replaced between lookup and open is not opened: another lookup finds the new
 * one. */
static void test_replaced_before_open(void **state)
{
	struct world *w = *state;
	struct fs_entry entry;
	struct fs_file *file;

	world_put(w, "f", "old");
	world_put(w, "g", "new");
	assert_int_equal(world_lookup(w, "f", &entry), 0);
	assert_int_equal(world_rename(w, "g", "f"), 0);
	assert_int_equal(fs_open_file(w->fs, entry.node, O_RDONLY, &file), -ESTALE);
	world_forget(w, &entry);
	assert_string_equal(world_read(w, "f"), "new");
}

/* The same holds for a file that an application deletes. */
static void test_deleted_before_open(void **state)
{
	struct world *w = *state;
	struct fs_entry entry;
	struct fs_file *file;

	world_put(w, "f", "1");
	assert_int_equal(world_lookup(w, "f", &entry), 0);
	world_delete(w, "f");
	assert_int_equal(fs_open_file(w->fs, entry.node, O_RDONLY, &file), -ESTALE);
	world_forget(w, &entry);
}

/* Replace "f" by a symbolic link to "x", through another mount.
 * @param linked  the link has a second name */
static void replace_by_link(struct world *w, bool linked)
{
	static const struct fs_caller caller = {.uid = 1, .gid = 1};
	struct fs_entry made, second;
	struct fs *other;

	assert_int_equal(fs_open(w->store, &w->options, &other), 0);
	assert_int_equal(fs_unlink(other, FS_ROOT, "f"), 0);
	assert_int_equal(fs_symlink(other, &caller, "x", FS_ROOT, "f", &made), 0);
	if (linked) {
		assert_int_equal(fs_link(other, made.node, FS_ROOT, "second", &second), 0);
		fs_forget(other, second.node, 1);
	}
	fs_forget(other, made.node, 1);
	assert_int_equal(fs_close(other), 0);
}

static void check_other_type(struct world *w, bool linked)
{
	struct fs_entry old, new;
	struct stat stat;

	world_put(w, "f", "1");
	assert_int_equal(world_lookup(w, "f", &old), 0);
	replace_by_link(w, linked);
	assert_int_equal(fs_getattr(w->fs, old.node, &stat), -ESTALE);
	assert_int_equal(world_lookup(w, "f", &new), 0);
	assert_int_not_equal(old.node, new.node);
	assert_true(S_ISLNK(new.stat.st_mode));
	assert_int_not_equal(fs_getattr(w->fs, old.node, &stat), 0);
	world_forget(w, &old);
	world_forget(w, &new);
	assert_int_equal(world_unlink(w, "f"), 0);
}

/* A file that another mount has replaced by a symbolic link is another node, and the old one is not
 * told to be a link. */
static void test_other_type(void **state)
{
	check_other_type(*state, false);
	check_other_type(*state, true);
}

/* What was written to the file does not go into the link. */
static void test_written_other_type(void **state)
{
	struct world *w = *state;
	struct fs_entry entry;
	struct fs_file *file;

	world_put(w, "f", "0123");
	assert_int_equal(world_lookup(w, "f", &entry), 0);
	assert_int_equal(world_open_file(w, "f", O_RDWR, &file), 0);
	assert_int_equal(fs_write(w->fs, file, 2, "x", 1), 0);
	replace_by_link(w, false);
	assert_int_equal(world_close_file(w, file), -ESTALE);
	assert_string_equal(world_keys(w), "f=x");
	world_forget(w, &entry);
}

/* A file that is renamed by another mount while it is saved is there under both names, as two
 * files; one that is renamed by this one keeps its number. */
static void test_renamed_meanwhile(void **state)
{
	struct world *w = *state;
	struct stat before, after, moved;
	struct fs_file *file;
	struct fs *other;

	assert_int_equal(world_write(w, "f", "old"), 0);
	assert_int_equal(world_stat(w, "f", &before), 0);
	assert_int_equal(world_open_file(w, "f", O_RDWR | O_TRUNC, &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "new", 3), 0);
	assert_int_equal(world_rename(w, "f", "g"), 0);
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(world_stat(w, "g", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(world_open_file(w, "g", O_RDWR | O_TRUNC, &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "newer", 5), 0);
	assert_int_equal(fs_open(w->store, &w->options, &other), 0);
	assert_int_equal(fs_rename(other, FS_ROOT, "g", FS_ROOT, "h", 0), 0);
	assert_int_equal(fs_close(other), 0);
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "g=newer h=new");
	assert_int_equal(world_stat(w, "g", &after), 0);
	assert_int_equal(world_stat(w, "h", &moved), 0);
	assert_int_equal(moved.st_ino, before.st_ino);
	assert_int_not_equal(after.st_ino, before.st_ino);
	assert_int_equal(world_unlink(w, "g"), 0);
	assert_int_equal(world_unlink(w, "h"), 0);
}

/* What an application puts under the key of a symbolic link is its target, and if it is too short
 * or too long for one, a file. */
static void test_link_value(void **state)
{
	static const struct {
		size_t size;
		bool is_link;
	} cases[] = {{0, false}, {1, true}, {4095, true}, {4096, false}};
	struct world *w = *state;
	struct stat stat;
	char value[4097];

	assert_int_equal(world_symlink(w, "target", "f"), 0);
	memset(value, 'v', sizeof(value));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fs_entry entry;
		char *target;
		int err;

		value[cases[i].size] = '\0';
		world_put(w, "f", value);
		assert_int_equal(world_stat(w, "f", &stat), 0);
		assert_int_equal(S_ISLNK(stat.st_mode), cases[i].is_link);
		assert_int_equal(S_ISREG(stat.st_mode), !cases[i].is_link);
		assert_int_equal(stat.st_size, cases[i].size);
		assert_int_equal(world_lookup(w, "f", &entry), 0);
		err = fs_readlink(w->fs, entry.node, &target);
		world_forget(w, &entry);
		assert_int_equal(err, cases[i].is_link ? 0 : -EINVAL);
		assert_string_equal(err ? world_read(w, "f") : target, value);
		if (!err)
			free(target);
		value[cases[i].size] = 'v';
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_name_taken, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_replaced_before_open, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_deleted_before_open, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_other_type, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_written_other_type, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_link_value, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_renamed_meanwhile, world_setup_memory, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
