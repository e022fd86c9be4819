/* The contract of keytree.h: every call and its errors, on a file and in memory. */
#include "tests/unit/fixture.h"

#include "keytree_fs.h"

#include "store/format.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

static void begin(struct fixture *f, unsigned flags)
{
	assert_int_equal(kt_begin(f->store, flags, &f->txn), 0);
}

static void commit(struct fixture *f)
{
	assert_int_equal(kt_commit(f->txn, 0), 0);
	f->txn = NULL;
}

static void drop(struct fixture *f)
{
	kt_abort(f->txn);
	f->txn = NULL;
}

static int put(struct kt_txn *txn, const char *key, const char *value)
{
	return kt_put(txn, key, strlen(key), value, strlen(value));
}

static void assert_value(struct kt_txn *txn, const char *key, const char *expected)
{
	struct kt_slice value;

	assert_int_equal(kt_get(txn, key, strlen(key), &value), 0);
	assert_int_equal(value.size, strlen(expected));
	assert_memory_equal(value.data, expected, value.size);
}

/* Open a file: the result, closed again if it is a store. */
static int try_open(const char *path, unsigned flags)
{
	struct kt_store *store = NULL;
	int err = kt_open(path, KT_OPTIONS(.flags = flags), &store);

	assert_true((!err) == (store != NULL));
	if (!err)
		assert_int_equal(kt_close(store), 0);
	return err;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Flags say whether a store is made, found, or either; a new one is for its owner alone. */
static void opening(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(try_open(f->temp.path, 0), -ENOENT);
	assert_int_equal(try_open(f->temp.path, KT_READONLY), -ENOENT);
	assert_int_equal(try_open(f->temp.path, KT_READONLY | KT_CREATE), -ENOENT);
	assert_int_equal(try_open(f->temp.path, KT_CREATE | KT_EXCLUSIVE), 0);
	assert_int_equal(stat(f->temp.path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(try_open(f->temp.path, KT_CREATE | KT_EXCLUSIVE), -EEXIST);
	assert_int_equal(try_open(f->temp.path, KT_CREATE), 0);
	assert_int_equal(try_open(f->temp.path, 0), 0);
	assert_int_equal(try_open(f->temp.path, KT_READONLY), 0);
	assert_int_equal(try_open(f->temp.dir, 0), -EISDIR);
	assert_int_equal(try_open("/dev/null", 0), -EMEDIUMTYPE);
}

/* Opening and closing without a change leaves the file as it was. */
static void opening_writes_nothing(void **state)
{
	struct fixture *f = *state;
	static unsigned char before[1 << 17], after[1 << 17];
	ssize_t size;
	int fd;

	assert_int_equal(kt_open(f->temp.path, KT_OPTIONS(.flags = KT_CREATE), &f->store), 0);
	begin(f, KT_WRITE);
	assert_int_equal(put(f->txn, "a", "1"), 0);
	commit(f);
	assert_int_equal(kt_close(f->store), 0);
	f->store = NULL;
	fd = open(f->temp.path, O_RDONLY);
	size = pread(fd, before, sizeof(before), 0);
	assert_true(size > 0);
	assert_int_equal(try_open(f->temp.path, 0), 0);
	assert_int_equal(try_open(f->temp.path, KT_READONLY), 0);
	assert_int_equal(pread(fd, after, sizeof(after), 0), size);
	assert_memory_equal(before, after, size);
	close(fd);
}

/* Who may not read the file is told so; who may not write it can read. */
static void permissions(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	if (getuid() != 0)
		skip();
	assert_int_equal(try_open(f->temp.path, KT_CREATE), 0);
	assert_int_equal(chmod(f->temp.dir, 0755), 0);
	for (int readable = 0; readable < 2; readable++) {
		assert_int_equal(chmod(f->temp.path, readable ? 0644 : 0600), 0);
		pid = fork();
		if (pid == 0) {
			struct kt_store *store;

			if (setuid(65534) != 0)
				_exit(1);
			if (kt_open(f->temp.path, NULL, &store) != -EACCES)
				_exit(2);
			_exit(kt_open(f->temp.path, KT_OPTIONS(.flags = KT_READONLY), &store) ==
						(readable ? 0 : -EACCES)
					? 0
					: 3);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

/* Change the header and seal it again. */
static void patch_header(const char *path, size_t offset, uint64_t value, size_t size)
{
	unsigned char page[PAGE_SIZE];
	uint64_t checksum;
	int fd = open(path, O_RDWR);

	assert_int_equal(pread(fd, page, PAGE_SIZE, 0), PAGE_SIZE);
	memcpy(page + offset, &value, size);
	checksum = XXH3_64bits(page + 8, PAGE_SIZE - 8);
	memcpy(page, &checksum, 8);
	assert_int_equal(pwrite(fd, page, PAGE_SIZE, 0), PAGE_SIZE);
	close(fd);
}

/* Newer formats are refused; a feature that only writers must know makes the store read-only. */
static void other_formats(void **state)
{
	static const struct {
		size_t offset, size;
		uint64_t value, normal;
		int expected;
	} cases[] = {
		{offsetof(struct format_header, version), 4, 2, 1, -ENOTSUP},
		{offsetof(struct format_header, page_size), 4, 8192, 4096, -ENOTSUP},
		{offsetof(struct format_header, incompat), 8, 1, 0, -ENOTSUP},
		{offsetof(struct format_header, magic), 1, 0, 0x89, -EMEDIUMTYPE},
		{offsetof(struct format_header, readonly), 8, 4, 0, 0},
	};
	struct fixture *f = *state;

	assert_int_equal(try_open(f->temp.path, KT_CREATE), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		patch_header(f->temp.path, cases[i].offset, cases[i].value, cases[i].size);
		assert_int_equal(try_open(f->temp.path, 0), cases[i].expected);
		if (cases[i].expected != 0)
			patch_header(f->temp.path, cases[i].offset, cases[i].normal, cases[i].size);
	}
	assert_int_equal(kt_open(f->temp.path, NULL, &f->store), 0);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &f->txn), -EROFS);
	begin(f, KT_READ);
}

/* What is empty, foreign or cut off is said to be so. */
static void damaged_files(void **state)
{
	struct fixture *f = *state;
	int fd = open(f->temp.path, O_RDWR | O_CREAT, 0600);

	assert_int_equal(try_open(f->temp.path, KT_CREATE), -EMEDIUMTYPE);
	assert_int_equal(write(fd, "#!/bin/sh\n", 10), 10);
	assert_int_equal(try_open(f->temp.path, 0), -EMEDIUMTYPE);
	close(fd);
	assert_int_equal(unlink(f->temp.path), 0);
	assert_int_equal(try_open(f->temp.path, KT_CREATE), 0);
	for (int pages = 7; pages > 0; pages--) {
		assert_int_equal(truncate(f->temp.path, (off_t)pages * PAGE_SIZE - 1), 0);
		assert_int_equal(try_open(f->temp.path, 0), -EUCLEAN);
	}
}

/* ---- names and errors ------------------------------------------------------------------------ */

/* A store has a name, and errors are told in words with it. */
static void names_and_words(void **state)
{
	struct fixture *f = *state;
	struct kt_store *memory;
	char expected[200];

	snprintf(expected, sizeof(expected), "file:%s", f->temp.path);
	assert_string_equal(kt_name(f->store), expected);
	strcat(expected, ": No such file or directory");
	assert_string_equal(kt_strerror(f->store, -ENOENT), expected);
	assert_int_equal(kt_open_memory("cache", &memory), 0);
	assert_string_equal(kt_name(memory), "memory:cache");
	assert_string_equal(kt_strerror(memory, -EUCLEAN), "memory:cache: the store is damaged");
	assert_string_equal(kt_strerror(NULL, -EMEDIUMTYPE), "not a keytree store");
	assert_non_null(strstr(kt_strerror(NULL, -123456), "unknown error"));
	assert_int_equal(kt_close(memory), 0);
	assert_int_equal(kt_close(NULL), 0);
	kt_abort(NULL);
	kt_cursor_close(NULL);
}

/* ---- transactions ---------------------------------------------------------------------------- */

/* A store with an open transaction does not close; a second writer of one thread is a mistake. */
static void open_transactions(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *second = NULL;

	begin(f, KT_WRITE);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &second), -EDEADLK);
	assert_int_equal(kt_begin(f->store, KT_WRITE | KT_TRY, &second), -EDEADLK);
	assert_null(second);
	assert_int_equal(kt_close(f->store), -EBUSY);
	drop(f);
	begin(f, KT_READ);
	assert_int_equal(kt_close(f->store), -EBUSY);
	assert_int_equal(kt_begin(f->store, KT_WRITE | KT_TRY, &second), 0);
	kt_abort(second);
}

/* Numbers of transactions grow by one with each commit, and with nothing else. */
static void numbers(void **state)
{
	struct fixture *f = *state;
	uint64_t first;

	begin(f, KT_WRITE);
	first = kt_txn_id(f->txn);
	assert_int_equal(put(f->txn, "a", "1"), 0);
	commit(f);
	begin(f, KT_WRITE);
	assert_int_equal(kt_txn_id(f->txn), first + 1);
	commit(f); /* changed nothing */
	begin(f, KT_WRITE);
	assert_int_equal(kt_txn_id(f->txn), first + 1);
	assert_int_equal(put(f->txn, "a", "2"), 0);
	drop(f);
	begin(f, KT_READ);
	assert_int_equal(kt_txn_id(f->txn), first);
	assert_value(f->txn, "a", "1");
}

/* A transaction for reading changes nothing, whatever is asked of it. */
static void reading_only(void **state)
{
	struct fixture *f = *state;
	uint64_t id;

	begin(f, KT_WRITE);
	assert_int_equal(put(f->txn, "a", "1"), 0);
	commit(f);
	begin(f, KT_READ);
	assert_int_equal(put(f->txn, "a", "2"), -EROFS);
	assert_int_equal(kt_delete(f->txn, "a", 1, KT_MISSING_OK), -EROFS);
	assert_int_equal(kt_write(f->txn, "a", 1, 0, "x", 1), -EROFS);
	assert_int_equal(kt_truncate(f->txn, "a", 1, 0), -EROFS);
	assert_int_equal(kt_punch(f->txn, "a", 1, 0, 1), -EROFS);
	assert_int_equal(kt_set_attr(f->txn, "a", 1, "x", 1), -EROFS);
	assert_int_equal(kt_set_mtime(f->txn, "a", 1, 1), -EROFS);
	assert_int_equal(kt_put_entry(f->txn, "a", 1, "x", 1, "x", 1, 1), -EROFS);
	assert_int_equal(kt_move(f->txn, "a", 1, f->txn, "b", 1), -EROFS);
	assert_int_equal(kt_new_id(f->txn, &id), -EROFS);
	assert_value(f->txn, "a", "1");
}

/* A read transaction may have the memory of one that has ended, but nothing of what that one showed
 * or was refused. */
static void fresh_readers(void **state)
{
	struct fixture *f = *state;

	begin(f, KT_WRITE);
	assert_int_equal(put(f->txn, "a", "1"), 0);
	commit(f);
	assert_int_equal(kt_snapshot_create(f->store, "one"), 0);
	begin(f, KT_WRITE);
	assert_int_equal(put(f->txn, "a", "2"), 0);
	commit(f);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(kt_snapshot_open(f->store, "one", &f->txn), 0);
		assert_value(f->txn, "a", "1");
		assert_int_equal(kt_set_attr(f->txn, "a", 1, "x", 1), -EROFS);
		drop(f);
		begin(f, KT_READ);
		assert_value(f->txn, "a", "2");
		commit(f);
	}
}

/* Ids are never given twice, unless the transaction that took them was dropped. */
static void ids(void **state)
{
	struct fixture *f = *state;
	uint64_t one, two, three;

	begin(f, KT_WRITE);
	assert_int_equal(kt_new_id(f->txn, &one), 0);
	assert_int_equal(kt_new_id(f->txn, &two), 0);
	assert_true(one >= 1 && two > one);
	commit(f);
	begin(f, KT_WRITE);
	assert_int_equal(kt_new_id(f->txn, &three), 0);
	assert_true(three > two);
	drop(f);
}

/* ---- entries --------------------------------------------------------------------------------- */

/* What is not there is -ENOENT for every call that needs it. */
static void missing_keys(void **state)
{
	struct fixture *f = *state;
	struct kt_slice value;
	struct kt_entry_info stat;
	uint64_t begin_at, end;
	bool contains = true;
	size_t got;

	begin(f, KT_WRITE);
	assert_int_equal(kt_get(f->txn, "a", 1, &value), -ENOENT);
	assert_int_equal(kt_contains(f->txn, "a", 1, &contains), 0);
	assert_false(contains);
	assert_int_equal(kt_stat(f->txn, "a", 1, &stat), -ENOENT);
	assert_int_equal(kt_delete(f->txn, "a", 1, 0), -ENOENT);
	assert_int_equal(kt_delete(f->txn, "a", 1, KT_MISSING_OK), 0);
	assert_int_equal(kt_read(f->txn, "a", 1, 0, &got, 1, &got), -ENOENT);
	assert_int_equal(kt_truncate(f->txn, "a", 1, 5), -ENOENT);
	assert_int_equal(kt_punch(f->txn, "a", 1, 0, 5), -ENOENT);
	assert_int_equal(kt_next_data(f->txn, "a", 1, 0, &begin_at, &end), -ENOENT);
	assert_int_equal(kt_set_attr(f->txn, "a", 1, "x", 1), -ENOENT);
	assert_int_equal(kt_set_mtime(f->txn, "a", 1, 1), -ENOENT);
	assert_int_equal(kt_move(f->txn, "a", 1, f->txn, "b", 1), -ENOENT);
	assert_int_equal(put(f->txn, "b", "still usable"), 0);
	commit(f);
}

/* Keys and blobs that are too long, values that end too far: refused, and nothing is harmed. */
static void limits(void **state)
{
	struct fixture *f = *state;
	static char key[KT_KEY_MAX + 1], blob[KT_ATTR_MAX + 1];
	struct kt_slice value;
	struct kt_entry_info stat;

	memset(key, 'k', sizeof(key));
	begin(f, KT_WRITE);
	assert_int_equal(kt_put(f->txn, key, KT_KEY_MAX + 1, "v", 1), -ENAMETOOLONG);
	assert_int_equal(kt_write(f->txn, key, KT_KEY_MAX + 1, 0, "v", 1), -ENAMETOOLONG);
	assert_int_equal(kt_put(f->txn, key, KT_KEY_MAX, "long", 4), 0);
	assert_int_equal(kt_put(f->txn, "", 0, "empty", 5), 0);
	assert_int_equal(kt_move(f->txn, "", 0, f->txn, key, KT_KEY_MAX + 1), -ENAMETOOLONG);
	assert_int_equal(kt_set_attr(f->txn, "", 0, blob, sizeof(blob)), -E2BIG);
	assert_int_equal(kt_put_entry(f->txn, "", 0, "", 0, blob, sizeof(blob), 1), -E2BIG);
	assert_int_equal(kt_set_attr(f->txn, "", 0, blob, KT_ATTR_MAX), 0);
	assert_int_equal(kt_write(f->txn, "", 0, UINT64_MAX, "v", 1), -EFBIG);
	assert_int_equal(kt_write(f->txn, "", 0, INT64_MAX, "v", 1), -EFBIG);
	assert_int_equal(kt_truncate(f->txn, "", 0, (uint64_t)INT64_MAX + 1), -EFBIG);
	commit(f);
	begin(f, KT_READ);
	assert_int_equal(kt_get(f->txn, key, KT_KEY_MAX, &value), 0);
	assert_int_equal(kt_get(f->txn, key, KT_KEY_MAX - 1, &value), -ENOENT);
	assert_int_equal(kt_get(f->txn, key, KT_KEY_MAX + 1, &value), -ENOENT);
	assert_int_equal(kt_stat(f->txn, "", 0, &stat), 0);
	assert_int_equal(stat.attr.size, KT_ATTR_MAX);
	assert_int_equal(stat.size, 5);
}

/* A value of no bytes is a value. */
static void empty_values(void **state)
{
	struct fixture *f = *state;
	struct kt_slice value = {"x", 1};
	char byte;
	size_t got = 9;

	begin(f, KT_WRITE);
	assert_int_equal(kt_put(f->txn, "a", 1, NULL, 0), 0);
	assert_int_equal(kt_get(f->txn, "a", 1, &value), 0);
	assert_int_equal(value.size, 0);
	assert_int_equal(kt_read(f->txn, "a", 1, 0, &byte, 1, &got), 0);
	assert_int_equal(got, 0);
	assert_int_equal(kt_write(f->txn, "b", 1, 0, "", 0), 0);
	assert_int_equal(kt_get(f->txn, "b", 1, &value), 0);
	assert_int_equal(value.size, 0);
	commit(f);
}

/* Version, mtime and blob of an entry change with what is said to change them. */
static void what_is_known(void **state)
{
	struct fixture *f = *state;
	struct kt_entry_info stat;

	begin(f, KT_WRITE);
	assert_int_equal(kt_put_entry(f->txn, "a", 1, "one", 3, "blob", 4, 12345), 0);
	commit(f);
	begin(f, KT_WRITE);
	assert_int_equal(kt_stat(f->txn, "a", 1, &stat), 0);
	assert_int_equal(stat.size, 3);
	assert_int_equal(stat.mtime_ns, 12345);
	assert_int_equal(stat.version, kt_txn_id(f->txn) - 1);
	assert_int_equal(kt_set_attr(f->txn, "a", 1, "other", 5), 0);
	assert_int_equal(kt_stat(f->txn, "a", 1, &stat), 0);
	assert_int_equal(stat.mtime_ns, 12345);
	assert_int_equal(stat.version, kt_txn_id(f->txn));
	assert_int_equal(put(f->txn, "a", "two!"), 0);
	assert_int_equal(kt_stat(f->txn, "a", 1, &stat), 0);
	assert_true(stat.mtime_ns != 12345);
	assert_int_equal(stat.attr.size, 5);
	assert_memory_equal(stat.attr.data, "other", 5);
	commit(f);
}

/* An entry moves with all it has, within a tree and between trees, over what was there. */
static void moving(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *nameless;
	static char large[50000];
	struct kt_slice value;
	struct kt_entry_info stat;

	memset(large, 'L', sizeof(large));
	begin(f, KT_WRITE);
	nameless = kt_tree(f->txn, KT_NAMELESS);
	assert_int_equal(kt_put_entry(nameless, "id", 2, large, sizeof(large), "blob", 4, 77), 0);
	assert_int_equal(put(f->txn, "target", "replaced"), 0);
	assert_int_equal(kt_move(nameless, "id", 2, f->txn, "target", 6), 0);
	assert_int_equal(kt_get(nameless, "id", 2, &value), -ENOENT);
	assert_int_equal(kt_move(f->txn, "target", 6, f->txn, "target", 6), 0);
	commit(f);
	begin(f, KT_READ);
	assert_int_equal(kt_get(f->txn, "target", 6, &value), 0);
	assert_int_equal(value.size, sizeof(large));
	assert_memory_equal(value.data, large, sizeof(large));
	assert_int_equal(kt_stat(f->txn, "target", 6, &stat), 0);
	assert_int_equal(stat.mtime_ns, 77);
	assert_int_equal(stat.attr.size, 4);
}

/* ---- large values ---------------------------------------------------------------------------- */

/* A value of a GiB that is mostly hole costs a few pages; its data are found, its holes are zeros.
 */
static void sparse_values(void **state)
{
	struct fixture *f = *state;
	const uint64_t gib = UINT64_C(1) << 30;
	struct kt_store_info info;
	struct kt_entry_info stat;
	uint64_t from, to;
	char bytes[8192];
	size_t got;

	begin(f, KT_WRITE);
	assert_int_equal(put(f->txn, "a", "begin"), 0);
	assert_int_equal(kt_truncate(f->txn, "a", 1, gib), 0);
	assert_int_equal(kt_write(f->txn, "a", 1, gib / 2, "middle", 6), 0);
	commit(f);
	begin(f, KT_WRITE);
	assert_int_equal(kt_stat(f->txn, "a", 1, &stat), 0);
	assert_int_equal(stat.size, gib);
	assert_true(stat.stored <= 3 * 4096);
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_true(info.pages < 100);
	assert_int_equal(kt_next_data(f->txn, "a", 1, 0, &from, &to), 0);
	assert_int_equal(from, 0);
	assert_int_equal(to, 4096);
	assert_int_equal(kt_next_data(f->txn, "a", 1, to, &from, &to), 0);
	assert_int_equal(from, gib / 2);
	assert_int_equal(to, gib / 2 + 4096);
	assert_int_equal(kt_next_data(f->txn, "a", 1, to, &from, &to), -ENXIO);
	assert_int_equal(kt_read(f->txn, "a", 1, gib / 2 - 4096, bytes, 8192, &got), 0);
	assert_int_equal(got, 8192);
	assert_int_equal(bytes[0], 0);
	assert_memory_equal(bytes + 4096, "middle", 6);
	assert_int_equal(kt_read(f->txn, "a", 1, gib - 3, bytes, 8192, &got), 0);
	assert_int_equal(got, 3);
	assert_int_equal(kt_punch(f->txn, "a", 1, 0, gib), 0);
	assert_int_equal(kt_next_data(f->txn, "a", 1, 0, &from, &to), -ENXIO);
	assert_int_equal(kt_stat(f->txn, "a", 1, &stat), 0);
	assert_int_equal(stat.size, gib);
	assert_int_equal(stat.stored, 0);
	commit(f);
}

/* A view of a reader stays what it was while others write, to the end of the transaction. */
static void views_last(void **state)
{
	struct fixture *f = *state;
	static char old[40000], new[40000];
	struct kt_slice value;
	struct kt_txn *reader;

	memset(old, 'o', sizeof(old));
	memset(new, 'n', sizeof(new));
	begin(f, KT_WRITE);
	assert_int_equal(kt_put(f->txn, "a", 1, old, sizeof(old)), 0);
	commit(f);
	assert_int_equal(kt_begin(f->store, KT_READ, &reader), 0);
	assert_int_equal(kt_get(reader, "a", 1, &value), 0);
	for (int i = 0; i < 50; i++) {
		begin(f, KT_WRITE);
		assert_int_equal(kt_put(f->txn, "a", 1, new, sizeof(new)), 0);
		assert_int_equal(kt_commit(f->txn, KT_FLUSH), 0);
		f->txn = NULL;
	}
	assert_int_equal(value.size, sizeof(old));
	assert_memory_equal(value.data, old, sizeof(old));
	kt_abort(reader);
}

/* Writing to the part of a block that is right would hide, under a new checksum, the part that is
 * not. A large value takes another way than a small one. */
static void assert_rot_stays(struct fixture *f, size_t size)
{
	begin(f, KT_WRITE);
	assert_int_equal(kt_write(f->txn, "a", 1, 8192, "x", 1), -EBADMSG);
	assert_int_equal(kt_commit(f->txn, 0), -EBADMSG);
	begin(f, KT_WRITE);
	assert_int_equal(kt_write(f->txn, "a", 1, size + 200000, "x", 1), 0);
	assert_int_equal(kt_write(f->txn, "a", 1, 8192, "x", 1), -EBADMSG);
	drop(f);
}

/* A handle that has not met the rotten block of the value at 9000 yet does not give it out. */
static void assert_met_anew(struct fixture *f)
{
	static char buf[20000];
	struct kt_store *other;
	struct kt_slice value;
	struct kt_txn *txn;
	size_t got;

	assert_int_equal(kt_open(f->temp.path, NULL, &other), 0);
	assert_int_equal(kt_begin(other, KT_READ, &txn), 0);
	assert_int_equal(kt_read(txn, "a", 1, 0, buf, 8192, &got), 0);
	assert_int_equal(kt_read(txn, "a", 1, 8192, buf, 4096, &got), -EBADMSG);
	assert_int_equal(kt_read(txn, "a", 1, 9500, buf, 10, &got), -EBADMSG);
	assert_int_equal(kt_read(txn, "a", 1, 100, buf, 10000, &got), -EBADMSG);
	assert_int_equal(kt_read(txn, "a", 1, 12288, buf, 7712, &got), 0);
	assert_int_equal(kt_get(txn, "a", 1, &value), -EBADMSG);
	kt_abort(txn);
	assert_int_equal(kt_close(other), 0);
}

/* A flipped byte of a value's block is -EBADMSG for all that read it: when a handle first meets the
 * block, and each time with KT_VERIFY; and a finding of kt_check(). */
static void verified_values(void **state)
{
	struct fixture *f = *state;
	static char data[20000];
	char byte[8] = "evidence";
	struct kt_slice value;
	uint64_t findings;
	off_t at;
	int fd;

	memset(data, 'd', sizeof(data));
	memcpy(data + 9000, byte, sizeof(byte));
	begin(f, KT_WRITE);
	assert_int_equal(kt_put(f->txn, "a", 1, data, sizeof(data)), 0);
	commit(f);
	assert_int_equal(kt_flush(f->store), 0);
	fd = open(f->temp.path, O_RDWR);
	for (at = 0; pread(fd, byte, 8, at) == 8 && memcmp(byte, "evidence", 8) != 0;)
		at++;
	assert_int_equal(pwrite(fd, "E", 1, at), 1);
	begin(f, KT_READ | KT_VERIFY);
	assert_int_equal(kt_get(f->txn, "a", 1, &value), -EBADMSG);
	assert_non_null(strstr(kt_strerror(f->store, -EBADMSG), "checksum mismatch: page "));
	drop(f);
	begin(f, KT_READ); /* this handle has written the block itself */
	assert_int_equal(kt_get(f->txn, "a", 1, &value), 0);
	drop(f);
	assert_met_anew(f);
	assert_int_equal(kt_check(f->store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 1);
	assert_rot_stays(f, sizeof(data));
	assert_int_equal(pwrite(fd, "e", 1, at), 1);
	close(fd);
	assert_int_equal(kt_check(f->store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 0);
}

/* How far a check is, until it is to stop. */
struct steps {
	unsigned count, stop_at; /* 0: never */
	uint64_t done;
};

static int step(void *arg, uint64_t done)
{
	struct steps *steps = arg;

	assert_true(done > steps->done);
	steps->done = done;
	return ++steps->count == steps->stop_at ? -ECANCELED : 0;
}

/* A check tells how far it is, at each MiB of a value, once for all snapshots that share it; and
 * ends when it is told to, without a word on what it has not seen. */
static void checked_in_steps(void **state)
{
	struct fixture *f = *state;
	const size_t size = 5 << 20;
	char *data = calloc(1, size);
	struct steps all = {0}, some = {.stop_at = 2};
	uint64_t findings = 7;

	assert_non_null(data);
	begin(f, KT_WRITE);
	assert_int_equal(kt_put(f->txn, "a", 1, data, size), 0);
	commit(f);
	free(data);
	assert_int_equal(kt_check_steps(f->store, NULL, step, &some, &findings), -ECANCELED);
	assert_int_equal(some.count, 2);
	assert_int_equal(findings, 7);
	assert_int_equal(kt_check_steps(f->store, NULL, step, &all, &findings), 0);
	assert_int_equal(findings, 0);
	assert_int_equal(all.done, size);
	assert_int_equal(kt_snapshot_create(f->store, "one"), 0);
	all = (struct steps){0};
	assert_int_equal(kt_check_steps(f->store, NULL, step, &all, &findings), 0);
	assert_int_equal(findings, 0);
	assert_int_equal(all.done, size);
}

/* ---- cursors --------------------------------------------------------------------------------- */

static void in_another_commit(struct fixture *f, const char *key, const char *value)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	assert_int_equal(put(txn, key, value), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
}

/* A reader is moved to exactly the commit that a transaction made; a failed one leaves it. */
static void moving_readers(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *reader;
	struct kt_slice value;
	uint64_t id;

	in_another_commit(f, "a", "1");
	assert_int_equal(kt_begin(f->store, KT_READ, &reader), 0);
	in_another_commit(f, "a", "2");
	begin(f, KT_WRITE);
	assert_int_equal(put(f->txn, "b", "3"), 0);
	id = kt_txn_id(f->txn);
	assert_int_equal(kt_commit_to(f->txn, 0, reader), 0);
	in_another_commit(f, "a", "4");
	assert_int_equal(kt_txn_id(reader), id);
	assert_value(reader, "a", "2");
	assert_value(reader, "b", "3");

	begin(f, KT_WRITE); /* changes nothing */
	assert_int_equal(kt_commit_to(f->txn, 0, reader), 0);
	assert_int_equal(kt_txn_id(reader), id + 1);
	assert_value(reader, "a", "4");
	for (int i = 0; i < 20; i++) /* it is protected there, too */
		in_another_commit(f, "a", "5");
	assert_value(reader, "a", "4");

	begin(f, KT_READ);
	assert_int_equal(kt_commit_to(f->txn, 0, reader), 0);
	f->txn = NULL;
	assert_value(reader, "a", "4");
	kt_abort(reader);
	assert_int_equal(kt_begin(f->store, KT_READ, &reader), 0);
	assert_int_equal(kt_get(reader, "a", 1, &value), 0);
	assert_memory_equal(value.data, "5", 1);
	kt_abort(reader);
}

/* The keys a cursor shows, in one string; both ways it shows the same. */
static void walk(struct kt_cursor *cursor, char *keys, size_t size)
{
	char back[200];
	size_t at = 0, end = sizeof(back) - 1;
	int err;

	for (err = kt_cursor_first(cursor); !err; err = kt_cursor_next(cursor)) {
		struct kt_slice key = kt_cursor_key(cursor);

		assert_true(at + key.size + 2 < size);
		memcpy(keys + at, key.data, key.size);
		at += key.size;
		keys[at++] = ' ';
	}
	keys[at] = '\0';
	assert_int_equal(err, -ENOENT);
	assert_int_equal(kt_cursor_next(cursor), -ENOENT);
	back[end] = '\0';
	for (err = kt_cursor_last(cursor); !err; err = kt_cursor_prev(cursor)) {
		struct kt_slice key = kt_cursor_key(cursor);

		back[--end] = ' ';
		end -= key.size;
		memcpy(back + end, key.data, key.size);
	}
	assert_int_equal(err, -ENOENT);
	assert_int_equal(kt_cursor_prev(cursor), -ENOENT);
	assert_string_equal(back + end, keys);
}

/* Bounds: prefixes, also of 0xff, and half-open ranges, also empty ones. */
static void bounds(void **state)
{
	static const char *const keys[] = {
		"", "a", "a-", "a/", "a/b", "a0", "b", "\xfe", "\xff", "\xff\xff", "\xff\xffy"};
	static const struct {
		bool prefix;
		const char *from, *to;
		const char *expected;
	} cases[] = {
		{true, "", NULL, " a a- a/ a/b a0 b \xfe \xff \xff\xff \xff\xffy "},
		{true, "a", NULL, "a a- a/ a/b a0 "},
		{true, "a/", NULL, "a/ a/b "},
		{true, "a/b", NULL, "a/b "},
		{true, "c", NULL, ""},
		{true, "\xff", NULL, "\xff \xff\xff \xff\xffy "},
		{true, "\xff\xff", NULL, "\xff\xff \xff\xffy "},
		{true, "\xff\xff\xff", NULL, ""},
		{true, "\xfe", NULL, "\xfe "},
		{false, NULL, NULL, " a a- a/ a/b a0 b \xfe \xff \xff\xff \xff\xffy "},
		{false, "a/", "b", "a/ a/b a0 "},
		{false, "a.", "a0", "a/ a/b "},
		{false, NULL, "a-", " a "},
		{false, "b", NULL, "b \xfe \xff \xff\xff \xff\xffy "},
		{false, "b", "b", ""},
		{false, "b", "a", ""},
		{false, "c", "d", ""},
		{false, "", "", ""},
		{false, "", "a", " "},
		{false, "\xff\xff\xff", NULL, ""},
	};
	struct fixture *f = *state;
	struct kt_cursor *cursor;
	char shown[200];

	begin(f, KT_WRITE);
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	walk(cursor, shown, sizeof(shown));
	assert_string_equal(shown, "");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_int_equal(put(f->txn, keys[i], keys[i]), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *from = cases[i].from, *to = cases[i].to;

		if (cases[i].prefix)
			assert_int_equal(kt_cursor_set_prefix(cursor, from, strlen(from)), 0);
		else
			assert_int_equal(kt_cursor_set_range(cursor, from, from ? strlen(from) : 0,
						 to, to ? strlen(to) : 0),
				0);
		walk(cursor, shown, sizeof(shown));
		assert_string_equal(shown, cases[i].expected);
	}
	kt_cursor_close(cursor);
	drop(f);
}

/* Seeking goes to the key or the next one, never out of the bounds. */
static void seeking(void **state)
{
	struct fixture *f = *state;
	struct kt_cursor *cursor;
	struct kt_slice value;

	begin(f, KT_WRITE);
	for (const char *key = "bdfh"; *key != '\0'; key++)
		assert_int_equal(kt_put(f->txn, key, 1, key, 1), 0);
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	assert_int_equal(kt_cursor_value(cursor, &value), -ENOENT);
	assert_int_equal(kt_cursor_seek(cursor, "d", 1), 0);
	assert_memory_equal(kt_cursor_key(cursor).data, "d", 1);
	assert_int_equal(kt_cursor_seek(cursor, "e", 1), 0);
	assert_memory_equal(kt_cursor_key(cursor).data, "f", 1);
	assert_int_equal(kt_cursor_seek(cursor, "i", 1), -ENOENT);
	assert_int_equal(kt_cursor_prev(cursor), 0);
	assert_memory_equal(kt_cursor_key(cursor).data, "h", 1);
	assert_int_equal(kt_cursor_set_range(cursor, "c", 1, "g", 1), 0);
	assert_int_equal(kt_cursor_seek(cursor, "a", 1), 0);
	assert_memory_equal(kt_cursor_key(cursor).data, "d", 1);
	assert_int_equal(kt_cursor_seek(cursor, "g", 1), -ENOENT);
	assert_int_equal(kt_cursor_prev(cursor), 0);
	assert_memory_equal(kt_cursor_key(cursor).data, "f", 1);
	kt_cursor_close(cursor);
	drop(f);
}

/* A cursor goes on from its key while the tree changes under it, whether the key still exists. */
static void changing_trees(void **state)
{
	struct fixture *f = *state;
	struct kt_cursor *cursor;
	struct kt_slice value;
	char key[16];
	unsigned count = 0;

	begin(f, KT_WRITE);
	for (unsigned i = 0; i < 2000; i++)
		assert_int_equal(
			kt_put(f->txn, key, (size_t)snprintf(key, sizeof(key), "%06u", i), "v", 1),
			0);
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	while (kt_cursor_next(cursor) == 0) { /* delete each, put some before and behind */
		memcpy(key, kt_cursor_key(cursor).data, 6);
		assert_int_equal(kt_delete(f->txn, key, 6, 0), 0);
		assert_int_equal(kt_cursor_value(cursor, &value), -ENOENT);
		assert_int_equal(put(f->txn, "!", "before"), 0);
		count++;
	}
	assert_int_equal(count, 2000);
	assert_int_equal(kt_cursor_prev(cursor), 0);
	assert_int_equal(kt_cursor_key(cursor).size, 1);
	kt_cursor_close(cursor);
	commit(f);
}

/* ---- facts ----------------------------------------------------------------------------------- */

/* kt_info() counts entries, bytes, readers, and what is durable. */
static void facts(void **state)
{
	struct fixture *f = *state;
	struct kt_store_info info, later;

	begin(f, KT_WRITE);
	assert_int_equal(put(f->txn, "abc", "12345"), 0);
	assert_int_equal(put(f->txn, "d", ""), 0);
	assert_int_equal(put(kt_tree(f->txn, KT_DIRECTORIES), "not counted", ""), 0);
	commit(f);
	begin(f, KT_READ);
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.entries, 2);
	assert_int_equal(info.key_bytes, 4);
	assert_int_equal(info.value_bytes, 5);
	assert_int_equal(info.page_size, 4096);
	assert_int_equal(info.depth, 1);
	assert_int_equal(info.readers, 1);
	assert_int_equal(info.oldest_reader, info.txn);
	assert_true(info.durable_txn <= info.txn);
	assert_true(info.disk_size >= info.disk_free);
	assert_int_equal(kt_flush(f->store), 0);
	assert_int_equal(kt_info(f->store, &later), 0);
	assert_int_equal(later.durable_txn, info.txn);
	assert_memory_equal(later.id, info.id, sizeof(info.id));
	drop(f);
}

/* Keys that each begin with the one before, up to the longest, make no deep tree. */
static void nested_keys(void **state)
{
	struct fixture *f = *state;
	static char key[KT_KEY_MAX];
	struct kt_store_info info;
	uint64_t findings;

	memset(key, 'k', sizeof(key));
	begin(f, KT_WRITE);
	for (size_t size = 2; size <= sizeof(key); size += 2)
		assert_int_equal(kt_put(f->txn, key, size, "v", 1), 0);
	assert_int_equal(kt_commit(f->txn, 0), 0);
	f->txn = NULL;
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.entries, sizeof(key) / 2);
	assert_true(info.depth <= 5);
	assert_int_equal(kt_check(f->store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_FILE(names_and_words), /* before any of them leaves a note */
		cmocka_unit_test_setup_teardown(opening, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			opening_writes_nothing, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(permissions, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(other_formats, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(damaged_files, fixture_setup, fixture_teardown),

		FIXTURE_FILE(verified_values),
		FIXTURE_FILE(checked_in_steps),
		FIXTURE_BOTH(open_transactions),
		FIXTURE_BOTH(moving_readers),
		FIXTURE_BOTH(numbers),
		FIXTURE_BOTH(reading_only),
		FIXTURE_BOTH(fresh_readers),
		FIXTURE_BOTH(ids),
		FIXTURE_BOTH(missing_keys),
		FIXTURE_BOTH(limits),
		FIXTURE_BOTH(empty_values),
		FIXTURE_BOTH(what_is_known),
		FIXTURE_BOTH(moving),
		FIXTURE_BOTH(sparse_values),
		FIXTURE_BOTH(views_last),
		FIXTURE_BOTH(bounds),
		FIXTURE_BOTH(seeking),
		FIXTURE_BOTH(changing_trees),
		FIXTURE_BOTH(facts),
		FIXTURE_BOTH(nested_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
