/* Listing directories whose keys have unusual names, long names, or another separator. */
#include "tests/unit/weird.h"
#include "tests/unit/world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* Keys whose components have unusual names: empty ones, dots, text like an escape, pieces. */
static void test_list_names(void **state)
{
	struct world *w = *state;
	char key[600], path[600];

	WORLD_PUT(w, "", "/", "//x", ".", "../a", "%value", "%00");
	assert_string_equal(world_list(w, ""), "%2500 %25value %2E %2E%2E/ %empty/");
	assert_string_equal(world_list(w, "%empty"), "%value %empty/");
	assert_string_equal(world_list(w, "%empty/%empty"), "%value x");

	memset(key, 'y', sizeof(key));
	strcpy(key + 260, "/k");
	memset(path, 'y', sizeof(path));
	strcpy(path + 253, "%+/yyyyyyy/k");
	world_put(w, key, "v");
	assert_string_equal(world_read(w, path), "v");
	path[255] = '\0';
	assert_string_equal(world_list(w, path), "yyyyyyy/");
}

/* A piece is listed once, though other names stand between its keys, and has its own keys only. */
static void test_list_pieces(void **state)
{
	struct world *w = *state;
	char key[4][300], piece[256], expected[2000];

	for (int i = 0; i < 4; i++)
		memset(key[i], 'z', sizeof(key[i]));
	strcpy(key[0] + 253, "");      /* a name as it is */
	strcpy(key[1] + 253, "aaa");   /* in the piece */
	strcpy(key[2] + 253, "b");     /* a name as it is */
	strcpy(key[3] + 253, "ccc/d"); /* in the piece */
	WORLD_PUT(w, key[0], key[1], key[2], key[3]);
	snprintf(piece, sizeof(piece), "%.253s%%+", key[0]);
	snprintf(expected, sizeof(expected), "%s %s/ %s", key[0], piece, key[2]);
	assert_string_equal(world_list(w, ""), expected);
	assert_string_equal(world_list(w, piece), "aaa ccc/");

	/* made, a piece stays without keys, until rmdir */
	world_delete(w, key[3]);
	snprintf(expected, sizeof(expected), "%s/aaa", piece);
	assert_int_equal(world_rmdir(w, piece), -ENOTEMPTY);
	assert_int_equal(world_unlink(w, expected), 0);
	assert_string_equal(world_list(w, piece), "");
	assert_int_equal(world_rmdir(w, piece), 0);
	assert_string_equal(world_list(w, piece), "ENOENT");
	assert_int_equal(world_mkdir(w, piece), 0);
	snprintf(expected, sizeof(expected), "%s/ %s %s", piece, key[0], key[2]);
	assert_string_equal(world_list(w, ""), expected);
	snprintf(expected, sizeof(expected), "%s/xxx", piece);
	assert_int_equal(world_write(w, expected, "1"), 0);
	assert_string_equal(world_list(w, piece), "xxx");
	snprintf(expected, sizeof(expected), "%s/x", piece);
	assert_int_equal(world_mkdir(w, expected), -EINVAL); /* 254 bytes are one name */
	assert_int_equal(world_rename(w, piece, "short"), -EXDEV);
	assert_int_equal(world_mkdir(w, "short"), 0);
	assert_int_equal(world_rename(w, "short", piece), -EXDEV);
}

/* Pieces that begin alike are different directories, though their keys are between each
 * other's: one piece is cut before an escape that would not fit, and another has other bytes
 * there. */
static void test_list_nested_pieces(void **state)
{
	static const char next[] = {'\0', '!', '0'}; /* "%00" and "%0!" and, of text, "%2500" */
	struct world *w = *state;
	char key[300], expected[700], piece[310];

	memset(key, 'x', sizeof(key));
	memcpy(key + 250, "%0", 2);
	memcpy(key + 253, "zzz", 4);
	for (int i = 0; i < 3; i++) {
		struct kt_txn *txn;

		key[252] = next[i];
		assert_int_equal(kt_begin(w->store, KT_WRITE, &txn), 0);
		assert_int_equal(kt_put(txn, key, 256, "", 0), 0);
		assert_int_equal(kt_commit(txn, 0), 0);
	}
	key[252] = '\0';
	snprintf(expected, sizeof(expected), "%s%%+/ %s!%%+/", key, key);
	assert_string_equal(world_list(w, ""), expected);
	snprintf(piece, sizeof(piece), "%s%%+", key);
	assert_string_equal(world_list(w, piece), "%00zzz 0zzz");
	snprintf(piece, sizeof(piece), "%s!%%+", key);
	assert_string_equal(world_list(w, piece), "zzz");
}

