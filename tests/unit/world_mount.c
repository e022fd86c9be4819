/* A file system over a store: the mount's side. See world.h. */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct fs_caller caller = {.uid = 1000, .gid = 1000, .umask = 022};

void world_forget(struct world *world, const struct fs_entry *entry)
{
	if (entry->node != FS_ROOT)
		fs_forget(world->fs, entry->node, 1);
}

int world_lookup(struct world *world, const char *path, struct fs_entry *ret_entry)
{
	struct fs_entry at = {.node = FS_ROOT}, next;
	char name[256];

	if (*path == '\0') {
		*ret_entry = at;
		return fs_getattr(world->fs, FS_ROOT, &ret_entry->stat);
	}
	while (*path != '\0') {
		size_t length = strcspn(path, "/");
		int err;

		snprintf(name, sizeof(name), "%.*s", (int)length, path);
		err = fs_lookup(world->fs, at.node, name, &next);
		world_forget(world, &at);
		if (err)
			return err;
		at = next;
		path += length + (path[length] == '/');
	}
	*ret_entry = at;
	return 0;
}

/* Look up the directory that a path is in. Returns the path's last name, or NULL. */
static const char *look_up_parent(
	struct world *world, const char *path, struct fs_entry *ret_parent, int *ret_err)
{
	const char *name = strrchr(path, '/');
	char parent[4096];

	snprintf(parent, sizeof(parent), "%.*s", name ? (int)(name - path) : 0, path);
	*ret_err = world_lookup(world, parent, ret_parent);
	return *ret_err ? NULL : name ? name + 1 : path;
}

int world_stat(struct world *world, const char *path, struct stat *ret_stat)
{
	struct fs_entry entry;
	struct stat stat;
	int err = world_lookup(world, path, &entry);

	if (err)
		return err;
	assert_int_equal(fs_getattr(world->fs, entry.node, &stat), 0);
	assert_memory_equal(&stat, &entry.stat, sizeof(stat));
	*ret_stat = stat;
	world_forget(world, &entry);
	return 0;
}

int world_open_file(struct world *world, const char *path, int flags, struct fs_file **ret_file)
{
	struct fs_entry entry;
	int err = world_lookup(world, path, &entry);

	if (err)
		return err;
	err = fs_open_file(world->fs, entry.node, flags, ret_file);
	world_forget(world, &entry);
	return err;
}

int world_create(struct world *world, const char *path, struct fs_file **ret_file)
{
	struct fs_entry parent, entry;
	int err;
	const char *name = look_up_parent(world, path, &parent, &err);

	if (name == NULL)
		return err;
	err = fs_create(
		world->fs, &caller, parent.node, name, 0666, O_RDWR | O_EXCL, &entry, ret_file);
	if (!err)
		world_forget(world, &entry);
	world_forget(world, &parent);
	return err;
}

int world_close_file(struct world *world, struct fs_file *file)
{
	int err = fs_flush(world->fs, file);

	fs_release(world->fs, file);
	return err;
}

int world_write(struct world *world, const char *path, const char *text)
{
	struct fs_file *file;
	int err = world_open_file(world, path, O_WRONLY | O_TRUNC, &file), closed;

	if (err == -ENOENT)
		err = world_create(world, path, &file);
	if (err)
		return err;
	err = fs_write(world->fs, file, 0, text, strlen(text));
	closed = world_close_file(world, file);
	return err ? err : closed;
}

const char *world_read_file(struct world *world, struct fs_file *file)
{
	size_t got;
	int err = fs_read(world->fs, file, 0, world->text, sizeof(world->text) - 1, &got);

	if (err)
		return strerrorname_np(-err);
	world->text[got] = '\0';
	return world->text;
}

const char *world_read(struct world *world, const char *path)
{
	struct fs_file *file;
	const char *text;
	int err = world_open_file(world, path, O_RDONLY, &file);

	if (err)
		return strerrorname_np(-err);
	text = world_read_file(world, file);
	assert_int_equal(world_close_file(world, file), 0);
	return text;
}

int world_mkdir(struct world *world, const char *path)
{
	struct fs_entry parent, entry;
	int err;
	const char *name = look_up_parent(world, path, &parent, &err);

	if (name == NULL)
		return err;
	err = fs_mkdir(world->fs, &caller, parent.node, name, 0777, &entry);
	if (!err)
		world_forget(world, &entry);
	world_forget(world, &parent);
	return err;
}

int world_rmdir(struct world *world, const char *path)
{
	struct fs_entry parent;
	int err;
	const char *name = look_up_parent(world, path, &parent, &err);

	if (name == NULL)
		return err;
	err = fs_rmdir(world->fs, parent.node, name);
	world_forget(world, &parent);
	return err;
}

int world_unlink(struct world *world, const char *path)
{
	struct fs_entry parent;
	int err;
	const char *name = look_up_parent(world, path, &parent, &err);

	if (name == NULL)
		return err;
	err = fs_unlink(world->fs, parent.node, name);
	world_forget(world, &parent);
	return err;
}

static int world_rename_as(struct world *world, const char *from, const char *to, unsigned flags)
{
	struct fs_entry parent, new_parent;
	const char *name, *new_name;
	int err;

	name = look_up_parent(world, from, &parent, &err);
	if (name == NULL)
		return err;
	new_name = look_up_parent(world, to, &new_parent, &err);
	if (new_name != NULL) {
		err = fs_rename(world->fs, parent.node, name, new_parent.node, new_name, flags);
		world_forget(world, &new_parent);
	}
	world_forget(world, &parent);
	return err;
}

