/* Files: how they reach the store, what is seen meanwhile, and what stays. */
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

/* Keys are files and prefixes are directories, with the mount's owner and modes. */
static void test_shows_keys(void **state)
{
	struct world *w = *state;
	struct stat stat;

	world_put(w, "a/b", "1");
	world_put(w, "c", "22");
	assert_string_equal(world_list(w, ""), "a/ c");
	assert_string_equal(world_list(w, "a"), "b");
	assert_string_equal(world_read(w, "a/b"), "1");
	assert_int_equal(world_stat(w, "c", &stat), 0);
	assert_int_equal(stat.st_mode, S_IFREG | 0644);
	assert_int_equal(stat.st_uid, 500);
	assert_int_equal(stat.st_gid, 501);
	assert_int_equal(stat.st_size, 2);
	assert_int_equal(stat.st_nlink, 1);
	assert_true(stat.st_mtim.tv_sec > 1000000000);
	assert_int_equal(world_stat(w, "a", &stat), 0);
	assert_int_equal(stat.st_mode, S_IFDIR | 0755);
	assert_true(stat.st_mtim.tv_sec > 1000000000);
	assert_int_equal(world_stat(w, "", &stat), 0);
	assert_int_equal(stat.st_ino, 1);
	assert_int_equal(world_stat(w, "x", &stat), -ENOENT);
	assert_int_equal(world_stat(w, "c/x", &stat), -ENOTDIR);
}

/* A shell's `command > file` closes a copy of the descriptor before anything is written. The store
 * sees no empty value then: neither of a new file nor of one that was emptied. */
static void test_flush_before_write(void **state)
{
	struct world *w = *state;
	struct fs_file *file;

	world_put(w, "old", "value");
	assert_int_equal(world_create(w, "new", &file), 0);
	assert_int_equal(fs_flush(w->fs, file), 0);
	assert_string_equal(world_keys(w), "old=value");
	assert_int_equal(fs_write(w->fs, file, 0, "x", 1), 0);
	assert_int_equal(fs_flush(w->fs, file), 0);
	assert_string_equal(world_keys(w), "new=x old=value");
	fs_release(w->fs, file);

	assert_int_equal(world_open_file(w, "old", O_WRONLY | O_TRUNC, &file), 0);
	assert_int_equal(fs_flush(w->fs, file), 0);
	assert_string_equal(world_keys(w), "new=x old=value");
	fs_release(w->fs, file);
	assert_string_equal(world_keys(w), "new=x old=");
}

/* A new file is seen through the mount at once, and in the store when it is closed, whole, in one
 * transaction. */
static void test_create(void **state)
{
	struct world *w = *state;
	struct fs_file *file;
	struct stat stat;
	uint64_t txn;

	assert_int_equal(world_write(w, "first", ""), 0); /* gets inode numbers */
	txn = world_txn(w);
	assert_int_equal(world_create(w, "new", &file), 0);
	assert_string_equal(world_list(w, ""), "first new");
	assert_int_equal(fs_write(w->fs, file, 0, "hello ", 6), 0);
	assert_int_equal(fs_write(w->fs, file, 6, "world", 5), 0);
	assert_string_equal(world_keys(w), "first=");
	assert_string_equal(world_read(w, "new"), "hello world");
	assert_int_equal(world_stat(w, "new", &stat), 0);
	assert_int_equal(stat.st_size, 11);
	assert_int_equal(stat.st_mode, S_IFREG | 0644);
	assert_int_equal(stat.st_uid, 1000);
	assert_int_equal(world_create(w, "new", &file), -EEXIST);
	assert_int_equal(world_txn(w), txn);

	assert_int_equal(fs_flush(w->fs, file), 0);
	assert_string_equal(world_keys(w), "first= new=hello world");
	assert_int_equal(world_txn(w), txn + 1);
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(world_txn(w), txn + 1);
	assert_string_equal(world_list(w, ""), "first new");
}