/* A made piece in a piece implies the first. */
static void test_list_made_pieces(void **state)
{
	struct world *w = *state;
	char first[260], second[600], expected[600];

	memset(first, 'x', sizeof(first));
	strcpy(first + 253, "%+");
	snprintf(second, sizeof(second), "%s/%s", first, first);
	assert_int_equal(world_mkdir(w, first), 0);
	assert_int_equal(world_mkdir(w, second), 0);
	assert_int_equal(world_rmdir(w, first), -ENOTEMPTY);
	snprintf(expected, sizeof(expected), "%s/", first);
	assert_string_equal(world_list(w, ""), expected);
	assert_string_equal(world_list(w, first), expected);
	assert_string_equal(world_list(w, second), "");
	assert_int_equal(world_rmdir(w, second), 0);
	assert_string_equal(world_list(w, first), "");
	assert_int_equal(world_rmdir(w, first), 0);
	assert_string_equal(world_list(w, ""), "");
}

/* The longest keys have paths like all others, and none longer can be made. */
static void test_longest_key(void **state)
{
	struct world *w = *state;
	char key[KT_KEY_MAX + 2], directory[KT_KEY_MAX + 2];
	struct fs_file *file;

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = i % 100 == 99 ? '/' : 'x';
	key[KT_KEY_MAX] = '\0';
	world_put(w, key, "1");
	assert_string_equal(world_read(w, key), "1");
	assert_int_equal(world_open_file(w, key, O_WRONLY, &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "2", 1), 0);
	assert_int_equal(world_close_file(w, file), 0);
	strcpy(directory, key);
	*strrchr(directory, '/') = '\0';
	assert_string_equal(world_list(w, directory), strrchr(key, '/') + 1);
	assert_int_equal(world_mkdir(w, key), -EEXIST);
	assert_int_equal(world_unlink(w, key), 0);
	assert_int_equal(world_mkdir(w, key), -ENAMETOOLONG);
	assert_int_equal(world_create(w, key, &file), 0);
	assert_string_equal(world_list(w, directory), strrchr(key, '/') + 1);
	assert_int_equal(world_close_file(w, file), 0);
	key[KT_KEY_MAX] = 'x';
	key[KT_KEY_MAX + 1] = '\0';
	assert_int_equal(world_create(w, key, &file), -ENAMETOOLONG);
	assert_int_equal(world_mkdir(w, key), -ENAMETOOLONG);
}

/* With another separator, that divides keys, and a '/' is a byte of a name. */
static void test_separator(void **state)
{
	struct world *w = *state;

	w->options.separator = '.';
	world_remount(w);
	WORLD_PUT(w, "app.name", "app.path/x.y", "a/b", "app", "app-");
	assert_string_equal(world_list(w, ""), "a%2Fb app- app/");
	assert_string_equal(world_list(w, "app"), "%value name path%2Fx/");
	assert_int_equal(world_write(w, "app/path%2Fx/new", "1"), 0);
	assert_int_equal(world_mkdir(w, "app/dir"), 0);
	assert_int_equal(world_mkdir(w, "a.b"), -EINVAL);
	assert_int_equal(world_rename(w, "app", "c"), 0);
	assert_string_equal(world_keys(w), "a/b= app-= c= c.name= c.path/x.new=1 c.path/x.y=");
	assert_string_equal(world_list(w, "c"), "%value dir/ name path%2Fx/");
}

/* The record of a directory that was made with one separator means no directory with another
 * one: it is not shown, is no piece, and goes with the directory that it implies. */
