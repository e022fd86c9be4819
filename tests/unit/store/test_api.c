/* The rules of keytree.h that hold for all calls: options and structs that grow, unknown flags,
 * views, and errors in words. */
#include "tests/unit/fixture.h"

#include "keytree_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNKNOWN (1u << 20)

static void assert_error(const struct kt_store *store, int err, const char *words)
{
	const char *text = kt_strerror(store, err);

	if (strstr(text, words) == NULL)
		fail_msg("'%s' does not say '%s'", text, words);
}

static struct kt_txn *begin(struct fixture *f, unsigned flags)
{
	assert_int_equal(kt_begin(f->store, flags, &f->txn), 0);
	return f->txn;
}

static void drop(struct fixture *f)
{
	assert_int_equal(kt_abort(f->txn), 0);
	f->txn = NULL;
}

/* The library that a program runs with tells its version. */
static void version(void **state)
{
	char text[32];

	(void)state;
	snprintf(text, sizeof(text), "%d.%d.%d", KT_VERSION_MAJOR, KT_VERSION_MINOR,
		KT_VERSION_PATCH);
	assert_string_equal(KT_VERSION, text);
	assert_string_equal(kt_version(), text);
}

/* Options are used: permission bits, name and largest size. */
static void options(void **state)
{
	struct fixture *f = *state;
	struct kt_store_info info;
	struct stat stat;
	mode_t mask = umask(0);

	assert_int_equal(kt_open(f->temp.path,
				 KT_OPTIONS(.flags = KT_CREATE, .mode = 0640, .name = "cells",
					 .max_size = 1 << 20),
				 &f->store),
		0);
	umask(mask);
	assert_int_equal(lstat(f->temp.path, &stat), 0);
	assert_int_equal(stat.st_mode & 07777, 0640);
	assert_string_equal(kt_name(f->store), "cells");
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.max_size, 1 << 20);
}

/* Without options the defaults hold: the store must exist, and has the name of its file. */
static void no_options(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(kt_open(f->temp.path, NULL, &f->store), -ENOENT);
	assert_int_equal(kt_open(f->temp.path, KT_OPTIONS(.flags = KT_CREATE), &f->store), 0);
	assert_int_equal(strncmp(kt_name(f->store), "file:", 5), 0);
}

/* A newer caller's options may be longer, if what is added is zero. Other sizes are refused. */
static void options_that_grow(void **state)
{
	struct fixture *f = *state;
	struct {
		struct kt_open_options known;
		uint64_t more;
	} newer = {.known = {.size = sizeof(newer), .flags = KT_CREATE}, .more = 1};

	assert_int_equal(kt_open(f->temp.path, &newer.known, &f->store), -EINVAL);
	assert_error(NULL, -EINVAL, "newer version");
	newer.known.size = 0;
	assert_int_equal(kt_open(f->temp.path, &newer.known, &f->store), -EINVAL);
	assert_error(NULL, -EINVAL, "kt_open_options.size is not set");
	assert_int_equal(access(f->temp.path, F_OK), -1);
	newer.known.size = sizeof(newer);
	newer.more = 0;
	assert_int_equal(kt_open(f->temp.path, &newer.known, &f->store), 0);
}

/* What a call returns in a struct fits the caller's, older or newer. */
static void structs_that_grow(void **state)
{
	struct fixture *f = *state;
	struct {
		struct kt_entry_info known;
		uint64_t more;
	} newer = {.more = 1};
	struct kt_store_info info = {.entries = 77};
	struct kt_cursor *cursor;
	uint64_t size = 7, older[2] = {7, 7};

	begin(f, KT_WRITE);
	assert_int_equal(kt_put(f->txn, "a", 1, "value", 5), 0);
	assert_int_equal(
		kt_stat_sized(f->txn, "a", 1, (struct kt_entry_info *)&older, sizeof(size)), 0);
	assert_int_equal(older[0], 5);
	assert_int_equal(older[1], 7);
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	assert_null(kt_cursor_key(cursor).data);
	assert_int_equal(kt_cursor_key(cursor).size, 0);
	assert_int_equal(kt_cursor_first(cursor), 0);
	assert_int_equal(kt_cursor_stat_sized(cursor, &newer.known, sizeof(newer)), 0);
	kt_cursor_close(cursor);
	assert_int_equal(newer.known.size, 5);
	assert_int_equal(newer.more, 0);
	assert_int_equal(kt_info_sized(f->store, &info, sizeof(info.txn)), 0);
	assert_int_equal(info.entries, 77);
}

