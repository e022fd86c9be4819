/* With conflict_fail nobody who writes to a file overwrites what others have put under its key
 * meanwhile: the writer hears ESTALE. What the file system itself does is no conflict. */
#include "tests/unit/world.h"

#include "fs/access/flusher.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include <cmocka.h>

static int setup(void **state)
{
	struct world *w = malloc(sizeof(*w));

	assert_non_null(w);
	world_open(w, false);
	w->options.conflict_fail = true;
	world_remount(w);
	*state = w;
	return 0;
}

static struct fs_file *open_file(struct world *w, const char *path, int flags)
{
	struct fs_file *file;

	assert_int_equal(world_open_file(w, path, flags, &file), 0);
	return file;
}

static struct fs_file *create(struct world *w, const char *path)
{
	struct fs_file *file;

	assert_int_equal(world_create(w, path, &file), 0);
	return file;
}

static int write_text(struct world *w, struct fs_file *file, const char *text)
{
	return fs_write(w->fs, file, 0, text, strlen(text));
}

/* The writer hears it, whatever it does, and what others have put is what everybody sees. */
static void assert_stale(struct world *w, struct fs_file *file, const char *path, const char *value)
{
	struct fs_setattr set = {.what = FS_SET_SIZE, .size = 1};
	struct fs_entry entry;
	struct stat stat;
	char keys[256];

	snprintf(keys, sizeof(keys), "%s=%s", path, value);
	assert_int_equal(fs_fsync(w->fs, file), -ESTALE);
	assert_int_equal(fs_flush(w->fs, file), -ESTALE);
	assert_string_equal(world_keys(w), keys);
	assert_string_equal(world_read(w, path), value);
	assert_int_equal(world_stat(w, path, &stat), 0);
	assert_int_equal(stat.st_size, strlen(value));
	assert_int_equal(write_text(w, file, "more"), -ESTALE);
	assert_int_equal(fs_fallocate(w->fs, file, 0, 0, 1), -ESTALE);
	assert_int_equal(world_lookup(w, path, &entry), 0);
	assert_int_equal(fs_setattr(w->fs, entry.node, file, &set, &stat), -ESTALE);
	world_forget(w, &entry);
	assert_int_equal(world_close_file(w, file), -ESTALE);
	assert_string_equal(world_keys(w), keys);
	assert_int_equal(world_write(w, path, "again"), 0);
	assert_string_equal(world_read(w, path), "again");
	world_delete(w, path);
}

/* A value that was opened to be written in place, or emptied, or is new, and that others write
 * before it is saved. */
static void test_written(void **state)
{
	struct world *w = *state;
	struct fs_file *file;

	world_put(w, "a", "first");
	file = open_file(w, "a", O_RDWR);
	assert_int_equal(write_text(w, file, "mine"), 0);
	world_put(w, "a", "theirs");
	assert_stale(w, file, "a", "theirs");

	world_put(w, "a", "first");
	file = open_file(w, "a", O_WRONLY | O_TRUNC);
	world_put(w, "a", "theirs");
	assert_int_equal(write_text(w, file, "mine"), 0);
	assert_stale(w, file, "a", "theirs");

	file = create(w, "n");
	assert_int_equal(write_text(w, file, "mine"), 0);
	world_put(w, "n", "theirs");
	assert_stale(w, file, "n", "theirs");
}

/* It was changed before anything was written: the file was open, that is enough. Whoever has
 * written nothing has nothing to hear of. */
static void test_idle(void **state)
{
	struct world *w = *state;
	struct fs_file *idle, *file;

	world_put(w, "a", "first");
	file = open_file(w, "a", O_RDWR);
	idle = open_file(w, "a", O_RDWR);
	world_put(w, "a", "theirs");
	assert_int_equal(world_close_file(w, idle), 0);
	assert_int_equal(write_text(w, file, "mine"), 0); /* nobody has looked yet */
	assert_string_equal(world_read_file(w, file), "theirs");
	assert_stale(w, file, "a", "theirs");
}

