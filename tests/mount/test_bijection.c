/* Every key is one path and every path is one key, through a real mount.
 *
 * Keys written by the library are walked as files; files made in the mount are read as keys by the
 * library. Both are made of what names may stumble over: separators in all places, escapes and
 * text like escapes, dots, NULs, and lengths around each limit.
 */
#include "support.h"

#include "keytree.h"
#include "fs/names/names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RANDOM_KEYS 1500
#define RANDOM_PATHS 1500

/* ---- what names may stumble over ---- */

struct bytes {
	size_t size;
	char data[KT_KEY_MAX];
};

#define TOKEN(text)                                                                                \
	{                                                                                          \
		sizeof(text) - 1, text                                                             \
	}

static const struct {
	size_t size;
	const char *text;
} tokens[] = {
	TOKEN("/"),
	TOKEN("/"),
	TOKEN("//"),
	TOKEN("a"),
	TOKEN("b"),
	TOKEN("a"),
	TOKEN("."),
	TOKEN(".."),
	TOKEN("%"),
	TOKEN("%%"),
	TOKEN("25"),
	TOKEN("2"),
	TOKEN("%25"),
	TOKEN("value"),
	TOKEN("%value"),
	TOKEN("%25value"),
	TOKEN("%empty"),
	TOKEN("%2525empty"),
	TOKEN("%00"),
	TOKEN("%2500"),
	TOKEN("%2E"),
	TOKEN("%2E%2E"),
	TOKEN("%2e"),
	TOKEN("%2F"),
	TOKEN("%+"),
	TOKEN("+"),
	TOKEN("\0"),
	TOKEN("\n"),
	TOKEN("\xff\xfe"),
	TOKEN("-"),
	TOKEN(" "),
	TOKEN("\\"),
	TOKEN("~"),
	TOKEN("00"),
};

#define TOKEN_COUNT (sizeof(tokens) / sizeof(tokens[0]))

static void append(struct bytes *bytes, const char *data, size_t size)
{
	if (size > sizeof(bytes->data) - bytes->size)
		size = sizeof(bytes->data) - bytes->size;
	memcpy(bytes->data + bytes->size, data, size);
	bytes->size += size;
}

/* Lengths around those where names are cut. */
static void append_long(struct fixture *fixture, struct bytes *bytes)
{
	static const size_t lengths[] = {
		80, 84, 85, 86, 250, 251, 252, 253, 254, 255, 256, 505, 506, 507, 510, 1000};
	static const char *const fillings[] = {"x", "x", "%", "%25", "\0"};
	uint32_t filling = support_random(fixture, 5);
	size_t length = lengths[support_random(fixture, sizeof(lengths) / sizeof(lengths[0]))];
	size_t step = filling == 4 ? 1 : strlen(fillings[filling]);

	for (size_t i = 0; i + step <= length; i += step)
		append(bytes, fillings[filling], step);
}

static void random_bytes(struct fixture *fixture, struct bytes *bytes)
{
	uint32_t count = support_random(fixture, 8);

	bytes->size = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t token = support_random(fixture, TOKEN_COUNT);

		if (support_random(fixture, 12) == 0)
			append_long(fixture, bytes);
		append(bytes, tokens[token].text, tokens[token].size);
	}
}

/* ---- keys as files ---- */

/* Write a key whose value is the key itself, behind a letter. */
static void put_itself(struct kt_txn *txn, const struct bytes *key)
{
	char value[KT_KEY_MAX + 1];

	value[0] = '=';
	memcpy(value + 1, key->data, key->size);
	assert_int_equal(kt_put(txn, key->data, key->size, value, key->size + 1), 0);
}

static void put_repeated(struct kt_txn *txn, const char *text, size_t text_size, size_t count)
{
	struct bytes key = {0};

	for (size_t i = 0; i < count; i++)
		append(&key, text, text_size);
	put_itself(txn, &key);
}

static uint64_t put_keys(struct fixture *fixture)
{
	struct kt_store *store;
	struct kt_txn *txn;
	struct kt_store_info info;
	struct bytes key;

	assert_int_equal(kt_open(fixture->store_path, NULL, &store), 0);
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	for (size_t i = 0; i < TOKEN_COUNT; i++) {
		for (size_t count = 0; count < 4; count++)
			put_repeated(txn, tokens[i].text, tokens[i].size, count);
		put_repeated(txn, tokens[i].text, tokens[i].size, KT_KEY_MAX / tokens[i].size);
	}
	for (size_t length = 80; length < 520; length++) {
		put_repeated(txn, "x", 1, length);
		put_repeated(txn, "\0", 1, length);
	}
	for (int i = 0; i < RANDOM_KEYS; i++) {
		random_bytes(fixture, &key);
		put_itself(txn, &key);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_info(store, &info), 0);
	assert_int_equal(kt_close(store), 0);
	return info.entries;
}

/* A path while walking: longer than the kernel takes in one piece. */
struct walk {
	char path[NAMES_PATH_SIZE];
	size_t size;
	uint64_t files;
};

/* The file of the path holds the key that the path stands for. */
static void check_file(struct walk *walk, const char *name)
{
	char content[KT_KEY_MAX + 2];
	struct bytes key;
	bool value;
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t size;

	assert_true(fd >= 0);
	size = read(fd, content, sizeof(content));
	close(fd);
	assert_int_equal(names_key_of_path('/', walk->path, key.data, &key.size, &value), 0);
	assert_int_equal(size, key.size + 1);
	assert_memory_equal(content + 1, key.data, key.size);
	walk->files++;
}

static void walk_directory(struct walk *walk);

