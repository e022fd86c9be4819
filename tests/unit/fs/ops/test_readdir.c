/* Directories: listings, made and implied ones, and what names in them can be done with. */
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

static void put_all(struct world *w, const char *const *keys)
{
	for (; *keys != NULL; keys++)
		world_put(w, *keys, "");
}

#define PUT(w, ...) put_all(w, (const char *const[]){__VA_ARGS__, NULL})

/* ---- listings -------------------------------------------------------------------------------- */

/* Names that sort before a '/' stand between a key and what is below it; each is listed once. */
static void test_list_order(void **state)
{
	struct world *w = *state;

	PUT(w, "a", "a!", "a-", "a-/x", "a/1", "a/2/3", "a0", "b!", "b/1", "c", "c-", "c.");
	assert_string_equal(world_list(w, ""), "a! a-/ a/ a0 b! b/ c c- c.");
	assert_string_equal(world_list(w, "a"), "%value 1 2/");
	assert_string_equal(world_list(w, "a-"), "%value x");
	assert_string_equal(world_list(w, "a/2"), "3");
}

/* Made directories are listed among those that keys imply, empty or not. */
static void test_list_made(void **state)
{
	struct world *w = *state;

	PUT(w, "b", "d/x", "f-");
	assert_int_equal(world_mkdir(w, "a"), 0);
	assert_int_equal(world_mkdir(w, "c"), 0);
	assert_int_equal(world_mkdir(w, "c/c"), 0);
	assert_int_equal(world_mkdir(w, "d/y"), 0);
	assert_int_equal(world_mkdir(w, "e"), 0);
	assert_int_equal(world_mkdir(w, "f"), 0);
	PUT(w, "e", "c/d");
	assert_string_equal(world_list(w, ""), "a/ b c/ d/ e/ f- f/");
	assert_string_equal(world_list(w, "a"), "");
	assert_string_equal(world_list(w, "c"), "c/ d");
	assert_string_equal(world_list(w, "d"), "x y/");
	assert_string_equal(world_list(w, "e"), "%value");
}

/* A record that is left of a directory below implies the one above. */
static void test_list_record_below(void **state)
{
	struct world *w = *state;
	struct stat stat;

	PUT(w, "a/x", "a");
	assert_int_equal(world_mkdir(w, "a/b"), 0);
	world_delete(w, "a/x");
	assert_string_equal(world_list(w, ""), "a/");
	assert_string_equal(world_list(w, "a"), "%value b/");
	assert_int_equal(world_stat(w, "a", &stat), 0);
	assert_true(S_ISDIR(stat.st_mode));
}

/* A collection that an application made is a directory while it is empty, and one that mkdir made
 * is a collection. */
static void test_collections(void **state)
{
	struct world *w = *state;
	struct kt_collection *c;
	struct stat stat;

	assert_int_equal(kt_collection_open(w->store, "made", 4, KT_CREATE, &c), 0);
	kt_collection_close(c);
	assert_string_equal(world_list(w, ""), "made/");
	assert_string_equal(world_list(w, "made"), "");
	assert_int_equal(world_stat(w, "made", &stat), 0);
	assert_int_equal(stat.st_mode, S_IFDIR | 0755);
	assert_int_equal(world_write(w, "made/f", "x"), 0);
	assert_int_equal(world_unlink(w, "made/f"), 0);
	assert_int_equal(world_rmdir(w, "made"), 0);
	assert_int_equal(kt_collection_open(w->store, "made", 4, 0, &c), -ENOENT);
	assert_int_equal(world_mkdir(w, "dir"), 0);
	assert_int_equal(kt_collection_open(w->store, "dir", 3, 0, &c), 0);
	kt_collection_close(c);
}