/* The key is deleted by others: it is not made again, but by who makes it. */
static void test_deleted(void **state)
{
	struct world *w = *state;
	static const int flags[] = {O_RDWR, O_WRONLY | O_TRUNC};

	for (size_t i = 0; i < 2; i++) {
		struct fs_entry entry;
		struct fs_file *file;

		world_put(w, "a", "first");
		assert_int_equal(world_lookup(w, "a", &entry), 0);
		file = open_file(w, "a", flags[i]);
		assert_int_equal(write_text(w, file, "mine"), 0);
		world_delete(w, "a");
		assert_int_equal(fs_fsync(w->fs, file), -ESTALE);
		assert_string_equal(world_keys(w), "");
		assert_string_equal(world_list(w, ""), "");
		assert_int_equal(world_close_file(w, file), -ESTALE);
		assert_string_equal(world_keys(w), "");

		world_put(w, "a", "first");
		assert_int_equal(world_close_file(w, open_file(w, "a", O_RDWR)), 0);
		world_delete(w, "a");
		file = create(w, "a");
		assert_int_equal(write_text(w, file, "mine"), 0);
		world_put(w, "b", "theirs");
		assert_int_equal(world_close_file(w, file), 0);
		assert_string_equal(world_keys(w), "a=mine b=theirs");
		world_delete(w, "a");
		world_delete(w, "b");
		world_forget(w, &entry);
	}
}

/* What is stored in the background meets the conflict first: it overwrites nothing, and the writer
 * hears all the same. */
static void test_background(void **state)
{
	struct world *w = *state;
	struct fs_file *file;

	world_put(w, "a", "first");
	file = open_file(w, "a", O_RDWR);
	assert_int_equal(write_text(w, file, "mine"), 0);
	world_put(w, "a", "theirs");
	assert_int_equal(flusher_publish_dirty(w->fs, true), 0);
	assert_string_equal(world_keys(w), "a=theirs");
	assert_string_equal(world_read(w, "a"), "theirs");
	assert_stale(w, file, "a", "theirs");

	/* what it has stored before is saved, whatever others write then */
	world_put(w, "a", "first");
	file = open_file(w, "a", O_RDWR);
	assert_int_equal(write_text(w, file, "mine"), 0);
	assert_int_equal(flusher_publish_dirty(w->fs, true), 0);
	assert_string_equal(world_keys(w), "a=minet");
	world_put(w, "a", "theirs");
	assert_int_equal(flusher_publish_dirty(w->fs, true), 0);
	assert_int_equal(fs_fsync(w->fs, file), 0);
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "a=theirs");

	/* a file that was only emptied */
	file = open_file(w, "a", O_WRONLY | O_TRUNC);
	world_put(w, "a", "others");
	assert_int_equal(flusher_publish_dirty(w->fs, true), 0);
	assert_int_equal(world_close_file(w, file), -ESTALE);
	assert_string_equal(world_keys(w), "a=others");
	world_delete(w, "a");

	/* a probe (scratch.h), which nobody has open, gives way */
	assert_int_equal(world_close_file(w, create(w, "4913")), 0);
	world_put(w, "4913", "theirs");
	assert_int_equal(flusher_publish_dirty(w->fs, true), 0);
	assert_string_equal(world_keys(w), "4913=theirs");
}

/* Large writes go to the store at once, and large new files lie there without a key: the first are
 * refused, and of the others nothing is left. */
static void test_large(void **state)
{
	struct world *w = *state;
	static char large[1024 * 1024];
	struct fs_file *file;

	world_put(w, "a", "first");
	file = open_file(w, "a", O_RDWR);
	world_put(w, "a", "theirs");
	assert_int_equal(fs_write(w->fs, file, 0, large, sizeof(large)), -ESTALE);
	assert_string_equal(world_keys(w), "a=theirs");
	assert_int_equal(world_close_file(w, file), 0);
	world_delete(w, "a");

	file = create(w, "n");
	assert_int_equal(fs_write(w->fs, file, 0, large, sizeof(large)), 0);
	assert_int_equal(world_count(w, KT_NAMELESS), 1);
	world_put(w, "n", "theirs");
	assert_int_equal(fs_fsync(w->fs, file), -ESTALE);
	assert_int_equal(flusher_publish_dirty(w->fs, true), 0);
	assert_int_equal(world_count(w, KT_NAMELESS), 0);
	assert_stale(w, file, "n", "theirs");
}

