/* Writing and truncating: in place, at the end, large amounts and holes. */
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

/* Writes into an existing value stay in memory first: the mount shows them at once, and the
 * store has them at close, in one transaction, with the rest of the value unchanged. */
static void test_write_in_place(void **state)
{
	struct world *w = *state;
	struct fs_file *file;
	struct stat stat;
	uint64_t txn;

	world_put(w, "k", "0123456789");
	txn = world_txn(w);
	assert_int_equal(world_open_file(w, "k", O_RDWR, &file), 0);
	assert_int_equal(fs_write(w->fs, file, 2, "ab", 2), 0);
	assert_int_equal(fs_write(w->fs, file, 12, "xy", 2), 0);
	assert_string_equal(world_keys(w), "k=0123456789");
	assert_int_equal(world_stat(w, "k", &stat), 0);
	assert_int_equal(stat.st_size, 14);
	assert_string_equal(world_read(w, "k"), "01ab456789");
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(world_txn(w), txn + 1);
	assert_int_equal(world_stat(w, "k", &stat), 0);
	assert_int_equal(stat.st_size, 14);
	assert_string_equal(world_read(w, "k"), "01ab456789");
}

/* Appending writes at the end of the file, and other writes do not, even through a handle that
 * was opened for appending. */
static void test_append(void **state)
{
	struct world *w = *state;
	struct fs_file *a, *b;

	world_put(w, "k", "0");
	assert_int_equal(world_open_file(w, "k", O_WRONLY | O_APPEND, &a), 0);
	assert_int_equal(world_open_file(w, "k", O_WRONLY | O_APPEND, &b), 0);
	assert_int_equal(fs_append(w->fs, a, "1", 1), 0);
	assert_int_equal(fs_append(w->fs, b, "2", 1), 0);
	assert_int_equal(fs_append(w->fs, a, "3", 1), 0);
	assert_int_equal(fs_write(w->fs, b, 0, "x", 1), 0);
	assert_int_equal(world_close_file(w, a), 0);
	assert_int_equal(world_close_file(w, b), 0);
	assert_string_equal(world_keys(w), "k=x123");
}

/* Fill a buffer so that each place in it looks different. */
static void fill(unsigned char *data, size_t size, unsigned seed)
{
	for (size_t i = 0; i < size; i++)
		data[i] = (unsigned char)((i * 2654435761u + seed) >> 16u);
}

static void assert_content(
	struct world *w, const char *path, const unsigned char *data, size_t size)
{
	unsigned char *buf = malloc(size + 1);
	struct fs_file *file;
	size_t got;

	assert_int_equal(world_open_file(w, path, O_RDONLY, &file), 0);
	assert_int_equal(fs_read(w->fs, file, 0, buf, size + 1, &got), 0);
	assert_int_equal(got, size);
	assert_memory_equal(buf, data, size);
	assert_int_equal(fs_read(w->fs, file, 5, buf, 100, &got), 0);
	assert_memory_equal(buf, data + 5, 100);
	assert_int_equal(world_close_file(w, file), 0);
	free(buf);
}

/* A large new file does not stay in memory, and still reaches its key whole: written in small
 * pieces, in large ones, and over again in its middle. */
static void test_large(void **state)
{
	static const size_t steps[] = {4096, 131072, 1048576};
	const size_t size = 5 * 1048576 + 123;
	unsigned char *data = malloc(size);
	struct world *w = *state;

	for (size_t s = 0; s < 3; s++) {
		struct fs_file *file;
		struct stat stat;

		fill(data, size, (unsigned)s);
		if (s == 0)
			assert_int_equal(world_create(w, "big", &file), 0);
		else
			assert_int_equal(world_open_file(w, "big", O_RDWR | O_TRUNC, &file), 0);
		for (size_t at = 0; at < size; at += steps[s]) {
			size_t n = size - at < steps[s] ? size - at : steps[s];

			assert_int_equal(fs_write(w->fs, file, (off_t)at, data + at, n), 0);
		}
		fill(data + 1000000, 777, 99);
		assert_int_equal(fs_write(w->fs, file, 1000000, data + 1000000, 777), 0);
		assert_content(w, "big", data, size);
		assert_int_equal(world_count(w, KT_NAMELESS), 1);
		assert_int_equal(world_close_file(w, file), 0);
		assert_content(w, "big", data, size);
		assert_int_equal(world_count(w, KT_NAMELESS), 0);
		assert_int_equal(world_stat(w, "big", &stat), 0);
		assert_int_equal(stat.st_size, size);
		assert_true(stat.st_blocks * 512 >= (blkcnt_t)size);
	}
	free(data);
}

/* Large writes into an existing value go to the store by themselves. */
static void test_large_in_place(void **state)
{
	const size_t size = 3 * 1048576;
	unsigned char *data = malloc(size);
	struct world *w = *state;
	struct fs_file *file;

	fill(data, size, 1);
	assert_int_equal(world_create(w, "big", &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, data, size), 0);
	assert_int_equal(fs_flush(w->fs, file), 0);
	fill(data + 100, 10, 2);
	assert_int_equal(fs_write(w->fs, file, 100, data + 100, 10), 0);
	fill(data + 50, 1048576, 3);
	assert_int_equal(fs_write(w->fs, file, 50, data + 50, 1048576), 0);
	assert_content(w, "big", data, size);
	for (size_t at = 0; at + 8192 <= size; at += 8192) {
		fill(data + at, 4096, (unsigned)at);
		assert_int_equal(fs_write(w->fs, file, (off_t)at, data + at, 4096), 0);
	}
	assert_content(w, "big", data, size);
	assert_int_equal(world_close_file(w, file), 0);
	assert_content(w, "big", data, size);
	free(data);
}