static void test_records_of_another_separator(void **state)
{
	struct world *w = *state;
	char name[NAMES_MAX + 1], piece[NAMES_MAX + 2];

	memset(name, 'x', 200);
	name[200] = '\0';
	memset(piece, 'x', 253);
	strcpy(piece + 253, "%+");
	assert_int_equal(world_mkdir(w, "plain"), 0);
	assert_int_equal(world_mkdir(w, "a.b"), 0);
	assert_int_equal(world_mkdir(w, name), 0);
	w->options.separator = '.';
	world_remount(w);
	assert_string_equal(world_list(w, ""), "a/");
	assert_string_equal(world_list(w, "a"), "");
	assert_int_equal(world_rmdir(w, "a"), 0);
	assert_string_equal(world_list(w, ""), "");
	assert_int_equal(world_mkdir(w, "dot"), 0);
	assert_int_equal(world_mkdir(w, piece), 0);
	w->options.separator = '/';
	world_remount(w);
	strcpy(piece + 253, "%+/");
	strcat(name, "/");
	assert_string_equal(world_list(w, "plain"), "");
	assert_non_null(strstr(world_list(w, ""), piece));
	assert_non_null(strstr(world_list(w, ""), name));
	assert_null(strstr(world_list(w, ""), "dot"));
	assert_null(strstr(world_list(w, ""), "a.b"));
}

/* Count the files in a directory and below it. */
static size_t count_files(struct world *w, const char *path)
{
	char *names = strdup(world_list(w, path)), *rest = names, *name, *below;
	size_t count = 0;

	assert_non_null(names);
	while ((name = strsep(&rest, " ")) != NULL) {
		size_t size = strlen(name);

		if (size == 0 || name[size - 1] != '/') {
			count += size > 0;
			continue;
		}
		name[size - 1] = '\0';
		assert_true(asprintf(&below, "%s%s%s", path, *path ? "/" : "", name) > 0);
		count += count_files(w, below);
		free(below);
	}
	free(names);
	return count;
}

static void delete_all(struct world *w)
{
	struct kt_cursor *cursor;
	struct kt_txn *txn;

	assert_int_equal(kt_begin(w->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_cursor_open(txn, &cursor), 0);
	while (kt_cursor_next(cursor) == 0) {
		struct kt_slice key = kt_cursor_key(cursor);

		assert_int_equal(kt_delete(txn, key.data, key.size, 0), 0);
	}
	kt_cursor_close(cursor);
	assert_int_equal(kt_commit(txn, 0), 0);
}

/* Random keys are listed where names.h says, each once, and nothing else is listed. */
static void test_list_weird(void **state)
{
	struct rng rng = rng_seed("fs: weird keys");
	struct world *w = *state;

	for (int round = 0; round < 20; round++) {
		struct kt_txn *txn;
		struct kt_store_info info;
		char key[600], path[NAMES_PATH_SIZE];

		for (int i = 0; i < 40; i++) {
			size_t size = weird_bytes(&rng, key, sizeof(key));

			/* a space would end a name in a listing */
			for (size_t at = 0; at < size; at++)
				key[at] = key[at] == ' ' ? '_' : key[at];
			assert_int_equal(kt_begin(w->store, KT_WRITE, &txn), 0);
			assert_int_equal(kt_put(txn, key, size, "v", 1), 0);
			assert_int_equal(kt_commit(txn, 0), 0);
			assert_int_equal(names_path_of_key('/', key, size, false, path), 0);
			if (!strcmp(world_read(w, path), "EISDIR"))
				strcat(path, "/%value");
			assert_string_equal(world_read(w, path), "v");
		}
		assert_int_equal(kt_info(w->store, &info), 0);
		assert_int_equal(count_files(w, ""), info.entries);
		delete_all(w);
	}
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, world_setup_memory, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_list_names),
		TEST(test_list_pieces),
		TEST(test_list_nested_pieces),
		TEST(test_list_made_pieces),
		TEST(test_list_weird),
		TEST(test_longest_key),
		TEST(test_separator),
		TEST(test_records_of_another_separator),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