static struct fs_setattr mode_and_times(void)
{
	return (struct fs_setattr){.what = FS_SET_MODE | FS_SET_ATIME | FS_SET_MTIME, .mode = 0600};
}

/* Do what the file system can do to a file that is open for writing, at "d/a"; it ends at
 * "e/b". */
static void change_it(struct world *w)
{
	struct fs_setattr set = mode_and_times();
	struct fs_setattr size = {.what = FS_SET_SIZE, .size = 3};
	struct fs_entry entry;
	struct fs_file *other;

	assert_int_equal(world_setattr(w, "d/a", &set), 0);
	assert_int_equal(world_setattr(w, "d/a", &size), 0);
	assert_int_equal(world_lookup(w, "d/a", &entry), 0);
	assert_int_equal(fs_setxattr(w->fs, entry.node, "user.a", "1", 1, 0), 0);
	world_forget(w, &entry);
	other = open_file(w, "d/a", O_RDWR);
	assert_int_equal(write_text(w, other, "other"), 0);
	assert_int_equal(world_close_file(w, other), 0);
	assert_int_equal(world_link(w, "d/a", "d/l"), 0);
	assert_int_equal(world_unlink(w, "d/a"), 0);
	assert_int_equal(world_rename(w, "d/l", "d/b"), 0);
	assert_int_equal(world_rename(w, "d", "e"), 0);
	assert_int_equal(world_write(w, "e/x", "x"), 0);
	assert_int_equal(world_lookup(w, "e", &entry), 0);
	assert_int_equal(fs_rename(w->fs, entry.node, "b", entry.node, "x", RENAME_EXCHANGE), 0);
	assert_int_equal(fs_rename(w->fs, entry.node, "x", entry.node, "b", RENAME_EXCHANGE), 0);
	world_forget(w, &entry);
	assert_int_equal(world_unlink(w, "e/x"), 0);
	assert_int_equal(flusher_publish_dirty(w->fs, true), 0);
}

/* None of that is a conflict, also if others change other keys in between, and not for a file that
 * lies in the store, in memory, or was new. */
static void test_own(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 3 * 2; i++) {
		struct fs_file *file;

		if (i % 3 < 2)
			world_put(w, "d/a", "first");
		else
			assert_int_equal(world_mkdir(w, "d"), 0);
		file = i % 3 == 0   ? open_file(w, "d/a", O_RDWR)
		       : i % 3 == 1 ? open_file(w, "d/a", O_RDWR | O_TRUNC)
				    : create(w, "d/a");
		if (i % 2)
			world_put(w, "else", "1");
		assert_int_equal(write_text(w, file, "12345"), 0);
		change_it(w);
		if (i % 2)
			world_put(w, "else", "2");
		assert_int_equal(write_text(w, file, "mine"), 0);
		assert_int_equal(world_close_file(w, file), 0);
		assert_string_equal(world_read(w, "e/b"), "miner");
		world_put(w, "else", "3");
		assert_int_equal(world_unlink(w, "e/b"), 0);
		assert_int_equal(world_rmdir(w, "e"), 0);
	}
}

/* Whoever opened the file behind the change of others can write, also while somebody who opened it
 * before still owes something. */
static void test_fresh(void **state)
{
	struct world *w = *state;
	struct fs_file *file, *fresh, *idle;

	world_put(w, "a", "first");
	file = open_file(w, "a", O_RDWR);
	idle = open_file(w, "a", O_RDWR);
	assert_int_equal(write_text(w, file, "MINE"), 0);
	world_put(w, "a", "theirs");
	fresh = open_file(w, "a", O_RDWR);
	assert_string_equal(world_read_file(w, fresh), "theirs");
	assert_int_equal(write_text(w, fresh, "T"), 0);
	assert_int_equal(fs_fsync(w->fs, file), -ESTALE);
	assert_int_equal(fs_fsync(w->fs, idle), 0);
	assert_int_equal(world_close_file(w, idle), 0);
	assert_int_equal(world_close_file(w, fresh), 0);
	assert_string_equal(world_keys(w), "a=Theirs");
	assert_stale(w, file, "a", "Theirs");
}

