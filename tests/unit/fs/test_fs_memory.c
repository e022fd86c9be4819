/* Memory runs out at the first allocation of a scenario, at the second, and so on. An operation
 * that fails with -ENOMEM has changed nothing, so it has the same result when it is repeated. */
#include "tests/unit/world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Allocations of this thread until one fails; 0: none does. */
static _Thread_local long fail_at;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool fails(void)
{
	return fail_at > 0 && --fail_at == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

/* ---- the scenario ---------------------------------------------------------------------------- */

struct scene {
	struct world world;
	struct fs_entry d, e, f, link;
	struct fs_file *file, *second;
	struct stat stat;
};

static const struct fs_caller caller = {.uid = 1, .gid = 1};
static char large[700 * 1024];

static int make_directory(struct scene *s)
{
	return fs_mkdir(s->world.fs, &caller, FS_ROOT, "d", 0755, &s->d);
}

static int make_file(struct scene *s)
{
	return fs_create(s->world.fs, &caller, s->d.node, "f", 0644, O_RDWR, &s->f, &s->file);
}

static int write_small(struct scene *s)
{
	return fs_write(s->world.fs, s->file, 0, "small", 5);
}

static int write_large(struct scene *s)
{
	return fs_write(s->world.fs, s->file, 5, large, sizeof(large));
}

static int flush(struct scene *s)
{
	return fs_flush(s->world.fs, s->file);
}

static int write_far(struct scene *s)
{
	return fs_write(s->world.fs, s->file, 900000, "far", 3);
}

static int set_mode(struct scene *s)
{
	struct fs_setattr set = {.what = FS_SET_MODE | FS_SET_SIZE, .mode = 0600, .size = 12};

	return fs_setattr(s->world.fs, s->f.node, s->file, &set, &s->stat);
}

static int open_again(struct scene *s)
{
	return fs_open_file(s->world.fs, s->f.node, O_RDWR | O_TRUNC, &s->second);
}

static int write_second(struct scene *s)
{
	return fs_write(s->world.fs, s->second, 3, "x", 1);
}

static int flush_second(struct scene *s)
{
	return fs_flush(s->world.fs, s->second);
}

static int rename_file(struct scene *s)
{
	return fs_rename(s->world.fs, s->d.node, "f", s->d.node, "g", 0);
}

static int make_other(struct scene *s)
{
	struct fs_entry entry;
	int err = fs_symlink(s->world.fs, &caller, "g", s->d.node, "h", &entry);

	s->link = entry;
	return err;
}

static int read_link(struct scene *s)
{
	char *target;
	int err = fs_readlink(s->world.fs, s->link.node, &target);

	if (!err)
		free(target);
	return err;
}

/* Replaces a file that is open. */
static int rename_over(struct scene *s)
{
	return fs_rename(s->world.fs, s->d.node, "h", s->d.node, "g", 0);
}

static int make_below(struct scene *s)
{
	return fs_mkdir(s->world.fs, &caller, s->d.node, "e", 0755, &s->e);
}

static int make_file_below(struct scene *s)
{
	struct fs_entry entry;
	int err = fs_create(s->world.fs, &caller, s->e.node, "n", 0644, O_RDWR, &entry, &s->file);

	if (!err)
		fs_forget(s->world.fs, entry.node, 1);
	return err;
}

static int rename_directory(struct scene *s)
{
	return fs_rename(s->world.fs, FS_ROOT, "d", FS_ROOT, "dd", 0);
}

static bool take_all(void *arg, const char *name, const struct fs_entry *entry, off_t offset)
{
	uint64_t **next = arg;

	(void)name;
	(void)offset;
	if (entry->node != 0)
		*(*next)++ = entry->node;
	return true;
}

static int list(struct scene *s)
{
	uint64_t given[10], *end = given;
	struct fs_dir *dir;
	int err = fs_opendir(s->world.fs, s->d.node, &dir);

	if (err)
		return err;
	err = fs_readdir(s->world.fs, dir, 0, true, take_all, &end);
	while (end > given)
		fs_forget(s->world.fs, *--end, 1);
	fs_releasedir(s->world.fs, dir);
	return err;
}

static int look_up(struct scene *s)
{
	struct fs_entry entry;
	int err = fs_lookup(s->world.fs, s->e.node, "n", &entry);

	if (!err)
		fs_forget(s->world.fs, entry.node, 1);
	return err;
}

static int unlink_open(struct scene *s)
{
	return fs_unlink(s->world.fs, s->e.node, "n");
}

static int write_removed(struct scene *s)
{
	return fs_write(s->world.fs, s->file, 0, large, sizeof(large));
}

static int put_aside(struct scene *s)
{
	return fs_rename(s->world.fs, s->e.node, "n", s->e.node, "n~", 0);
}

static int make_lock(struct scene *s)
{
	struct fs_entry entry;
	int err = fs_symlink(s->world.fs, &caller, "me", s->e.node, ".#n", &entry);

	if (!err)
		fs_forget(s->world.fs, entry.node, 1);
	return err;
}

static int unlink_lock(struct scene *s)
{
	return fs_unlink(s->world.fs, s->e.node, ".#n");
}

static int unlink_aside(struct scene *s)
{
	return fs_unlink(s->world.fs, s->e.node, "n~");
}

static int remove_below(struct scene *s)
{
	return fs_rmdir(s->world.fs, s->d.node, "e");
}

static int sync_all(struct scene *s)
{
	return fs_fsync(s->world.fs, NULL);
}

/* Repeat an operation until there is memory for it. */
static void insist(struct scene *s, int (*step)(struct scene *s))
{
	int err = step(s);

	if (err == -ENOMEM)
		err = step(s);
	assert_int_equal(err, 0);
}

static void save(struct scene *s)
{
	insist(s, make_file_below);
	insist(s, write_small);
	insist(s, flush);
	fs_release(s->world.fs, s->file);
}

static void save_as_editor(struct scene *s)
{
	save(s);
	insist(s, make_lock);
	insist(s, put_aside);
	save(s);
	insist(s, unlink_aside);
	insist(s, put_aside);
	insist(s, unlink_lock);
	insist(s, unlink_aside);
}

static void play(struct scene *s)
{
	insist(s, make_directory);
	insist(s, make_file);
	insist(s, write_small);
	insist(s, write_large);
	insist(s, flush);
	insist(s, write_far);
	insist(s, set_mode);
	insist(s, open_again);
	insist(s, write_second);
	insist(s, rename_file);
	insist(s, flush_second);
	insist(s, write_small);
	insist(s, flush);
	insist(s, make_other);
	insist(s, read_link);
	insist(s, rename_over);
	fs_release(s->world.fs, s->file);
	fs_release(s->world.fs, s->second);
	insist(s, make_below);
	insist(s, make_file_below);
	insist(s, write_small);
	insist(s, list);
	insist(s, rename_directory);
	insist(s, flush);
	insist(s, write_far);
	insist(s, look_up);
	insist(s, unlink_open);
	insist(s, write_removed);
	fs_release(s->world.fs, s->file);
	save_as_editor(s);
	insist(s, remove_below);
	insist(s, sync_all);
}

/* Wherever memory runs out, the result is the same, and the store is sound. */
static void test_each_allocation(void **state)
{
	struct scene *scene = malloc(sizeof(*scene));
	bool failed = true;
	long n;

	(void)state;
	for (n = 1; failed; n++) {
		world_open(&scene->world, false);
		fail_at = n;
		play(scene);
		failed = fail_at == 0;
		fail_at = 0;
		assert_string_equal(world_keys(&scene->world), "dd/g=g");
		assert_int_equal(world_count(&scene->world, KT_DIRECTORIES), 2);
		if (n < 200)
			assert_string_equal(world_list(&scene->world, "dd"), "g");
		world_close(&scene->world);
	}
	assert_true(n > 100);
	free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