/* Keys whose components have unusual names: empty ones, dots, text like an escape, pieces. */
static void test_list_names(void **state)
{
	struct world *w = *state;
	char key[600], path[600];

	PUT(w, "", "/", "//x", ".", "../a", "%value", "%00");
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
	PUT(w, key[0], key[1], key[2], key[3]);
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

/* Pieces that begin alike are told apart, though their keys lie between each other's: of one, the
 * cut is before an escape that would not fit, which another byte in its place is not. */
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

/* Files that are in memory only are merged where they belong, and a key that is a directory by
 * then takes the file along as its value. */
static void test_list_unstored(void **state)
{
	static const char *const names[] = {"a", "c", "c-", "e", "d/n", "zz"};
	struct fs_file *files[6];
	struct world *w = *state;

	PUT(w, "b", "d/x", "d/y");
	for (int i = 0; i < 6; i++)
		assert_int_equal(world_create(w, names[i], &files[i]), 0);
	assert_string_equal(world_list(w, ""), "a b c c- d/ e zz");
	assert_string_equal(world_list(w, "d"), "n x y");
	PUT(w, "c/1", "e");
	assert_string_equal(world_list(w, ""), "a b c- c/ d/ e zz");
	assert_string_equal(world_list(w, "c"), "%value 1");
	for (int i = 0; i < 6; i++)
		assert_int_equal(world_close_file(w, files[i]), 0);
	assert_string_equal(world_list(w, ""), "a b c- c/ d/ e zz");
	assert_string_equal(world_keys(w), "a= b= c= c-= c/1= d/n= d/x= d/y= e= zz=");
}

struct half {
	struct world *world;
	char text[200];
	int left;
	off_t offset;
};

static bool take_some(void *arg, const char *name, const struct fs_entry *entry, off_t offset)
{
	struct half *half = arg;

	(void)entry;
	if (half->left-- == 0)
		return false;
	half->offset = offset;
	strcat(strcat(half->text, half->text[0] ? " " : ""), name);
	return true;
}

/* A listing goes on by name: what is made and removed meanwhile neither hides nor doubles others.
 * Another handle can go on where this one stopped, and one can go back. */
static void test_list_resumes(void **state)
{
	struct world *w = *state;
	struct half half = {.left = 5};
	struct fs_dir *dir, *other;

	PUT(w, "b", "d", "f", "h", "j");
	assert_int_equal(fs_opendir(w->fs, FS_ROOT, &dir), 0);
	assert_int_equal(fs_readdir(w->fs, dir, 0, false, take_some, &half), 0);
	assert_string_equal(half.text, ". .. b d f");
	PUT(w, "a", "c", "g");
	world_delete(w, "b");
	world_delete(w, "f");
	half.left = 2;
	assert_int_equal(fs_readdir(w->fs, dir, half.offset, false, take_some, &half), 0);
	assert_string_equal(half.text, ". .. b d f g h");
	fs_releasedir(w->fs, dir);

	assert_int_equal(fs_opendir(w->fs, FS_ROOT, &other), 0);
	half.left = 100;
	assert_int_equal(fs_readdir(w->fs, other, half.offset, false, take_some, &half), 0);
	assert_string_equal(half.text, ". .. b d f g h j");
	half.text[0] = '\0';
	half.left = 100;
	assert_int_equal(fs_readdir(w->fs, other, 4, false, take_some, &half), 0);
	assert_string_equal(half.text, "c d g h j");
	fs_releasedir(w->fs, other);
}

/* A handle goes on behind any entry that it has told, however far back, as seekdir() asks for. */
static void test_list_goes_back(void **state)
{
	struct world *w = *state;
	struct half half = {.left = 4};
	struct fs_dir *dir;
	off_t behind_d;

	PUT(w, "b", "d", "f", "h", "j");
	assert_int_equal(fs_opendir(w->fs, FS_ROOT, &dir), 0);
	assert_int_equal(fs_readdir(w->fs, dir, 0, false, take_some, &half), 0);
	assert_string_equal(half.text, ". .. b d");
	behind_d = half.offset;
	half.left = 2;
	assert_int_equal(fs_readdir(w->fs, dir, behind_d, false, take_some, &half), 0);
	assert_string_equal(half.text, ". .. b d f h");
	PUT(w, "a", "c", "e");
	world_delete(w, "f");
	half = (struct half){.left = 100};
	assert_int_equal(fs_readdir(w->fs, dir, behind_d, false, take_some, &half), 0);
	assert_string_equal(half.text, "e h j");
	fs_releasedir(w->fs, dir);
}

static bool count_name(void *arg, const char *name, const struct fs_entry *entry, off_t offset)
{
	(void)name;
	(void)entry;
	(void)offset;
	(*(size_t *)arg)++;
	return true;
}

static bool take_none(void *arg, const char *name, const struct fs_entry *entry, off_t offset)
{
	(void)arg;
	(void)name;
	(void)entry;
	return offset <= 3;
}

/* A directory with very many children, and children with very many keys below, is listed without
 * looking at what is not listed. */
static void test_list_many(void **state)
{
	const int children = 20000, below = 20000;
	struct world *w = *state;
	struct fs_entry entry;
	struct fs_dir *dir;
	struct kt_txn *txn;
	size_t count = 0;

	assert_int_equal(kt_begin(w->store, KT_WRITE, &txn), 0);
	for (int i = 0; i < children + below; i++) {
		char key[40];
		int size = i < children ? sprintf(key, "many/%08d", i)
					: sprintf(key, "deep/%d/%08d", i % 2, i);

		assert_int_equal(kt_put(txn, key, (size_t)size, "", 0), 0);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_string_equal(world_list(w, ""), "deep/ many/");
	assert_string_equal(world_list(w, "deep"), "0/ 1/");

	assert_int_equal(world_lookup(w, "many", &entry), 0);
	assert_int_equal(fs_opendir(w->fs, entry.node, &dir), 0);
	assert_int_equal(fs_readdir(w->fs, dir, 0, false, take_none, NULL), 0);
	assert_int_equal(fs_readdir(w->fs, dir, 0, false, count_name, &count), 0);
	assert_int_equal(count, children + 2);
	fs_releasedir(w->fs, dir);
	world_forget(w, &entry);
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
	PUT(w, "app.name", "app.path/x.y", "a/b", "app", "app-");
	assert_string_equal(world_list(w, ""), "a%2Fb app- app/");
	assert_string_equal(world_list(w, "app"), "%value name path%2Fx/");
	assert_int_equal(world_write(w, "app/path%2Fx/new", "1"), 0);
	assert_int_equal(world_mkdir(w, "app/dir"), 0);
	assert_int_equal(world_mkdir(w, "a.b"), -EINVAL);
	assert_int_equal(world_rename(w, "app", "c"), 0);
	assert_string_equal(world_keys(w), "a/b= app-= c= c.name= c.path/x.new=1 c.path/x.y=");
	assert_string_equal(world_list(w, "c"), "%value dir/ name path%2Fx/");
}

/* A directory that was made with one separator has a record that means none with another: it is not
 * shown, is no piece, and goes with the directory that it keeps. */
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

/* Any keys are listed where names.h says that they are, each once, and nothing else is. */
static void test_list_weird(void **state)
{
	struct rng rng = rng_seed("fs: weird keys");
	struct world *w = *state;

	for (int round = 0; round < 20; round++) {
		struct kt_txn *txn;
		struct kt_info info;
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

/* ---- a key becomes a prefix, and turns back -------------------------------------------------- */

/* A file that gets keys below it is a directory with its value in it, and a file again without
 * them; an open file stays what it is. */
static void test_value(void **state)
{
	struct world *w = *state;
	struct fs_file *file;
	struct stat before, inside, after;

	world_put(w, "a", "1");
	assert_int_equal(world_stat(w, "a", &before), 0);
	assert_int_equal(world_open_file(w, "a", O_RDWR, &file), 0);
	world_put(w, "a/b", "2");
	assert_int_equal(world_stat(w, "a", &after), 0);
	assert_true(S_ISDIR(after.st_mode));
	assert_int_equal(world_stat(w, "a/%value", &inside), 0);
	assert_int_equal(inside.st_ino, before.st_ino);
	assert_int_not_equal(after.st_ino, before.st_ino);
	assert_string_equal(world_read(w, "a/%value"), "1");
	assert_int_equal(fs_write(w->fs, file, 0, "3", 1), 0);
	assert_string_equal(world_read(w, "a/%value"), "3");
	world_delete(w, "a/b");
	assert_string_equal(world_list(w, ""), "a");
	assert_string_equal(world_read(w, "a"), "3");
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "a=3");
	assert_int_equal(world_stat(w, "%value", &after), -ENOENT);
	assert_int_equal(world_write(w, "%value", ""), -EINVAL);
	assert_int_equal(world_mkdir(w, "%value"), -EINVAL);
}

/* The value of a directory is made, replaced, renamed and removed as a file in it. */
static void test_value_as_file(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(world_write(w, "d/%value", "1"), 0);
	assert_string_equal(world_keys(w), "d=1");
	assert_string_equal(world_list(w, "d"), "%value");
	assert_int_equal(world_rmdir(w, "d"), -ENOTEMPTY);
	assert_int_equal(world_rename(w, "d/%value", "e"), 0);
	assert_string_equal(world_keys(w), "e=1");
	assert_int_equal(world_rename(w, "e", "d/%value"), 0);
	assert_string_equal(world_keys(w), "d=1");
	assert_int_equal(world_rename(w, "d/%value", "d/%value"), 0);
	assert_int_equal(world_mkdir(w, "d/%value"), -EEXIST);
	assert_int_equal(world_rename(w, "d", "e"), 0);
	assert_string_equal(world_keys(w), "e=1");
	assert_string_equal(world_list(w, "e"), "%value");
	assert_int_equal(world_unlink(w, "e/%value"), 0);
	assert_int_equal(world_rename(w, "e", "e2"), 0);
	assert_int_equal(world_mkdir(w, "e2/x"), 0);
	assert_int_equal(world_rename(w, "e2/x", "e2/%value"), -EINVAL);
	assert_string_equal(world_keys(w), "");
}

/* ---- mkdir, rmdir, unlink -------------------------------------------------------------------- */

/* A made directory stays without files, is no key, and goes with rmdir. */
static void test_mkdir(void **state)
{
	struct world *w = *state;
	struct stat stat;

	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(world_mkdir(w, "d"), -EEXIST);
	assert_int_equal(world_write(w, "f", ""), 0);
	assert_int_equal(world_mkdir(w, "f"), -EEXIST);
	assert_int_equal(world_mkdir(w, "f/x"), -ENOTDIR);
	assert_int_equal(world_mkdir(w, "x/y"), -ENOENT);
	assert_string_equal(world_keys(w), "f=");
	assert_int_equal(world_stat(w, "d", &stat), 0);
	assert_int_equal(stat.st_mode, S_IFDIR | 0755);
	assert_int_equal(stat.st_uid, 1000);
	world_remount(w);
	assert_string_equal(world_list(w, ""), "d/ f");
	assert_int_equal(world_rmdir(w, "f"), -ENOTDIR);
	assert_int_equal(world_rmdir(w, "x"), -ENOENT);
	assert_int_equal(world_write(w, "d/f", ""), 0);
	assert_int_equal(world_rmdir(w, "d"), -ENOTEMPTY);
	assert_int_equal(world_unlink(w, "d"), -EISDIR);
	assert_int_equal(world_unlink(w, "d/f"), 0);
	assert_int_equal(world_unlink(w, "d/f"), -ENOENT);
	assert_int_equal(world_rmdir(w, "d"), 0);
	assert_string_equal(world_list(w, ""), "f");
	assert_int_equal(world_count(w, KT_DIRECTORIES), 1); /* the root's, if anything */
}

/* Fifos, sockets and device nodes are entries that know what they are. */
static void test_mknod(void **state)
{
	static const mode_t modes[] = {S_IFIFO | 0600, S_IFSOCK | 0755, S_IFCHR | 0666,
		S_IFBLK | 0660, S_IFREG | 0644, 0640};
	const struct fs_caller caller = {.uid = 1, .umask = 022};
	struct world *w = *state;
	struct fs_entry entry;
	struct stat stat;
	char name[2] = "a";

	for (size_t i = 0; i < 6; i++, name[0]++) {
		mode_t mode = modes[i] & ~022u;

		assert_int_equal(
			fs_mknod(w->fs, &caller, FS_ROOT, name, modes[i], 0x1234, &entry), 0);
		assert_int_equal(entry.stat.st_mode, mode & S_IFMT ? mode : mode | S_IFREG);
		world_forget(w, &entry);
		assert_int_equal(world_stat(w, name, &stat), 0);
		assert_int_equal(stat.st_mode, entry.stat.st_mode);
		assert_int_equal(stat.st_rdev, i == 2 || i == 3 ? 0x1234 : 0);
	}
	assert_int_equal(fs_mknod(w->fs, &caller, FS_ROOT, "a", S_IFREG, 0, &entry), -EEXIST);
	assert_int_equal(fs_mknod(w->fs, &caller, FS_ROOT, "x", S_IFDIR, 0, &entry), -EINVAL);
	assert_string_equal(world_read(w, "a"), "ENXIO");
	assert_string_equal(world_list(w, ""), "a b c d e f");
	assert_string_equal(world_keys(w), "a= b= c= d= e= f=");
}

/* A file that is not stored yet keeps its directory from being removed. */
static void test_rmdir_unstored(void **state)
{
	struct world *w = *state;
	struct fs_file *file;

	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(world_create(w, "d/f", &file), 0);
	assert_int_equal(world_rmdir(w, "d"), -ENOTEMPTY);
	assert_int_equal(world_unlink(w, "d/f"), 0);
	assert_int_equal(world_rmdir(w, "d"), 0);
	assert_int_equal(world_close_file(w, file), 0);
}

/* That holds for a file deep down, too, when an application has deleted what implied the
 * directories on the way. */
static void test_rmdir_unstored_below(void **state)
{
	struct world *w = *state;
	struct fs_file *file;

	assert_int_equal(world_mkdir(w, "d"), 0);
	world_put(w, "d/e/x", "");
	assert_int_equal(world_create(w, "d/e/f", &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "1", 1), 0);
	world_delete(w, "d/e/x");
	assert_int_equal(world_rmdir(w, "d"), -ENOTEMPTY);
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "d/e/f=1");
}

/* What was removed takes nothing new, though it is still referred to and can be asked about. */
static void test_removed_directory(void **state)
{
	struct world *w = *state;
	struct fs_entry d, entry;
	struct fs_file *file;
	const struct fs_caller caller = {0};
	struct half half = {.left = 10};
	struct fs_dir *dir;

	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(world_lookup(w, "d", &d), 0);
	assert_int_equal(fs_opendir(w->fs, d.node, &dir), 0);
	assert_int_equal(world_rmdir(w, "d"), 0);
	assert_int_equal(fs_lookup(w->fs, d.node, "x", &entry), -ENOENT);
	assert_int_equal(fs_mkdir(w->fs, &caller, d.node, "x", 0777, &entry), -ENOENT);
	assert_int_equal(
		fs_create(w->fs, &caller, d.node, "x", 0666, O_RDWR, &entry, &file), -ENOENT);
	assert_int_equal(fs_getattr(w->fs, d.node, &d.stat), 0);
	assert_int_equal(d.stat.st_nlink, 0);
	assert_int_equal(fs_readdir(w->fs, dir, 0, false, take_some, &half), 0);
	assert_string_equal(half.text, "");
	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(fs_lookup(w->fs, d.node, "x", &entry), -ENOENT);
	fs_releasedir(w->fs, dir);
	world_forget(w, &d);
	assert_string_equal(world_list(w, "d"), "");
}

/* A directory that keys imply stays when its last file goes through the mount, with the inode
 * number it had; and goes with its last key when an application deletes that. */
static void test_implied_stays(void **state)
{
	struct world *w = *state;
	struct stat before, after;

	PUT(w, "a/b/c", "x/y", "p/q/r");
	assert_int_equal(world_stat(w, "a/b", &before), 0);
	assert_int_equal(world_unlink(w, "a/b/c"), 0);
	assert_string_equal(world_list(w, "a"), "b/");
	assert_string_equal(world_list(w, "a/b"), "");
	assert_int_equal(world_stat(w, "a/b", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(world_rmdir(w, "a/b"), 0);
	assert_string_equal(world_list(w, ""), "a/ p/ x/");
	assert_int_equal(world_rmdir(w, "a"), 0);
	world_delete(w, "x/y");
	assert_string_equal(world_list(w, ""), "p/");
	assert_int_equal(world_rename(w, "p/q/r", "r"), 0);
	assert_string_equal(world_list(w, "p"), "q/");
	assert_int_equal(world_rename(w, "p/q", "q"), 0);
	assert_string_equal(world_list(w, ""), "p/ q/ r");
	world_remount(w);
	assert_string_equal(world_list(w, ""), "p/ q/ r");
}

/* The times of a directory change with the names in it, and stay over a remount. */
static void test_directory_times(void **state)
{
	struct fs_setattr set = {.what = FS_SET_MTIME, .mtime = {.tv_sec = 1000}};
	struct world *w = *state;
	struct fs_file *file;
	struct stat stat, again;

	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(world_setattr(w, "d", &set), 0);
	assert_int_equal(world_stat(w, "d", &stat), 0);
	assert_int_equal(stat.st_mtim.tv_sec, 1000);
	assert_int_equal(world_create(w, "d/f", &file), 0);
	assert_int_equal(world_stat(w, "d", &stat), 0);
	assert_true(stat.st_mtim.tv_sec > 1000000000);
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(world_stat(w, "", &stat), 0);
	world_remount(w);
	assert_int_equal(world_stat(w, "", &again), 0);
	assert_memory_equal(&stat, &again, sizeof(stat));
	assert_int_equal(world_stat(w, "d", &stat), 0);
	assert_true(stat.st_mtim.tv_sec > 1000000000);
	assert_int_equal(world_setattr(w, "d", &set), 0);
	assert_int_equal(world_unlink(w, "d/f"), 0);
	assert_int_equal(world_setattr(w, "d", &set), 0);
	world_remount(w);
	assert_int_equal(world_stat(w, "d", &stat), 0);
	assert_int_equal(stat.st_mtim.tv_sec, 1000);
}

/* What a rename does to the ctime of a directory stays, although a name in it had changed before.
 */
static void test_directory_ctime(void **state)
{
	const struct timespec tick = {.tv_nsec = 10000000}; /* the clock for stamps is coarse */
	struct world *w = *state;
	struct stat before, after;

	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(world_write(w, "d/f", ""), 0);
	nanosleep(&tick, NULL);
	assert_int_equal(world_rename(w, "d", "e"), 0);
	assert_int_equal(world_stat(w, "e", &before), 0);
	assert_memory_not_equal(&before.st_ctim, &before.st_mtim, sizeof(before.st_ctim));
	world_remount(w);
	assert_int_equal(world_stat(w, "e", &after), 0);
	assert_memory_equal(&before.st_ctim, &after.st_ctim, sizeof(before.st_ctim));
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
}

/* New files take the group of a directory that says so. */
static void test_setgid(void **state)
{
	struct fs_setattr set = {.what = FS_SET_MODE | FS_SET_GID, .mode = 02775, .gid = 77};
	struct world *w = *state;
	struct stat stat;

	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(world_setattr(w, "d", &set), 0);
	assert_int_equal(world_write(w, "d/f", ""), 0);
	assert_int_equal(world_mkdir(w, "d/e"), 0);
	assert_int_equal(world_stat(w, "d/f", &stat), 0);
	assert_int_equal(stat.st_gid, 77);
	assert_int_equal(world_stat(w, "d/e", &stat), 0);
	assert_int_equal(stat.st_gid, 77);
	assert_int_equal(stat.st_mode, S_IFDIR | S_ISGID | 0755);
}

/* ---- rename ---------------------------------------------------------------------------------- */

/* A file takes its value, attributes and mtime along, and the place of another. */
static void test_rename_file(void **state)
{
	struct fs_setattr set = {.what = FS_SET_MODE | FS_SET_MTIME, .mode = 0600};
	struct world *w = *state;
	struct stat stat;
	uint64_t txn;

	PUT(w, "b", "d/x");
	assert_int_equal(world_write(w, "a", "1"), 0);
	assert_int_equal(world_setattr(w, "a", &set), 0);
	txn = world_txn(w);
	assert_int_equal(world_rename(w, "a", "b"), 0);
	assert_int_equal(world_txn(w), txn + 1);
	assert_string_equal(world_keys(w), "b=1 d/x=");
	assert_int_equal(world_stat(w, "b", &stat), 0);
	assert_int_equal(stat.st_mode, S_IFREG | 0600);
	assert_int_equal(stat.st_mtim.tv_sec, 0);
	assert_int_equal(world_rename(w, "b", "b"), 0);
	assert_int_equal(world_rename(w, "b", "d/y"), 0);
	assert_string_equal(world_keys(w), "d/x= d/y=1");
	assert_int_equal(world_rename(w, "d/y", "d"), -EISDIR);
	assert_int_equal(world_rename(w, "nothing", "x"), -ENOENT);
	assert_int_equal(world_rename(w, "d/y", "nothing/x"), -ENOENT);
	assert_int_equal(world_rename(w, "d/y", "d/x/z"), -ENOTDIR);
}

/* RENAME_NOREPLACE keeps what is there; other flags are refused. */
static void test_rename_flags(void **state)
{
	struct world *w = *state;

	PUT(w, "a", "b");
	assert_int_equal(fs_rename(w->fs, FS_ROOT, "a", FS_ROOT, "b", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(fs_rename(w->fs, FS_ROOT, "a", FS_ROOT, "a", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(fs_rename(w->fs, FS_ROOT, "a", FS_ROOT, "c", RENAME_NOREPLACE), 0);
	assert_int_equal(fs_rename(w->fs, FS_ROOT, "c", FS_ROOT, "b", RENAME_WHITEOUT), -EINVAL);
	assert_string_equal(world_keys(w), "b= c=");
}

static int exchange(struct world *w, const char *a, const char *b)
{
	return fs_rename(w->fs, FS_ROOT, a, FS_ROOT, b, RENAME_EXCHANGE);
}

/* RENAME_EXCHANGE swaps all that is at two names, in one transaction: values of directories go
 * along, inode numbers stay, and keys of 0xff are not in the way. */
static void test_exchange(void **state)
{
	struct world *w = *state;
	struct stat before, after;
	uint64_t txn;

	world_put(w, "a", "1");
	world_put(w, "a/x", "2");
	world_put(w, "b/y/z", "3");
	world_put(w, "c", "4");
	world_put(w, "\xff\xff/q", "5");
	assert_int_equal(world_stat(w, "b/y/z", &before), 0);
	txn = world_txn(w);
	assert_int_equal(exchange(w, "a", "b"), 0);
	assert_int_equal(world_txn(w), txn + 1);
	assert_string_equal(world_keys(w), "a/y/z=3 b=1 b/x=2 c=4 \xff\xff/q=5");
	assert_string_equal(world_list(w, "b"), "%value x");
	assert_int_equal(world_stat(w, "a/y/z", &after), 0);
	assert_true(before.st_ino == after.st_ino);
	assert_int_equal(exchange(w, "c", "b"), 0);
	assert_string_equal(world_keys(w), "a/y/z=3 b=4 c=1 c/x=2 \xff\xff/q=5");
	assert_string_equal(world_read(w, "c/%value"), "1");
	assert_int_equal(exchange(w, "b", "\xff\xff"), 0);
	assert_string_equal(world_keys(w), "a/y/z=3 b/q=5 c=1 c/x=2 \xff\xff=4");
	assert_int_equal(exchange(w, "b", "\xff\xff"), 0);
	assert_string_equal(world_keys(w), "a/y/z=3 b=4 c=1 c/x=2 \xff\xff/q=5");
	assert_int_equal(exchange(w, "b", "nothing"), -ENOENT);
	assert_int_equal(exchange(w, "b", "b"), 0);
}

/* A file that is not stored yet is by its new name, whole, in the transaction of the rename; its
 * handle goes on. */
static void test_rename_unstored(void **state)
{
	struct world *w = *state;
	struct fs_file *file, *other;

	PUT(w, "real");
	assert_int_equal(world_create(w, "tmp", &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "new", 3), 0);
	assert_int_equal(world_rename(w, "tmp", "real"), 0);
	assert_string_equal(world_keys(w), "real=new");
	assert_string_equal(world_list(w, ""), "real");
	assert_int_equal(fs_write(w->fs, file, 3, "er", 2), 0);
	assert_string_equal(world_read(w, "real"), "newer");
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "real=newer");

	/* truncated: the old value of the old name does not stay behind */
	assert_int_equal(world_open_file(w, "real", O_WRONLY | O_TRUNC, &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "x", 1), 0);
	assert_int_equal(world_rename(w, "real", "other"), 0);
	assert_string_equal(world_keys(w), "other=x");
	assert_int_equal(world_close_file(w, file), 0);

	/* onto a file that is not stored yet, and one with gathered writes */
	assert_int_equal(world_create(w, "t1", &file), 0);
	assert_int_equal(world_create(w, "t2", &other), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "1", 1), 0);
	assert_int_equal(fs_write(w->fs, other, 0, "2", 1), 0);
	assert_int_equal(world_rename(w, "t1", "t2"), 0);
	assert_string_equal(world_keys(w), "other=x t2=1");
	assert_string_equal(world_read_file(w, other), "2");
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(world_close_file(w, other), 0);
	assert_string_equal(world_keys(w), "other=x t2=1");
	assert_int_equal(world_open_file(w, "other", O_WRONLY, &file), 0);
	assert_int_equal(fs_write(w->fs, file, 1, "yz", 2), 0);
	assert_int_equal(world_rename(w, "other", "moved"), 0);
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "moved=xyz t2=1");
}

/* A file that is replaced while open goes on without a name. */
static void test_rename_over_open(void **state)
{
	struct world *w = *state;
	struct fs_file *file;

	assert_int_equal(world_write(w, "a", "A"), 0);
	assert_int_equal(world_write(w, "b", "B"), 0);
	assert_int_equal(world_open_file(w, "b", O_RDWR, &file), 0);
	assert_int_equal(world_rename(w, "a", "b"), 0);
	assert_string_equal(world_read_file(w, file), "B");
	assert_int_equal(fs_write(w->fs, file, 0, "C", 1), 0);
	assert_string_equal(world_read(w, "b"), "A");
	assert_int_equal(world_close_file(w, file), 0);
	assert_string_equal(world_keys(w), "b=A");
	assert_int_equal(world_count(w, KT_NAMELESS), 0);
}

/* A directory takes all keys below it, made directories, its value and open files along, in one
 * transaction, and nothing that only sorts near by. */
static void test_rename_directory(void **state)
{
	struct world *w = *state;
	struct fs_file *file, *unstored;
	struct stat before, after;
	uint64_t txn;

	PUT(w, "a", "a!", "a-/x", "a/1", "a/b/2", "a0");
	assert_int_equal(world_mkdir(w, "a/empty"), 0);
	assert_int_equal(world_open_file(w, "a/b/2", O_RDWR, &file), 0);
	assert_int_equal(world_create(w, "a/b/new", &unstored), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "w", 1), 0);
	assert_int_equal(world_stat(w, "a/b/2", &before), 0);
	txn = world_txn(w);
	assert_int_equal(world_rename(w, "a", "z"), 0);
	assert_int_equal(world_txn(w), txn + 1);
	assert_string_equal(world_keys(w), "a!= a-/x= a0= z= z/1= z/b/2=");
	assert_string_equal(world_list(w, ""), "a! a-/ a0 z/");
	assert_string_equal(world_list(w, "z"), "%value 1 b/ empty/");
	assert_string_equal(world_list(w, "z/b"), "2 new");
	assert_int_equal(world_stat(w, "z/b/2", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(world_close_file(w, file), 0);
	assert_int_equal(world_close_file(w, unstored), 0);
	assert_string_equal(world_keys(w), "a!= a-/x= a0= z= z/1= z/b/2=w z/b/new=");
	world_remount(w);
	assert_int_equal(world_stat(w, "z/b/2", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

/* What a directory cannot be renamed to. */
static void test_rename_directory_refused(void **state)
{
	struct world *w = *state;

	PUT(w, "d/a/b", "full/x", "file");
	assert_int_equal(world_mkdir(w, "empty"), 0);
	assert_int_equal(world_rename(w, "d", "d/x"), -EINVAL);
	assert_int_equal(world_rename(w, "d", "d/a/x"), -EINVAL);
	assert_int_equal(world_rename(w, "d/a", "d"), -ENOTEMPTY);
	assert_int_equal(world_rename(w, "d", "full"), -ENOTEMPTY);
	assert_int_equal(world_rename(w, "d", "file"), -ENOTDIR);
	assert_int_equal(world_rename(w, "file", "empty"), -EISDIR);
	assert_int_equal(world_rename(w, "d", "d"), 0);
	assert_string_equal(world_keys(w), "d/a/b= file= full/x=");
	assert_int_equal(world_rename(w, "d", "empty"), 0);
	assert_string_equal(world_keys(w), "empty/a/b= file= full/x=");
	assert_int_equal(world_rename(w, "empty", "empty2"), 0);
	assert_int_equal(world_rename(w, "empty2/a", "full/a"), 0);
	assert_string_equal(world_list(w, ""), "empty2/ file full/");
	assert_string_equal(world_keys(w), "file= full/a/b= full/x=");
}

/* A rename that would make a key too long happens not at all. */
static void test_rename_too_long(void **state)
{
	struct world *w = *state;
	char key[KT_KEY_MAX + 1];

	memset(key, 'x', sizeof(key));
	memcpy(key, "d/1/", 4);
	for (size_t i = 100; i < KT_KEY_MAX; i += 100)
		key[i] = '/';
	key[KT_KEY_MAX] = '\0';
	world_put(w, key, "v");
	PUT(w, "d/0");
	assert_int_equal(world_rename(w, "d", "dd"), -ENAMETOOLONG);
	assert_string_equal(world_list(w, ""), "d/");
	assert_string_equal(world_list(w, "d"), "0 1/");
	assert_int_equal(world_rename(w, "d", "e"), 0);
	assert_string_equal(world_list(w, "e"), "0 1/");
}

/* ---- nodes ----------------------------------------------------------------------------------- */

/* A node is one for all its lookups, is forgotten when all are given back, and its number is not
 * taken for that of another then. */
static void test_nodes(void **state)
{
	struct world *w = *state;
	struct fs_entry a, b;

	PUT(w, "a");
	assert_int_equal(world_lookup(w, "a", &a), 0);
	assert_int_equal(world_lookup(w, "a", &b), 0);
	assert_int_equal(a.node, b.node);
	fs_forget(w->fs, a.node, 1);
	assert_int_equal(fs_getattr(w->fs, a.node, &a.stat), 0);
	fs_forget(w->fs, a.node, 1);
	assert_int_equal(fs_getattr(w->fs, a.node, &a.stat), -ESTALE);
	assert_int_equal(world_lookup(w, "a", &b), 0);
	assert_int_not_equal(a.node, b.node);
	assert_int_equal(fs_getattr(w->fs, a.node, &a.stat), -ESTALE);
	world_forget(w, &b);
	assert_int_equal(fs_getattr(w->fs, UINT64_MAX, &a.stat), -ESTALE);
	assert_int_equal(fs_getattr(w->fs, 0, &a.stat), -ESTALE);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, world_setup_memory, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_list_order),
		TEST(test_list_made),
		TEST(test_list_record_below),
		TEST(test_collections),
		TEST(test_list_names),
		TEST(test_list_pieces),
		TEST(test_list_nested_pieces),
		TEST(test_list_made_pieces),
		TEST(test_list_unstored),
		TEST(test_list_resumes),
		TEST(test_list_goes_back),
		TEST(test_list_many),
		TEST(test_list_weird),
		TEST(test_longest_key),
		TEST(test_separator),
		TEST(test_records_of_another_separator),
		TEST(test_value),
		TEST(test_value_as_file),
		TEST(test_mkdir),
		TEST(test_mknod),
		TEST(test_rmdir_unstored),
		TEST(test_rmdir_unstored_below),
		TEST(test_removed_directory),
		TEST(test_implied_stays),
		TEST(test_directory_ctime),
		TEST(test_directory_times),
		TEST(test_setgid),
		TEST(test_rename_file),
		TEST(test_rename_flags),
		TEST(test_exchange),
		TEST(test_rename_unstored),
		TEST(test_rename_over_open),
		TEST(test_rename_directory),
		TEST(test_rename_directory_refused),
		TEST(test_rename_too_long),
		TEST(test_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
