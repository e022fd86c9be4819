/* Extended attributes stay with their file, byte for byte, through whatever is done to it: small
 * ones in the leaf, and large ones that the store keeps elsewhere. */
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

static const size_t sizes[] = {0, 10, 900, 3000, 60000};

struct scene {
	struct world world;
	unsigned char *expected; /* what the attribute of "f" is: sizes[n] bytes */
	size_t size;
};

/* What is done to the file "f". @return its path then, or NULL if only handle has it */
typedef const char *(*way_fn)(struct scene *s, struct fs_file *handle);

/* Look a file up, for as long as it is shown. */
static uint64_t number_of(struct world *w, const char *path)
{
	struct fs_entry entry;

	assert_int_equal(world_lookup(w, path, &entry), 0);
	return entry.node;
}

static void fill(unsigned char *bytes, size_t size, unsigned char first)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(first + i * 7);
}

/* Make a file with an attribute. */
static void make(struct scene *s, const char *path, unsigned char first)
{
	struct world *w = &s->world;
	unsigned char *bytes = malloc(s->size + 1);

	assert_non_null(bytes);
	fill(bytes, s->size, first);
	assert_int_equal(world_write(w, path, path), 0);
	assert_int_equal(fs_setxattr(w->fs, number_of(w, path), "user.a", bytes, s->size, 0), 0);
	free(bytes);
}

static void assert_attribute(struct scene *s, uint64_t node)
{
	unsigned char *bytes = malloc(s->size + 1);
	size_t size;

	assert_non_null(bytes);
	assert_int_equal(fs_getxattr(s->world.fs, node, "user.a", bytes, s->size + 1, &size), 0);
	assert_int_equal(size, s->size);
	assert_memory_equal(bytes, s->expected, size);
	free(bytes);
}

static const char *nothing(struct scene *s, struct fs_file *handle)
{
	(void)s, (void)handle;
	return "f";
}

static const char *rename_it(struct scene *s, struct fs_file *handle)
{
	(void)handle;
	assert_int_equal(world_rename(&s->world, "f", "d/g"), 0);
	return "d/g";
}

static const char *rename_over(struct scene *s, struct fs_file *handle)
{
	(void)handle;
	assert_int_equal(world_rename(&s->world, "f", "other"), 0);
	return "other";
}

static const char *be_replaced(struct scene *s, struct fs_file *handle)
{
	(void)handle;
	assert_int_equal(world_rename(&s->world, "other", "f"), 0);
	return NULL;
}

static const char *unlink_it(struct scene *s, struct fs_file *handle)
{
	(void)handle;
	assert_int_equal(world_unlink(&s->world, "f"), 0);
	return NULL;
}

static const char *exchange_it(struct scene *s, struct fs_file *handle)
{
	(void)handle;
	assert_int_equal(
		fs_rename(s->world.fs, FS_ROOT, "f", FS_ROOT, "other", RENAME_EXCHANGE), 0);
	return "other";
}

static const char *link_it(struct scene *s, struct fs_file *handle)
{
	(void)handle;
	assert_int_equal(world_link(&s->world, "f", "d/g"), 0);
	assert_int_equal(world_unlink(&s->world, "f"), 0);
	return "d/g";
}

static const char *write_it(struct scene *s, struct fs_file *handle)
{
	assert_int_equal(fs_write(s->world.fs, handle, 100, "text", 4), 0);
	return "f";
}

static const char *write_and_rename(struct scene *s, struct fs_file *handle)
{
	write_it(s, handle);
	return rename_over(s, handle);
}

static const char *write_and_unlink(struct scene *s, struct fs_file *handle)
{
	write_it(s, handle);
	return unlink_it(s, handle);
}

static const char *save_anew(struct scene *s, struct fs_file *handle)
{
	(void)handle;
	assert_int_equal(world_write(&s->world, "f", "new"), 0);
	return "f";
}

static const char *change_mode(struct scene *s, struct fs_file *handle)
{
	struct fs_setattr set = {.what = FS_SET_MODE, .mode = 0640};

	(void)handle;
	assert_int_equal(world_setattr(&s->world, "f", &set), 0);
	return "f";
}

static const char *rename_directory(struct scene *s, struct fs_file *handle)
{
	rename_it(s, handle);
	assert_int_equal(world_rename(&s->world, "d", "e"), 0);
	return "e/g";
}

static const way_fn ways[] = {nothing, rename_it, rename_over, be_replaced, unlink_it, exchange_it,
	link_it, write_it, write_and_rename, write_and_unlink, save_anew, change_mode,
	rename_directory};

/* The file is open while it happens, or it is not. */
static void try_way(struct scene *s, way_fn way, bool open)
{
	struct world *w = &s->world;
	struct fs_file *handle = NULL;
	const char *path;
	uint64_t node;

	make(s, "f", 1);
	make(s, "other", 2);
	assert_int_equal(world_mkdir(w, "d"), 0);
	node = number_of(w, "f");
	if (open)
		assert_int_equal(world_open_file(w, "f", O_RDWR, &handle), 0);
	path = way(s, handle);
	if (open) {
		assert_attribute(s, node);
		assert_int_equal(world_close_file(w, handle), 0);
	}
	if (path != NULL) {
		assert_attribute(s, number_of(w, path));
		world_remount(w);
		assert_attribute(s, number_of(w, path));
	}
}

static void try_all(struct scene *s, bool in_file)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		s->size = sizes[i];
		s->expected = malloc(s->size + 1);
		assert_non_null(s->expected);
		fill(s->expected, s->size, 1);
		for (size_t j = 0; j < sizeof(ways) / sizeof(ways[0]); j++) {
			bool writes = ways[j] == write_it || ways[j] == write_and_rename ||
				      ways[j] == write_and_unlink;

			for (int open = writes; open < 2; open++) {
				world_open(&s->world, in_file);
				try_way(s, ways[j], open);
				world_close(&s->world);
			}
		}
		free(s->expected);
	}
}

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct scene));
	return *state == NULL;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* No operation on a file changes its attribute: with a store in memory. */
static void test_memory(void **state)
{
	try_all(*state, false);
}

/* The same with a store in a file. */
static void test_file(void **state)
{
	try_all(*state, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