/* A file that is opened with O_TRUNC keeps its old value in the store until it is closed; and what
 * another handle reads, and closes, does not publish what is being written. */
static void test_overwrite(void **state)
{
	struct world *w = *state;
	struct fs_file *file;
	struct stat before, after;

	world_put(w, "k", "old value");
	assert_int_equal(world_stat(w, "k", &before), 0);
	assert_int_equal(world_open_file(w, "k", O_WRONLY | O_TRUNC, &file), 0);
	assert_string_equal(world_read(w, "k"), "");
	assert_int_equal(fs_write(w->fs, file, 0, "ne", 2), 0);
	assert_string_equal(world_read(w, "k"), "ne");
	assert_string_equal(world_list(w, ""), "k");
	assert_string_equal(world_keys(w), "k=old value");
	assert_int_equal(fs_write(w->fs, file, 2, "w", 1), 0);
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "k=new");
	assert_int_equal(world_stat(w, "k", &after), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	assert_int_equal(after.st_mode, before.st_mode);
}

/* fsync publishes, and the handle can go on writing. */
static void test_fsync(void **state)
{
	struct world *w = *state;
	struct fs_file *file;
	struct kt_info info;

	assert_int_equal(world_create(w, "log", &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "one\n", 4), 0);
	assert_int_equal(fs_fsync(w->fs, file), 0);
	assert_string_equal(world_keys(w), "log=one\n");
	assert_int_equal(kt_info(w->store, &info), 0);
	assert_int_equal(info.durable_txn, info.txn);
	assert_int_equal(fs_write(w->fs, file, 4, "two\n", 4), 0);
	assert_string_equal(world_read_file(w, file), "one\ntwo\n");
	assert_string_equal(world_keys(w), "log=one\n");
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "log=one\ntwo\n");
	assert_int_equal(fs_fsync(w->fs, NULL), 0);
}

/* Writes into an existing value are gathered: seen through the mount at once, in the store at close
 * in one transaction, with the rest of the value as it was. */
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

/* What is gathered for an existing value is in the store within a second or so of its own accord.
 */
static void test_store_in_background(void **state)
{
	struct world *w = *state;
	struct fs_file *file;
	uint64_t txn;

	world_put(w, "k", "old");
	txn = world_txn(w);
	assert_int_equal(world_open_file(w, "k", O_WRONLY, &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "new", 3), 0);
	for (int i = 0; i < 100 && world_txn(w) == txn; i++)
		usleep(100000);
	assert_string_equal(world_keys(w), "k=new");
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(world_txn(w), txn + 1);
}

/* Appending goes to the end, and nothing else does, also through a handle that was opened for it.
 */
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

