/* Opening stores: what is refused, what is written, names and errors. */
#include "tests/unit/fixture.h"

#include "keytree_fs.h"

#include "store/format.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

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
	fixture_begin(f, KT_WRITE);
	assert_int_equal(fixture_put(f->txn, "a", "1"), 0);
	fixture_commit(f);
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

/* A store is closed when kt_close() returns, though the child of a fork still has its descriptors. */
static void closed_beside_a_child(void **state)
{
	struct fixture *f = *state;
	int ends[2], status;
	char byte;
	pid_t pid;

	assert_int_equal(kt_open(f->temp.path, KT_OPTIONS(.flags = KT_CREATE), &f->store), 0);
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) != 0 || kt_close(f->store) != 0);
	}
	close(ends[0]);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(try_open(f->temp.path, KT_ALONE), 0);
	assert_int_equal(kt_open(f->temp.path, KT_OPTIONS(.flags = KT_ALONE), &f->store), 0);
	close(ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(try_open(f->temp.path, 0), -EBUSY);
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
	fixture_begin(f, KT_READ);
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
	struct kt_store *other;
	struct kt_txn *txn;

	snprintf(expected, sizeof(expected), "file:%s", f->temp.path);
	assert_string_equal(kt_name(f->store), expected);
	strcat(expected, ": No such file or directory");
	assert_string_equal(kt_strerror(f->store, -ENOENT), expected);
	assert_int_equal(kt_open_memory("cache", &memory), 0);
	assert_string_equal(kt_name(memory), "memory:cache");
	assert_string_equal(kt_strerror(memory, -EUCLEAN), "memory:cache: the store is damaged");
	assert_string_equal(kt_strerror(NULL, -EMEDIUMTYPE), "not a keytree store");
	assert_non_null(strstr(kt_strerror(NULL, -123456), "unknown error"));
	/* What could not be opened is named; the note is of that error alone. */
	assert_int_equal(kt_open("/nowhere/app.kt", NULL, &other), -ENOENT);
	assert_string_equal(
		kt_strerror(NULL, -ENOENT), "/nowhere/app.kt: No such file or directory");
	assert_string_equal(kt_strerror(NULL, -EACCES), "Permission denied");
	assert_int_equal(kt_begin(f->store, 0xf0, &txn), -EINVAL);
	assert_non_null(strstr(kt_strerror(NULL, -EINVAL), "unknown flags 0xf0"));
	assert_int_equal(kt_begin(f->store, KT_READ, &txn), 0);
	assert_null(strstr(kt_strerror(NULL, -EINVAL), "unknown flags"));
	assert_int_equal(kt_backup(txn, "/nowhere/copy.kt", 0, NULL, NULL), -ENOENT);
	assert_string_equal(
		kt_strerror(NULL, -ENOENT), "/nowhere/copy.kt: No such file or directory");
	assert_int_equal(kt_get(txn, "k", 1, &(struct kt_slice){NULL, 0}), -ENOENT);
	assert_string_equal(kt_strerror(NULL, -ENOENT), "no such key");
	kt_abort(txn);
	assert_int_equal(kt_close(memory), 0);
	assert_int_equal(kt_close(NULL), 0);
	kt_abort(NULL);
	kt_cursor_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_FILE(names_and_words), /* before any of them leaves a note */
		cmocka_unit_test_setup_teardown(opening, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			opening_writes_nothing, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(permissions, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			closed_beside_a_child, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(other_formats, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(damaged_files, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests_name("open", tests, NULL, NULL);
}