int world_rename(struct world *world, const char *from, const char *to)
{
	return world_rename_as(world, from, to, 0);
}

int world_exchange(struct world *world, const char *from, const char *to)
{
	return world_rename_as(world, from, to, RENAME_EXCHANGE);
}

int world_link(struct world *world, const char *from, const char *to)
{
	struct fs_entry node, parent, entry;
	const char *name;
	int err = world_lookup(world, from, &node);

	if (err)
		return err;
	name = look_up_parent(world, to, &parent, &err);
	if (name != NULL) {
		err = fs_link(world->fs, node.node, parent.node, name, &entry);
		if (!err)
			world_forget(world, &entry);
		world_forget(world, &parent);
	}
	world_forget(world, &node);
	return err;
}

int world_symlink(struct world *world, const char *target, const char *path)
{
	struct fs_entry parent, entry;
	int err;
	const char *name = look_up_parent(world, path, &parent, &err);

	if (name == NULL)
		return err;
	err = fs_symlink(world->fs, &caller, target, parent.node, name, &entry);
	if (!err)
		world_forget(world, &entry);
	world_forget(world, &parent);
	return err;
}

int world_setattr(struct world *world, const char *path, const struct fs_setattr *set)
{
	struct fs_entry entry;
	struct stat stat, again;
	int err = world_lookup(world, path, &entry);

	if (err)
		return err;
	err = fs_setattr(world->fs, entry.node, NULL, set, &stat);
	if (!err) {
		assert_int_equal(fs_getattr(world->fs, entry.node, &again), 0);
		assert_memory_equal(&stat, &again, sizeof(stat));
	}
	world_forget(world, &entry);
	return err;
}

/* ---- files and names ------------------------------------------------------------------------- */

struct stat world_stat_of(struct world *world, const char *path)
{
	struct stat stat;

	assert_int_equal(world_stat(world, path, &stat), 0);
	return stat;
}

static void look_up_both(struct world *world, const char *a, const char *b, struct fs_entry *ret_a,
	struct fs_entry *ret_b)
{
	assert_int_equal(world_lookup(world, a, ret_a), 0);
	assert_int_equal(world_lookup(world, b, ret_b), 0);
	world_forget(world, ret_a);
	world_forget(world, ret_b);
}

void world_assert_same_file(struct world *world, const char *a, const char *b, unsigned links)
{
	struct stat at_a = world_stat_of(world, a), at_b = world_stat_of(world, b);
	struct fs_entry entry_a, entry_b;

	assert_memory_equal(&at_a, &at_b, sizeof(at_a));
	assert_int_equal(at_a.st_nlink, links);
	look_up_both(world, a, b, &entry_a, &entry_b);
	assert_int_equal(entry_a.node, entry_b.node);
}

/* ---- listings -------------------------------------------------------------------------------- */

struct names {
	struct world *world;
	char *text;
	size_t size, used;
	off_t offset;
	unsigned room; /* entries to take in this call */
	bool failed;   /* no room for the text, or the offset of the entry before again */
	bool plus;
};

static bool take_name(void *arg, const char *name, const struct fs_entry *entry, off_t offset)
{
	struct names *names = arg;

	if (names->room == 0)
		return false;
	names->room--;
	/* no assertion in here: it would leave the file system with its lock held */
	names->failed |= offset == names->offset;
	names->offset = offset;
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return true;
	names->failed |= names->used + strlen(name) + 3 > names->size;
	if (names->failed)
		return false;
	names->used += (size_t)sprintf(names->text + names->used, "%s%s%s", names->used ? " " : "",
		name, S_ISDIR(entry->stat.st_mode) ? "/" : "");
	return true;
}

/* List one name at a call, each from the offset of the one before. */
static void list_plus(struct world *world, struct fs_dir *dir, struct names *names)
{
	off_t before;

	do {
		before = names->offset;
		names->room = 1;
		assert_int_equal(
			fs_readdir(world->fs, dir, names->offset, true, take_name, names), 0);
		assert_false(names->failed);
	} while (names->offset != before);
}

/* Forget what a listing with plus has given out. */
static bool forget_name(void *arg, const char *name, const struct fs_entry *entry, off_t offset)
{
	uint64_t **next = arg;

	(void)name;
	(void)offset;
	if (entry->node != 0)
		*(*next)++ = entry->node;
	return true;
}

const char *world_list(struct world *world, const char *path)
{
	static char all[sizeof(world->text)];
	static uint64_t given[100000];
	uint64_t *end = given;
	struct names names = {.text = world->text, .size = sizeof(world->text), .plus = true};
	struct names names_all = {.text = all, .size = sizeof(all), .room = UINT32_MAX};
	struct fs_entry entry;
	struct fs_dir *dir;
	int err = world_lookup(world, path, &entry);

	if (!err)
		err = fs_opendir(world->fs, entry.node, &dir);
	if (err)
		return strerrorname_np(-err);
	world->text[0] = all[0] = '\0';
	list_plus(world, dir, &names);
	assert_int_equal(fs_readdir(world->fs, dir, 0, false, take_name, &names_all), 0);
	assert_false(names_all.failed);
	assert_string_equal(world->text, all);
	assert_int_equal(fs_readdir(world->fs, dir, 0, true, forget_name, &end), 0);
	for (uint64_t *node = given; node < end; node++)
		fs_forget(world->fs, *node, 2); /* twice: list_plus() took them, too */
	fs_releasedir(world->fs, dir);
	world_forget(world, &entry);
	return world->text;
}