static void walk_name(struct walk *walk, const char *name)
{
	size_t size = walk->size;
	struct stat stat_buf;

	walk->size += (size_t)sprintf(walk->path + size, "%s%s", size > 0 ? "/" : "", name);
	assert_int_equal(lstat(name, &stat_buf), 0);
	if (S_ISDIR(stat_buf.st_mode)) {
		assert_int_equal(chdir(name), 0);
		walk_directory(walk);
		assert_int_equal(chdir(".."), 0);
	} else {
		check_file(walk, name);
	}
	walk->size = size;
	walk->path[size] = '\0';
}

static int keep_all(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static void walk_directory(struct walk *walk)
{
	struct dirent **entries;
	int count = scandir(".", &entries, keep_all, NULL);

	assert_true(count >= 0);
	for (int i = 0; i < count; i++) {
		walk_name(walk, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

/* All keys of a store, however odd, are files in the mount, once each, with the right value; and
 * there are no others. */
static void test_keys_are_files(void **state)
{
	struct fixture *fixture = *state;
	struct walk *walk = calloc(1, sizeof(*walk));
	uint64_t entries = put_keys(fixture);

	support_mount(fixture);
	assert_int_equal(chdir(fixture->mount_dir), 0);
	walk_directory(walk);
	assert_int_equal(walk->files, entries);
	support_unmount(fixture);
	free(walk);
}

/* ---- files as keys ---- */

/* A path that was made, and the key it stands for. */
struct made {
	char *path;
	struct bytes *key;
};

/* Is the file or a directory above it already there as something else? */
static bool is_conflict(int err)
{
	return err == EEXIST || err == EISDIR || err == ENOTDIR;
}

/* Make a file whose content is its path, and the directories above it, going down from the mount
 * point, where the process is left. @return 0 or errno */
static int make_file(const struct fixture *fixture, const char *path)
{
	char names[4096], *rest = names, *name;
	int fd, err = 0;

	strcpy(names, path);
	assert_int_equal(chdir(fixture->mount_dir), 0);
	name = strsep(&rest, "/");
	while (rest != NULL) {
		if (mkdir(name, 0755) != 0 && errno != EEXIST)
			return errno;
		if (chdir(name) != 0)
			return errno;
		name = strsep(&rest, "/");
	}
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return errno;
	if (write(fd, path, strlen(path)) != (ssize_t)strlen(path))
		err = errno;
	return close(fd) != 0 ? errno : err;
}

/* A path of odd names; no name is empty or a dot, which are not names to the kernel. */
static void random_path(struct fixture *fixture, char path[4096])
{
	struct bytes bytes;
	size_t used = 0;
	char last = '/';

	random_bytes(fixture, &bytes);
	for (size_t i = 0; i < bytes.size && used < 3000; i++) {
		char byte = bytes.data[i];

		if (byte == '\0' || (byte == '/' && last == '/') || byte == '.')
			byte = 'a';
		path[used++] = last = byte;
	}
	if (last == '/')
		path[used++] = 'z';
	path[used] = '\0';
}

/* One random path is made exactly if it stands for a key. @return whether it was */
static bool try_path(struct fixture *fixture, struct made *ret_made)
{
	char path[4096];
	struct bytes *key = calloc(1, sizeof(*key));
	bool value;
	int expected, err;

	random_path(fixture, path);
	expected = names_key_of_path('/', path, key->data, &key->size, &value);
	err = make_file(fixture, path);
	if (expected == 0 && !err) {
		*ret_made = (struct made){.path = strdup(path), .key = key};
		return true;
	}
	free(key);
	/* that is where snapshots are: any error will do */
	if (expected != 0 && err != 0 &&
		strncmp(path, NAMES_SNAPSHOTS, strlen(NAMES_SNAPSHOTS)) == 0)
		return false;
	if (!is_conflict(err) && err != (expected == 0 ? 0 : -expected))
		fail_msg("'%s' gave %s, not %s", path, strerror(err), strerror(-expected));
	return false;
}

static void check_made(struct kt_txn *txn, const struct made *made)
{
	struct kt_slice value;
	int err = kt_get(txn, made->key->data, made->key->size, &value);

	if (err != 0 || value.size != strlen(made->path) ||
		memcmp(value.data, made->path, value.size) != 0)
		fail_msg("'%s' is not under its key", made->path);
}

/* Any path that can be made in the mount is a key of the store, each another one, that names the
 * same path; and what stands for no key cannot be made. */
static void test_files_are_keys(void **state)
{
	struct fixture *fixture = *state;
	struct made *made = calloc(RANDOM_PATHS, sizeof(*made));
	struct kt_store *store;
	struct kt_txn *txn;
	struct kt_store_info info;
	size_t count = 0;

	support_mount(fixture);
	for (int i = 0; i < RANDOM_PATHS; i++)
		count += try_path(fixture, &made[count]) ? 1 : 0;
	support_unmount(fixture);
	assert_true(count > RANDOM_PATHS / 4);

	assert_int_equal(kt_open(fixture->store_path, KT_OPTIONS(.flags = KT_READONLY), &store), 0);
	assert_int_equal(kt_info(store, &info), 0);
	assert_int_equal(info.entries, count);
	assert_int_equal(kt_begin(store, KT_READ, &txn), 0);
	for (size_t i = 0; i < count; i++) {
		check_made(txn, &made[i]);
		free(made[i].path);
		free(made[i].key);
	}
	kt_abort(txn);
	assert_int_equal(kt_close(store), 0);
	free(made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_keys_are_files, support_setup, support_teardown),
		cmocka_unit_test_setup_teardown(
			test_files_are_keys, support_setup, support_teardown),
	};

	if (!support_has_fuse())
		return SUPPORT_SKIPPED;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