/* No call takes a flag that it does not know for nothing. */
static void unknown_flags(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *collection;
	struct kt_waiter *waiter;
	struct kt_store *store;
	struct kt_txn *txn;

	assert_int_equal(kt_open("x", KT_OPTIONS(.flags = UNKNOWN), &store), -EINVAL);
	assert_error(NULL, -EINVAL, "unknown flags 0x100000");
	assert_int_equal(kt_open("x", KT_OPTIONS(.mode = 01600), &store), -EINVAL);
	assert_int_equal(kt_begin(f->store, UNKNOWN, &txn), -EINVAL);
	assert_int_equal(kt_waiter_open(f->store, UNKNOWN, &waiter), -EINVAL);
	assert_int_equal(kt_collection_open(f->store, "c", 1, UNKNOWN, &collection), -EINVAL);
	assert_int_equal(kt_apply(f->store, -1, UNKNOWN, NULL, NULL), -EINVAL);
	begin(f, KT_WRITE);
	assert_int_equal(kt_delete(f->txn, "a", 1, UNKNOWN | KT_MISSING_OK), -EINVAL);
	assert_int_equal(kt_put(f->txn, "a", 1, "1", 1), 0);
	assert_int_equal(kt_commit(f->txn, UNKNOWN), -EINVAL);
	begin(f, KT_READ);
	assert_int_equal(kt_get(f->txn, "a", 1, &(struct kt_slice){0}), -ENOENT);
	assert_int_equal(kt_backup(f->txn, "x", UNKNOWN, NULL, NULL), -EINVAL);
	assert_int_equal(kt_backup_since(f->txn, f->txn, "x", UNKNOWN, NULL, NULL), -EINVAL);
	drop(f);
}

/* A view of a transaction, a collection or a tree, does not end it; what was begun does. */
static void views(void **state)
{
	struct fixture *f = *state;
	struct kt_collection *collection;
	struct kt_txn *view;

	assert_int_equal(kt_collection_open(f->store, "c", 1, KT_CREATE, &collection), 0);
	begin(f, KT_WRITE);
	assert_int_equal(kt_collection_view(collection, f->txn, &view), 0);
	assert_int_equal(kt_put(view, "a", 1, "1", 1), 0);
	assert_int_equal(kt_commit(view, 0), -EINVAL);
	assert_error(kt_txn_store(view), -EINVAL, "commit or abort the transaction itself");
	assert_int_equal(kt_abort(view), -EINVAL);
	assert_int_equal(kt_commit(kt_tree(f->txn, KT_DIRECTORIES), 0), -EINVAL);
	assert_int_equal(kt_commit(f->txn, 0), 0);

	assert_int_equal(kt_collection_begin(collection, KT_READ, &f->txn), 0);
	assert_int_equal(kt_get(f->txn, "a", 1, &(struct kt_slice){0}), 0);
	assert_int_equal(kt_abort(kt_tree(f->txn, KT_ENTRIES)), -EINVAL);
	drop(f);
	kt_collection_close(collection);
}

/* Errors are said in the words of the call, with the store's name; a transaction suffices. */
static void words(void **state)
{
	struct fixture *f = *state;
	static char key[5000];

	begin(f, KT_WRITE);
	assert_int_equal(kt_get(f->txn, "a", 1, &(struct kt_slice){0}), -ENOENT);
	assert_ptr_equal(kt_txn_store(f->txn), f->store);
	assert_error(kt_txn_store(f->txn), -ENOENT, "no such key");
	assert_error(kt_txn_store(f->txn), -ENOENT, kt_name(f->store));
	assert_int_equal(kt_put(f->txn, key, sizeof(key), "", 0), -ENAMETOOLONG);
	assert_error(f->store, -ENAMETOOLONG, "key too long (5000 bytes, at most 4096)");
	assert_error(f->store, -ETIMEDOUT, "timed out");
	drop(f);
	begin(f, KT_READ);
	assert_int_equal(kt_put(f->txn, "a", 1, "", 0), -EROFS);
	assert_error(f->store, -EROFS, "the transaction is for reading only");
	drop(f);
}

/* A store that is opened for reading says so when it is to be written. */
static void words_of_a_reader(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open(f->temp.path, KT_OPTIONS(.flags = KT_READONLY), &f->store), 0);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &f->txn), -EROFS);
	assert_error(f->store, -EROFS, "opened for reading only");
	f->txn = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version),
		cmocka_unit_test_setup_teardown(options, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(no_options, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(options_that_grow, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			structs_that_grow, fixture_setup_memory, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			unknown_flags, fixture_setup_file, fixture_teardown),
		cmocka_unit_test_setup_teardown(views, fixture_setup_memory, fixture_teardown),
		cmocka_unit_test_setup_teardown(words, fixture_setup_memory, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			words_of_a_reader, fixture_setup_file, fixture_teardown),
	};

	return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