/* A file with a hole reads zeros there, before and after it is stored. */
static void test_sparse(void **state)
{
	const size_t size = 1048576;
	unsigned char *data = calloc(1, size);
	struct world *w = *state;
	struct fs_file *file;
	struct stat stat;

	assert_int_equal(world_create(w, "s", &file), 0);
	data[10] = 'a';
	data[size - 1] = 'z';
	assert_int_equal(fs_write(w->fs, file, 10, "a", 1), 0);
	assert_int_equal(fs_write(w->fs, file, (off_t)size - 1, "z", 1), 0);
	assert_content(w, "s", data, size);
	assert_int_equal(world_close_file(w, file), 0);
	assert_content(w, "s", data, size);
	assert_int_equal(world_stat(w, "s", &stat), 0);
	assert_true(stat.st_blocks * 512 < 65536);
	free(data);
}

static int truncate_to(struct world *w, const char *path, off_t size)
{
	struct fs_setattr set = {.what = FS_SET_SIZE, .size = size};

	return world_setattr(w, path, &set);
}

/* truncate works on what is in the store, in memory, in a nameless entry, and on gathered writes.
 */
static void test_truncate(void **state)
{
	struct world *w = *state;
	unsigned char *data = malloc(2000000);
	struct fs_file *file;
	struct stat stat;

	world_put(w, "k", "0123456789");
	assert_int_equal(truncate_to(w, "k", 3), 0);
	assert_string_equal(world_keys(w), "k=012");
	assert_int_equal(world_open_file(w, "k", O_WRONLY, &file), 0);
	assert_int_equal(fs_write(w->fs, file, 3, "abc", 3), 0);
	assert_int_equal(truncate_to(w, "k", 4), 0);
	assert_string_equal(world_keys(w), "k=012a");
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "k=012a");

	assert_int_equal(world_create(w, "new", &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "abcdef", 6), 0);
	assert_int_equal(truncate_to(w, "new", 2), 0);
	assert_int_equal(truncate_to(w, "new", 4), 0);
	assert_int_equal(fs_write(w->fs, file, 4, "x", 1), 0);
	assert_int_equal(world_stat(w, "new", &stat), 0);
	assert_int_equal(stat.st_size, 5);
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(world_unlink(w, "k"), 0);
	assert_string_equal(world_read(w, "new"), "ab");
	assert_int_equal(world_stat(w, "new", &stat), 0);
	assert_int_equal(stat.st_size, 5);

	fill(data, 2000000, 7);
	assert_int_equal(world_create(w, "big", &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, data, 2000000), 0);
	assert_int_equal(truncate_to(w, "big", 1000000), 0);
	assert_int_equal(truncate_to(w, "big", 1500000), 0);
	memset(data + 1000000, 0, 500000);
	assert_content(w, "big", data, 1500000);
	assert_int_equal(world_close_file(w, file), 0);
	assert_content(w, "big", data, 1500000);
	assert_int_equal(truncate_to(w, "big", -1), -EINVAL);
	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(truncate_to(w, "d", 0), -EISDIR);
	free(data);
}

/* A file that is truncated to nothing while it is open is published whole, as after O_TRUNC. */
static void test_emptied(void **state)
{
	struct fs_setattr empty = {.what = FS_SET_SIZE};
	struct world *w = *state;
	struct fs_entry entry;
	struct fs_file *file;
	struct stat stat;

	world_put(w, "f", "old");
	assert_int_equal(world_lookup(w, "f", &entry), 0);
	assert_int_equal(world_open_file(w, "f", O_RDWR, &file), 0);
	assert_int_equal(fs_setattr(w->fs, entry.node, file, &empty, &stat), 0);
	assert_int_equal(stat.st_size, 0);
	assert_string_equal(world_keys(w), "f=old");
	assert_int_equal(fs_write(w->fs, file, 0, "new", 3), 0);
	assert_string_equal(world_keys(w), "f=old");
	assert_string_equal(world_read(w, "f"), "new");
	assert_int_equal(fs_flush(w->fs, file), 0);
	assert_string_equal(world_keys(w), "f=new");
	assert_int_equal(fs_setattr(w->fs, entry.node, file, &empty, &stat), 0);
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "f=");
	world_forget(w, &entry);
}

int main(void)
{
#define MEMORY(test) cmocka_unit_test_setup_teardown(test, world_setup_memory, world_teardown)
#define IN_FILE(test) cmocka_unit_test_setup_teardown(test, world_setup_file, world_teardown)
	const struct CMUnitTest tests[] = {
		MEMORY(test_write_in_place),
		MEMORY(test_append),
		MEMORY(test_large),
		IN_FILE(test_large),
		MEMORY(test_large_in_place),
		MEMORY(test_sparse),
		MEMORY(test_truncate),
		MEMORY(test_emptied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