/* A file that is removed while open goes on, in each of its states, and leaves nothing. */
static void test_unlink_while_open(void **state)
{
	struct world *w = *state;
	unsigned char *data = malloc(1100000), *buf = malloc(1100000);
	struct fs_file *stored, *memory, *big, *replaced;
	struct fs_entry node;
	size_t got;

	world_put(w, "stored", "0123456789");
	world_put(w, "replaced", "old");
	assert_int_equal(world_open_file(w, "stored", O_RDWR, &stored), 0);
	assert_int_equal(fs_write(w->fs, stored, 2, "ab", 2), 0);
	assert_int_equal(world_open_file(w, "replaced", O_RDWR | O_TRUNC, &replaced), 0);
	assert_int_equal(fs_write(w->fs, replaced, 0, "new", 3), 0);
	assert_int_equal(world_create(w, "memory", &memory), 0);
	assert_int_equal(fs_write(w->fs, memory, 0, "mem", 3), 0);
	assert_int_equal(world_create(w, "big", &big), 0);
	fill(data, 1100000, 5);
	assert_int_equal(fs_write(w->fs, big, 0, data, 1100000), 0);

	assert_int_equal(world_lookup(w, "stored", &node), 0);
	assert_int_equal(world_unlink(w, "stored"), 0);
	assert_int_equal(world_unlink(w, "replaced"), 0);
	assert_int_equal(world_unlink(w, "memory"), 0);
	assert_int_equal(world_unlink(w, "big"), 0);
	assert_string_equal(world_list(w, ""), "");
	assert_string_equal(world_keys(w), "");

	assert_int_equal(fs_getattr(w->fs, node.node, &node.stat), 0);
	assert_int_equal(node.stat.st_nlink, 0);
	assert_int_equal(node.stat.st_size, 10);
	world_forget(w, &node);
	assert_string_equal(world_read_file(w, stored), "01ab456789");
	assert_int_equal(fs_write(w->fs, stored, 10, "more", 4), 0);
	assert_string_equal(world_read_file(w, stored), "01ab456789more");
	assert_string_equal(world_read_file(w, replaced), "new");
	assert_string_equal(world_read_file(w, memory), "mem");
	assert_int_equal(fs_read(w->fs, big, 0, buf, 1100000, &got), 0);
	assert_memory_equal(buf, data, 1100000);
	assert_int_equal(world_count(w, KT_NAMELESS), 2);

	assert_int_equal(fs_fsync(w->fs, stored), 0);
	assert_int_equal(world_close_file(w, stored), 0);
	assert_int_equal(world_close_file(w, replaced), 0);
	assert_int_equal(world_close_file(w, memory), 0);
	assert_int_equal(world_close_file(w, big), 0);
	assert_int_equal(world_count(w, KT_NAMELESS), 0);
	assert_string_equal(world_keys(w), "");
	free(data);
	free(buf);
}

