/* Open files: how their content reaches the store, what is seen meanwhile, and how they end. */
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
	struct kt_store_info info;

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

/* Writes into an existing value are published within about a second, without a close. */
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

/* Fill a buffer so that each place in it looks different. */
static void fill(unsigned char *data, size_t size, unsigned seed)
{
	for (size_t i = 0; i < size; i++)
		data[i] = (unsigned char)((i * 2654435761u + seed) >> 16u);
}

/* A file that is removed while open can still be read and written, in each of its states, and
 * leaves nothing behind. */
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

/* When an application deletes a key that is being written into, the write fails with ESTALE. A
 * file that is written as a whole is published. */
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

/* The content of open files is published when the file system ends. */
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

/* Operations that a file does not allow fail with the error that a local file system gives. */
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

/* With commit_seconds 0 a call returns when its change is on the disk; else the flusher brings
 * it there later. */
static void test_flush(void **state)
{
	struct world *w = *state;
	struct kt_store_info info;

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

/* What a reader keeps from being used again is not free. */
static void test_statfs_beside_reader(void **state)
{
	static const size_t size = 1 << 20;
	struct world *w = *state;
	struct statvfs before, beside, after;
	char *value = calloc(1, size + 1);
	struct kt_txn *reader;

	memset(value, 'x', size);
	world_put(w, "a", value);
	assert_int_equal(kt_begin(w->store, KT_READ, &reader), 0);
	world_put(w, "a", "small");
	assert_int_equal(kt_flush(w->store), 0);
	assert_int_equal(fs_statfs(w->fs, &beside), 0);
	assert_int_equal(kt_abort(reader), 0);
	assert_int_equal(fs_statfs(w->fs, &before), 0);
	assert_true(before.f_bavail - beside.f_bavail >= size / 4096);
	world_put(w, "b", "1"); /* and now it is used */
	assert_int_equal(fs_statfs(w->fs, &after), 0);
	assert_true(after.f_bavail + 100 > before.f_bavail);
	free(value);
}

int main(void)
{
#define MEMORY(test) cmocka_unit_test_setup_teardown(test, world_setup_memory, world_teardown)
#define IN_FILE(test) cmocka_unit_test_setup_teardown(test, world_setup_file, world_teardown)
	const struct CMUnitTest tests[] = {
		MEMORY(test_shows_keys),
		MEMORY(test_create),
		MEMORY(test_statfs_beside_reader),
		MEMORY(test_flush_before_write),
		MEMORY(test_overwrite),
		IN_FILE(test_fsync),
		MEMORY(test_store_in_background),
		MEMORY(test_unlink_while_open),
		MEMORY(test_unlink_and_create),
		MEMORY(test_deleted_by_application),
		MEMORY(test_close_publishes),
		MEMORY(test_refused),
		IN_FILE(test_read_only),
		IN_FILE(test_flush),
		MEMORY(test_statfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