/* Where several keys share the entry it is a change under any of them. */
static void test_shared(void **state)
{
	struct world *w = *state;
	struct fs_file *file;
	struct kt_txn *txn;

	assert_int_equal(world_write(w, "a", "first"), 0);
	assert_int_equal(world_link(w, "a", "b"), 0);
	file = open_file(w, "a", O_RDWR);
	assert_int_equal(write_text(w, file, "mine"), 0);
	assert_int_equal(kt_begin(w->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_write(txn, "b", 1, 0, "their", 5), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(fs_fsync(w->fs, file), -ESTALE);
	assert_string_equal(world_keys(w), "a=their b=their");
	assert_int_equal(world_close_file(w, file), -ESTALE);
}

/* What is saved by giving it another name cannot be saved either, and what others have put under
 * the old name does not move. */
static void test_renamed(void **state)
{
	struct world *w = *state;
	struct fs_file *file = create(w, "new");

	assert_int_equal(world_write(w, "a", "first"), 0);
	assert_int_equal(write_text(w, file, "mine"), 0);
	world_put(w, "new", "theirs");
	assert_int_equal(world_rename(w, "new", "a"), -ESTALE);
	assert_int_equal(world_link(w, "new", "b"), -ESTALE);
	assert_int_equal(fs_rename(w->fs, FS_ROOT, "a", FS_ROOT, "new", RENAME_EXCHANGE), -ESTALE);
	assert_string_equal(world_keys(w), "a=first new=theirs");
	assert_int_equal(world_close_file(w, file), -ESTALE);
	assert_int_equal(world_rename(w, "new", "a"), 0);
	assert_string_equal(world_keys(w), "a=theirs");
}

struct told {
	struct world *world;
	unsigned count;
};

static void look(void *arg, const struct fs_invalidation *notice)
{
	struct told *told = arg;

	if (notice->kind == FS_INVALIDATE_DATA) {
		assert_string_equal(world_read(told->world, "a"), "theirs");
		told->count++;
	}
}

/* Whoever is told of the change, and asks again, gets what others have written. */
static void test_told(void **state)
{
	struct world *w = *state;
	struct told told = {.world = w};
	struct fs_file *file;

	world_put(w, "a", "first");
	assert_int_equal(fs_invalidate(w->fs, look, &told), 0);
	file = open_file(w, "a", O_RDWR);
	assert_int_equal(write_text(w, file, "mine"), 0);
	assert_string_equal(world_read(w, "a"), "minet");
	world_put(w, "a", "theirs");
	assert_int_equal(fs_invalidate(w->fs, look, &told), 0);
	assert_true(told.count > 0);
	assert_stale(w, file, "a", "theirs");
}

/* What an editor puts aside is renamed at once: what others put under the old name stays there. */
static void test_aside(void **state)
{
	struct world *w = *state;
	struct fs_file *file;

	world_put(w, "a", "first");
	assert_int_equal(world_rename(w, "a", "a~"), 0);
	assert_string_equal(world_keys(w), "a~=first");
	file = create(w, "a");
	assert_int_equal(write_text(w, file, "mine"), 0);
	world_put(w, "a", "theirs");
	assert_int_equal(world_close_file(w, file), -ESTALE);
	assert_string_equal(world_keys(w), "a=theirs a~=first");
}

/* Without the option the last one wins. */
static void test_last(void **state)
{
	struct world *w = *state;
	struct fs_file *file;

	world_put(w, "a", "first");
	file = open_file(w, "a", O_WRONLY | O_TRUNC);
	assert_int_equal(write_text(w, file, "mine"), 0);
	world_put(w, "a", "theirs");
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "a=mine");
	file = create(w, "n");
	assert_int_equal(write_text(w, file, "mine"), 0);
	world_put(w, "n", "theirs");
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "a=mine n=mine");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_written, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_idle, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_deleted, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_background, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_large, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_own, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_fresh, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_shared, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_renamed, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_told, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_aside, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_last, world_setup_memory, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