/* A name that is free again can be taken by a new file while the old one is still open. */
static void test_unlink_and_create(void **state)
{
	struct world *w = *state;
	struct fs_file *old, *new;
	struct stat before, after;

	assert_int_equal(world_create(w, "f", &old), 0);
	assert_int_equal(fs_write(w->fs, old, 0, "old", 3), 0);
	assert_int_equal(world_stat(w, "f", &before), 0);
	assert_int_equal(world_unlink(w, "f"), 0);
	assert_int_equal(world_create(w, "f", &new), 0);
	assert_int_equal(fs_write(w->fs, new, 0, "new", 3), 0);
	assert_int_equal(world_stat(w, "f", &after), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
	assert_string_equal(world_read_file(w, old), "old");
	assert_string_equal(world_read(w, "f"), "new");
	assert_int_equal(world_close_file(w, new), 0);
	assert_int_equal(world_close_file(w, old), 0);
	assert_string_equal(world_keys(w), "f=new");
}

/* What an application deletes under a writer's hands is gone, and the writer hears of it; a file
 * that is written as a whole is written. */
static void test_deleted_by_application(void **state)
{
	struct world *w = *state;
	struct fs_file *part, *whole;

	world_put(w, "part", "0123");
	world_put(w, "whole", "0123");
	assert_int_equal(world_open_file(w, "part", O_RDWR, &part), 0);
	assert_int_equal(world_open_file(w, "whole", O_RDWR | O_TRUNC, &whole), 0);
	assert_int_equal(fs_write(w->fs, part, 2, "x", 1), 0);
	assert_int_equal(fs_write(w->fs, whole, 0, "x", 1), 0);
	world_delete(w, "part");
	world_delete(w, "whole");
	assert_string_equal(world_read_file(w, part), "ESTALE");
	assert_int_equal(world_close_file(w, part), -ESTALE);
	assert_int_equal(world_close_file(w, whole), 0);
	assert_string_equal(world_keys(w), "whole=x");
}

/* mode, owner, times, type and inode number stay over a remount, of files made through the mount
 * and of those an application wrote. */
static void test_remount(void **state)
{
	struct world *w = *state;
	struct fs_setattr set = {
		.what = FS_SET_MODE | FS_SET_UID | FS_SET_GID | FS_SET_ATIME | FS_SET_MTIME,
		.mode = 04751,
		.uid = 7,
		.gid = 8,
		.atime = {.tv_sec = 1000, .tv_nsec = 1},
		.mtime = {.tv_sec = -5, .tv_nsec = 999999999}};
	static const char *const paths[] = {"app", "file", "dir", "dir/sub", "link", "implied", ""};
	struct stat before[7], after;

	world_put(w, "app", "1");
	world_put(w, "implied/x", "1");
	assert_int_equal(world_write(w, "file", "text"), 0);
	assert_int_equal(world_mkdir(w, "dir"), 0);
	assert_int_equal(world_mkdir(w, "dir/sub"), 0);
	assert_int_equal(world_symlink(w, "some/where", "link"), 0);
	for (int i = 0; i < 6; i++) {
		if (strcmp(paths[i], "link") != 0)
			assert_int_equal(world_setattr(w, paths[i], &set), 0);
		assert_int_equal(world_stat(w, paths[i], &before[i]), 0);
	}
	assert_int_equal(before[0].st_mode, S_IFREG | 04751);
	assert_int_equal(before[2].st_mode, S_IFDIR | 04751);
	assert_int_equal(before[4].st_mode, S_IFLNK | 0777);
	assert_int_equal(before[1].st_uid, 7);
	assert_int_equal(before[1].st_gid, 8);
	assert_int_equal(before[1].st_atim.tv_sec, 1000);
	assert_int_equal(before[1].st_atim.tv_nsec, 1);
	assert_int_equal(before[1].st_mtim.tv_sec, -5);
	assert_int_equal(before[1].st_mtim.tv_nsec, 999999999);
	assert_true(before[1].st_ctim.tv_sec > 1000000000);
	assert_int_equal(world_stat(w, "", &before[6]), 0);
	world_remount(w);
	for (int i = 0; i < 7; i++) {
		assert_int_equal(world_stat(w, paths[i], &after), 0);
		assert_memory_equal(&before[i], &after, sizeof(after));
	}
}

/* Each file has an inode number of its own, which edits and renames keep and replacing changes. */
static void test_inode_numbers(void **state)
{
	struct world *w = *state;
	struct stat a, b, c;

	world_put(w, "app", "1");
	assert_int_equal(world_write(w, "mine", "1"), 0);
	assert_int_equal(world_stat(w, "app", &a), 0);
	assert_int_equal(world_stat(w, "mine", &b), 0);
	assert_int_not_equal(a.st_ino, b.st_ino);
	world_put(w, "app", "2");
	assert_int_equal(world_write(w, "mine", "2"), 0);
	assert_int_equal(world_stat(w, "app", &c), 0);
	assert_int_equal(a.st_ino, c.st_ino);
	assert_int_equal(world_rename(w, "app", "app2"), 0);
	assert_int_equal(world_stat(w, "app2", &c), 0);
	assert_int_equal(a.st_ino, c.st_ino);
	world_remount(w);
	assert_int_equal(world_stat(w, "app2", &c), 0);
	assert_int_equal(a.st_ino, c.st_ino);
	assert_int_equal(world_rename(w, "mine", "app2"), 0);
	assert_int_equal(world_stat(w, "app2", &c), 0);
	assert_int_equal(b.st_ino, c.st_ino);
}

/* When an application writes a file that has attributes, mtime and ctime are that time. */
static void test_times_after_application(void **state)
{
	struct world *w = *state;
	struct fs_setattr set = {.what = FS_SET_MTIME, .mtime = {.tv_sec = 1000}};
	struct stat stat;

	assert_int_equal(world_write(w, "f", "1"), 0);
	assert_int_equal(world_setattr(w, "f", &set), 0);
	assert_int_equal(world_stat(w, "f", &stat), 0);
	assert_int_equal(stat.st_mtim.tv_sec, 1000);
	assert_true(stat.st_ctim.tv_sec > 1000000000);
	world_put(w, "f", "2");
	assert_int_equal(world_stat(w, "f", &stat), 0);
	assert_true(stat.st_mtim.tv_sec > 1000000000);
	assert_memory_equal(&stat.st_mtim, &stat.st_ctim, sizeof(stat.st_ctim));
}

/* Attributes of a file that is being written are set in memory, and stored with it. */
static void test_setattr_unstored(void **state)
{
	struct world *w = *state;
	struct fs_setattr set = {.what = FS_SET_MODE | FS_SET_MTIME,
		.mode = 0600,
		.mtime = {.tv_sec = 5000, .tv_nsec = 6}};
	struct fs_file *file;
	struct stat stat;
	uint64_t txn;

	assert_int_equal(world_write(w, "first", ""), 0);
	txn = world_txn(w);
	assert_int_equal(world_create(w, "f", &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "x", 1), 0);
	assert_int_equal(world_setattr(w, "f", &set), 0);
	assert_int_equal(world_txn(w), txn);
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(world_stat(w, "f", &stat), 0);
	assert_int_equal(stat.st_mode, S_IFREG | 0600);
	assert_int_equal(stat.st_mtim.tv_sec, 5000);
	assert_int_equal(stat.st_mtim.tv_nsec, 6);
	assert_int_equal(stat.st_size, 1);
}

/* What open files hold is stored when the file system ends. */
static void test_close_publishes(void **state)
{
	struct world *w = *state;
	struct fs_file *whole, *part, *gone;

	world_put(w, "part", "0123");
	assert_int_equal(world_create(w, "whole", &whole), 0);
	assert_int_equal(fs_write(w->fs, whole, 0, "w", 1), 0);
	assert_int_equal(world_open_file(w, "part", O_WRONLY, &part), 0);
	assert_int_equal(fs_write(w->fs, part, 1, "p", 1), 0);
	assert_int_equal(world_create(w, "gone", &gone), 0);
	assert_int_equal(fs_write(w->fs, gone, 0, "g", 1), 0);
	assert_int_equal(world_unlink(w, "gone"), 0);
	world_remount(w);
	assert_string_equal(world_keys(w), "part=0p23 whole=w");
}

/* What cannot be done with a file is refused as elsewhere. */
static void test_refused(void **state)
{
	struct world *w = *state;
	struct fs_file *file;
	char *target;
	struct fs_entry entry;
	size_t got;
	char c;

	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(world_symlink(w, "t", "l"), 0);
	assert_int_equal(world_write(w, "f", "x"), 0);
	assert_int_equal(world_open_file(w, "d", O_RDONLY, &file), -EISDIR);
	assert_int_equal(world_open_file(w, "l", O_RDONLY, &file), -ELOOP);
	assert_int_equal(world_open_file(w, "f", O_RDONLY, &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "y", 1), -EBADF);
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(world_open_file(w, "f", O_WRONLY, &file), 0);
	assert_int_equal(fs_read(w->fs, file, 0, &c, 1, &got), -EBADF);
	assert_int_equal(fs_write(w->fs, file, INT64_MAX, "y", 1), -EFBIG);
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(world_lookup(w, "l", &entry), 0);
	assert_int_equal(fs_readlink(w->fs, entry.node, &target), 0);
	assert_string_equal(target, "t");
	free(target);
	world_forget(w, &entry);
	assert_int_equal(world_lookup(w, "f", &entry), 0);
	assert_int_equal(fs_readlink(w->fs, entry.node, &target), -EINVAL);
	world_forget(w, &entry);
	assert_int_equal(fs_getattr(w->fs, entry.node, &entry.stat), -ESTALE);
}

/* A read-only file system reads, and changes nothing. */
static void test_read_only(void **state)
{
	struct world *w = *state;
	struct fs_setattr set = {.what = FS_SET_MODE, .mode = 0600};
	struct fs_file *file;
	struct stat stat;

	world_put(w, "d/f", "x");
	w->options.read_only = true;
	world_remount(w);
	assert_string_equal(world_read(w, "d/f"), "x");
	assert_string_equal(world_list(w, "d"), "f");
	assert_int_equal(world_create(w, "new", &file), -EROFS);
	assert_int_equal(world_open_file(w, "d/f", O_RDWR, &file), -EROFS);
	assert_int_equal(world_open_file(w, "d/f", O_TRUNC, &file), -EROFS);
	assert_int_equal(world_mkdir(w, "m"), -EROFS);
	assert_int_equal(world_unlink(w, "d/f"), -EROFS);
	assert_int_equal(world_rename(w, "d/f", "g"), -EROFS);
	assert_int_equal(world_symlink(w, "t", "l"), -EROFS);
	assert_int_equal(world_setattr(w, "d/f", &set), -EROFS);
	assert_int_equal(world_stat(w, "d/f", &stat), 0);
	assert_int_equal(fs_fsync(w->fs, NULL), 0);
}

/* A blob that is damaged is an error for those who ask about its file, and for nobody else. */
static void test_damaged_blob(void **state)
{
	struct world *w = *state;
	struct kt_txn *txn;
	struct stat stat;

	world_put(w, "bad", "1");
	world_put(w, "good", "1");
	assert_int_equal(kt_begin(w->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_set_attr(txn, "bad", 3, "\001\377\377", 3), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(world_stat(w, "bad", &stat), -EUCLEAN);
	assert_string_equal(world_list(w, ""), "bad good");
	assert_string_equal(world_read(w, "bad"), "EUCLEAN");
	assert_string_equal(world_read(w, "good"), "1");
}

/* With commit_seconds 0 all is on the disk when a call returns; else the flusher brings it there.
 */
static void test_flush(void **state)
{
	struct world *w = *state;
	struct kt_info info;

	w->options.commit_seconds = 0;
	world_remount(w);
	assert_int_equal(world_write(w, "f", "x"), 0);
	assert_int_equal(kt_info(w->store, &info), 0);
	assert_int_equal(info.durable_txn, info.txn);
	w->options.commit_seconds = 1;
	world_remount(w);
	assert_int_equal(world_write(w, "f", "y"), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(kt_info(w->store, &info), 0);
		if (info.durable_txn == info.txn)
			break;
		usleep(100000);
	}
	assert_int_equal(info.durable_txn, info.txn);
}

static void test_statfs(void **state)
{
	struct world *w = *state;
	struct statvfs statvfs;

	world_put(w, "a", "1");
	assert_int_equal(fs_statfs(w->fs, &statvfs), 0);
	assert_int_equal(statvfs.f_namemax, 255);
	assert_int_equal(statvfs.f_bsize, 4096);
	assert_true(statvfs.f_files > statvfs.f_ffree);
}

int main(void)
{
#define MEMORY(test) cmocka_unit_test_setup_teardown(test, world_setup_memory, world_teardown)
#define IN_FILE(test) cmocka_unit_test_setup_teardown(test, world_setup_file, world_teardown)
	const struct CMUnitTest tests[] = {
		MEMORY(test_shows_keys),
		MEMORY(test_create),
		MEMORY(test_flush_before_write),
		MEMORY(test_overwrite),
		IN_FILE(test_fsync),
		MEMORY(test_write_in_place),
		MEMORY(test_store_in_background),
		MEMORY(test_append),
		MEMORY(test_large),
		IN_FILE(test_large),
		MEMORY(test_large_in_place),
		MEMORY(test_sparse),
		MEMORY(test_truncate),
		MEMORY(test_unlink_while_open),
		MEMORY(test_unlink_and_create),
		MEMORY(test_deleted_by_application),
		IN_FILE(test_remount),
		IN_FILE(test_inode_numbers),
		MEMORY(test_times_after_application),
		MEMORY(test_setattr_unstored),
		MEMORY(test_close_publishes),
		MEMORY(test_refused),
		IN_FILE(test_read_only),
		MEMORY(test_damaged_blob),
		IN_FILE(test_flush),
		MEMORY(test_statfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
