/* Random operations, by applications and through the mount, against a plain model: a list of keys
 * with values, a list of made directories, and a few open files.
 *
 * The model knows nothing of inodes, cursors or records. It works on keys, and has paths from
 * names.h; after each step all that the file system shows, and the store's keys, must be what the
 * model says.
 */
#include "fs/names/names.h"
#include "tests/unit/rng.h"
#include "tests/unit/world.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FILES_MAX 64
#define HANDLES 4
#define KEY_SIZE 128
#define VALUE_SIZE 64

struct entry {
	bool used;
	char key[KEY_SIZE];
	char value[VALUE_SIZE];
};

enum pending { CLEAN, WHOLE, IN_PLACE };

struct handle {
	struct fs_file *file; /* NULL: not in use */
	bool removed;	      /* it has no key */
	enum pending pending; /* what was written and not stored */
	char key[KEY_SIZE];
	char value[VALUE_SIZE]; /* if removed, or something is pending */
};

struct model {
	struct world world;
	struct rng rng;
	struct entry entries[FILES_MAX]; /* keys of the store */
	struct entry made[FILES_MAX];	 /* directories, as "a/b/" */
	struct handle handles[HANDLES];
};

static struct entry *find(struct entry *entries, const char *key)
{
	for (int i = 0; i < FILES_MAX; i++) {
		if (entries[i].used && !strcmp(entries[i].key, key))
			return &entries[i];
	}
	return NULL;
}

static void set(struct entry *entries, const char *key, const char *value)
{
	struct entry *entry = find(entries, key);

	for (int i = 0; entry == NULL && i < FILES_MAX; i++) {
		if (!entries[i].used)
			entry = &entries[i];
	}
	assert(entry != NULL);
	entry->used = true;
	snprintf(entry->key, sizeof(entry->key), "%s", key);
	snprintf(entry->value, sizeof(entry->value), "%s", value);
}

static void erase(struct entry *entries, const char *key)
{
	struct entry *entry = find(entries, key);

	if (entry != NULL)
		entry->used = false;
}

static size_t count_used(const struct entry *entries)
{
	size_t count = 0;

	for (int i = 0; i < FILES_MAX; i++)
		count += entries[i].used;
	return count;
}

static struct handle *handle_of(struct model *m, const char *key)
{
	for (int i = 0; i < HANDLES; i++) {
		struct handle *h = &m->handles[i];

		if (h->file != NULL && !h->removed && !strcmp(h->key, key))
			return h;
	}
	return NULL;
}

/* ---- what the model shows -------------------------------------------------------------------- */

/* What a file shows, or NULL without one. */
static const char *file_value(struct model *m, const char *key)
{
	struct handle *h = handle_of(m, key);
	struct entry *entry = find(m->entries, key);

	if (h != NULL && h->pending != CLEAN)
		return h->value;
	return entry != NULL ? entry->value : NULL;
}

static bool begins(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Is there a directory: "a/b/"? */
static bool directory_exists(struct model *m, const char *prefix)
{
	if (*prefix == '\0')
		return true;
	for (int i = 0; i < FILES_MAX; i++) {
		if ((m->entries[i].used && begins(m->entries[i].key, prefix)) ||
			(m->made[i].used && begins(m->made[i].key, prefix)))
			return true;
	}
	return false;
}

static bool key_is_directory(struct model *m, const char *key)
{
	char prefix[KEY_SIZE + 1];

	snprintf(prefix, sizeof(prefix), "%s/", key);
	return directory_exists(m, prefix);
}

/* The key of the i-th file, stored or not; NULL: no such file. */
static const char *file_key(struct model *m, int i)
{
	if (i < FILES_MAX)
		return m->entries[i].used ? m->entries[i].key : NULL;
	i -= FILES_MAX;
	if (m->handles[i].file == NULL || m->handles[i].removed || m->handles[i].pending != WHOLE)
		return NULL;
	return find(m->entries, m->handles[i].key) ? NULL : m->handles[i].key;
}

#define FILE_KEYS (FILES_MAX + HANDLES)

static bool directory_is_empty(struct model *m, const char *prefix)
{
	char value[KEY_SIZE];

	snprintf(value, sizeof(value), "%.*s", (int)strlen(prefix) - 1, prefix);
	if (file_value(m, value) != NULL)
		return false;
	for (int i = 0; i < FILE_KEYS; i++) {
		if (file_key(m, i) != NULL && begins(file_key(m, i), prefix))
			return false;
	}
	for (int i = 0; i < FILES_MAX; i++) {
		if (m->made[i].used && begins(m->made[i].key, prefix) &&
			strcmp(m->made[i].key, prefix) != 0)
			return false;
	}
	return true;
}

/* ---- comparing ------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sort the words of a text and drop doubles. */
static void sort_words(char *text)
{
	char copy[4096], *words[256];
	size_t count = 0;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
		words[count++] = word;
	qsort(words, count, sizeof(words[0]), compare_names);
	text[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && !strcmp(words[i], words[i - 1]))
			continue;
		strcat(strcat(text, text[0] ? " " : ""), words[i]);
	}
}

/* Add the name that a key, or a made directory, has in a directory. */
static void add_name(struct model *m, const char *prefix, const char *key, char *text)
{
	const char *rest = key + strlen(prefix);
	const char *end = strchr(rest, '/');
	char name[NAMES_MAX + 1];
	size_t size = end ? (size_t)(end - rest) : strlen(rest);

	assert_int_equal(names_encode('/', rest == key, rest, size, name), size);
	strcat(strcat(text, " "), name);
	if (end != NULL || key_is_directory(m, key))
		strcat(text, "/");
}

static void expect_list(struct model *m, const char *prefix, char *text)
{
	char value[KEY_SIZE];

	text[0] = '\0';
	snprintf(value, sizeof(value), "%.*s", (int)strlen(prefix) - 1, prefix);
	if (*prefix != '\0' && file_value(m, value) != NULL)
		strcat(text, "%value");
	for (int i = 0; i < FILE_KEYS; i++) {
		if (file_key(m, i) != NULL && begins(file_key(m, i), prefix))
			add_name(m, prefix, file_key(m, i), text);
	}
	for (int i = 0; i < FILES_MAX; i++) {
		if (m->made[i].used && begins(m->made[i].key, prefix) &&
			strcmp(m->made[i].key, prefix) != 0)
			add_name(m, prefix, m->made[i].key, text);
	}
	sort_words(text);
}

/* Path of a directory: of its key, but for the root. */
static void directory_path(const char *prefix, char *path)
{
	path[0] = '\0';
	if (*prefix != '\0')
		assert_int_equal(
			names_path_of_key('/', prefix, strlen(prefix) - 1, false, path), 0);
}

static void file_path(struct model *m, const char *key, char *path)
{
	assert_int_equal(
		names_path_of_key('/', key, strlen(key), key_is_directory(m, key), path), 0);
}

static void check_directory(struct model *m, const char *prefix)
{
	char expected[4096], listed[4096], path[NAMES_PATH_SIZE];

	directory_path(prefix, path);
	expect_list(m, prefix, expected);
	snprintf(listed, sizeof(listed), "%s", world_list(&m->world, path));
	sort_words(listed);
	assert_string_equal(listed, expected);
}

/* Check each directory that a key or made directory is in. */
static void check_directories_of(struct model *m, const char *key)
{
	char prefix[KEY_SIZE];

	for (const char *slash = strchr(key, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(prefix, sizeof(prefix), "%.*s", (int)(slash - key) + 1, key);
		check_directory(m, prefix);
	}
}

static void check_store(struct model *m)
{
	struct kt_info info;

	assert_int_equal(kt_info(m->world.store, &info), 0);
	assert_int_equal(info.entries, count_used(m->entries));
	for (int i = 0; i < FILES_MAX; i++) {
		struct entry *e = &m->entries[i];
		struct handle *h = e->used ? handle_of(m, e->key) : NULL;
		struct kt_slice value;
		struct kt_txn *txn;

		/* the flusher may be at it at any time */
		if (!e->used || (h != NULL && h->pending == IN_PLACE))
			continue;
		assert_int_equal(kt_begin(m->world.store, KT_READ, &txn), 0);
		assert_int_equal(kt_get(txn, e->key, strlen(e->key), &value), 0);
		assert_int_equal(value.size, strlen(e->value));
		assert_memory_equal(value.data, e->value, value.size);
		kt_abort(txn);
	}
}

static void check(struct model *m)
{
	char path[NAMES_PATH_SIZE];

	check_directory(m, "");
	for (int i = 0; i < FILE_KEYS; i++) {
		const char *key = file_key(m, i);

		if (key == NULL)
			continue;
		check_directories_of(m, key);
		file_path(m, key, path);
		assert_string_equal(world_read(&m->world, path), file_value(m, key));
	}
	for (int i = 0; i < FILES_MAX; i++) {
		if (m->made[i].used)
			check_directories_of(m, m->made[i].key);
	}
	for (int i = 0; i < HANDLES; i++) {
		struct handle *h = &m->handles[i];

		if (h->file != NULL)
			assert_string_equal(world_read_file(&m->world, h->file),
				h->removed ? h->value : file_value(m, h->key));
	}
	check_store(m);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void random_key(struct model *m, char *key)
{
	static const char *const components[] = {"a", "b", "a-", "", "a0", "%value", ".", "%00"};
	size_t count = 1 + rng_below(&m->rng, 3);

	key[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		strcat(key, i ? "/" : "");
		strcat(key, components[rng_below(&m->rng, rng_below(&m->rng, 3) ? 3 : 8)]);
	}
}

/* The directory that a file is in: its value is in itself. */
static void parent_of_file(struct model *m, const char *key, char *prefix)
{
	const char *slash = strrchr(key, '/');

	if (key_is_directory(m, key))
		snprintf(prefix, KEY_SIZE, "%s/", key);
	else
		snprintf(prefix, KEY_SIZE, "%.*s", slash ? (int)(slash - key) + 1 : 0, key);
}

static void parent_of_directory(const char *directory, char *prefix)
{
	size_t size = strlen(directory) - 1;

	while (size > 0 && directory[size - 1] != '/')
		size--;
	snprintf(prefix, KEY_SIZE, "%.*s", (int)size, directory);
}

/* A name has gone from a directory, which stays. */
static void keep(struct model *m, const char *prefix)
{
	if (!directory_exists(m, prefix))
		set(m->made, prefix, "");
}

/* Can a file or directory be made there: is what it is in a directory? */
static int can_make(struct model *m, const char *key)
{
	char prefix[KEY_SIZE];

	for (const char *slash = strchr(key, '/'); slash; slash = strchr(slash + 1, '/')) {
		char above[KEY_SIZE];

		snprintf(prefix, sizeof(prefix), "%.*s", (int)(slash - key) + 1, key);
		snprintf(above, sizeof(above), "%.*s", (int)(slash - key), key);
		if (!directory_exists(m, prefix))
			return file_value(m, above) != NULL ? -ENOTDIR : -ENOENT;
	}
	return 0;
}

static void random_value(struct model *m, char *value)
{
	snprintf(value, VALUE_SIZE, "v%u", (unsigned)rng_below(&m->rng, 1000000));
}

static bool any_unstored(const struct model *m)
{
	for (int i = 0; i < HANDLES; i++) {
		if (m->handles[i].file != NULL && m->handles[i].pending == WHOLE)
			return true;
	}
	return false;
}

/* The application writes or deletes a key that is not open. It does not while files are in memory
 * only: deleting the last key around them would leave them in no directory. */
static void step_application(struct model *m)
{
	char key[KEY_SIZE], value[VALUE_SIZE];

	random_key(m, key);
	random_value(m, value);
	if (any_unstored(m) || handle_of(m, key) != NULL)
		return;
	if (find(m->entries, key) != NULL && rng_below(&m->rng, 2)) {
		world_delete(&m->world, key);
		erase(m->entries, key);
	} else if (count_used(m->entries) < FILES_MAX / 2) {
		world_put(&m->world, key, value);
		set(m->entries, key, value);
	}
}

static void step_write(struct model *m)
{
	char key[KEY_SIZE], value[VALUE_SIZE], path[NAMES_PATH_SIZE];
	int expected;

	random_key(m, key);
	random_value(m, value);
	if (handle_of(m, key) != NULL || count_used(m->entries) >= FILES_MAX / 2)
		return;
	expected = can_make(m, key);
	file_path(m, key, path);
	assert_int_equal(world_write(&m->world, path, value), expected);
	if (!expected)
		set(m->entries, key, value);
}

static void step_open(struct model *m)
{
	static const int all_flags[] = {O_RDWR, O_RDWR | O_TRUNC, O_CREAT};
	int flags = all_flags[rng_below(&m->rng, 3)];
	struct handle *h = &m->handles[rng_below(&m->rng, HANDLES)];
	char key[KEY_SIZE], path[NAMES_PATH_SIZE];
	int expected;

	random_key(m, key);
	if (h->file != NULL || handle_of(m, key) != NULL || count_used(m->entries) >= FILES_MAX / 2)
		return;
	file_path(m, key, path);
	expected = can_make(m, key);
	if (flags == O_CREAT) {
		if (!expected && file_value(m, key) != NULL)
			expected = -EEXIST;
		assert_int_equal(world_create(&m->world, path, &h->file), expected);
	} else {
		if (!expected && file_value(m, key) == NULL)
			expected = -ENOENT;
		assert_int_equal(world_open_file(&m->world, path, flags, &h->file), expected);
	}
	if (expected) {
		h->file = NULL;
		return;
	}
	h->removed = false;
	h->pending = flags == O_RDWR ? CLEAN : WHOLE;
	h->value[0] = '\0';
	strcpy(h->key, key);
}

/* What a write, or a truncation, leaves; zeros would end the text, so none come about. */
static void step_handle_write(struct model *m)
{
	struct handle *h = &m->handles[rng_below(&m->rng, HANDLES)];
	char text[VALUE_SIZE], *value = h->value;
	size_t offset;

	if (h->file == NULL)
		return;
	if (!h->removed && h->pending == CLEAN)
		strcpy(value, file_value(m, h->key));
	random_value(m, text);
	offset = rng_below(&m->rng, strlen(value) + 1);
	if (offset + strlen(text) >= VALUE_SIZE)
		offset = 0;
	assert_int_equal(fs_write(m->world.fs, h->file, (off_t)offset, text, strlen(text)), 0);
	if (offset + strlen(text) > strlen(value))
		strcpy(value + offset, text);
	else
		memcpy(value + offset, text, strlen(text));
	if (!h->removed && h->pending == CLEAN)
		h->pending = IN_PLACE;
}

/* What is pending is stored. */
static void settle(struct model *m, struct handle *h)
{
	if (h->removed || h->pending == CLEAN)
		return;
	set(m->entries, h->key, h->value);
	h->pending = CLEAN;
}

static void step_close(struct model *m)
{
	struct handle *h = &m->handles[rng_below(&m->rng, HANDLES)];

	if (h->file == NULL)
		return;
	if (rng_below(&m->rng, 4) == 0) {
		assert_int_equal(fs_fsync(m->world.fs, h->file), 0);
		settle(m, h);
		return;
	}
	assert_int_equal(world_close_file(&m->world, h->file), 0);
	settle(m, h);
	h->file = NULL;
}

static void step_truncate(struct model *m)
{
	struct fs_setattr change = {.what = FS_SET_SIZE, .size = 1};
	char key[KEY_SIZE], path[NAMES_PATH_SIZE];
	struct handle *h;

	random_key(m, key);
	if (file_value(m, key) == NULL || file_value(m, key)[0] == '\0')
		return;
	file_path(m, key, path);
	assert_int_equal(world_setattr(&m->world, path, &change), 0);
	h = handle_of(m, key);
	if (h != NULL && h->pending == WHOLE) {
		h->value[1] = '\0';
		return;
	}
	if (h != NULL)
		settle(m, h);
	find(m->entries, key)->value[1] = '\0';
}

static void step_mkdir(struct model *m)
{
	char key[KEY_SIZE], path[NAMES_PATH_SIZE], prefix[KEY_SIZE + 1];
	int expected;

	random_key(m, key);
	if (count_used(m->made) >= FILES_MAX / 2)
		return;
	snprintf(prefix, sizeof(prefix), "%s/", key);
	expected = can_make(m, key);
	if (!expected && (file_value(m, key) != NULL || directory_exists(m, prefix)))
		expected = -EEXIST;
	directory_path(prefix, path);
	assert_int_equal(world_mkdir(&m->world, path), expected);
	if (!expected)
		set(m->made, prefix, "");
}

static void step_rmdir(struct model *m)
{
	char key[KEY_SIZE], path[NAMES_PATH_SIZE], prefix[KEY_SIZE + 1], parent[KEY_SIZE];
	int expected;

	random_key(m, key);
	snprintf(prefix, sizeof(prefix), "%s/", key);
	expected = can_make(m, key);
	if (!expected && !directory_exists(m, prefix))
		expected = file_value(m, key) != NULL ? -ENOTDIR : -ENOENT;
	if (!expected && !directory_is_empty(m, prefix))
		expected = -ENOTEMPTY;
	directory_path(prefix, path);
	assert_int_equal(world_rmdir(&m->world, path), expected);
	if (expected)
		return;
	erase(m->made, prefix);
	parent_of_directory(prefix, parent);
	keep(m, parent);
}

static void remove_key(struct model *m, const char *key)
{
	struct handle *h = handle_of(m, key);

	if (h != NULL) {
		if (h->pending == CLEAN)
			strcpy(h->value, file_value(m, key));
		h->removed = true;
	}
	erase(m->entries, key);
}

static void step_unlink(struct model *m)
{
	char key[KEY_SIZE], path[NAMES_PATH_SIZE], parent[KEY_SIZE];
	int expected;

	random_key(m, key);
	expected = can_make(m, key);
	if (!expected && file_value(m, key) == NULL)
		expected = -ENOENT;
	file_path(m, key, path);
	parent_of_file(m, key, parent);
	assert_int_equal(world_unlink(&m->world, path), expected);
	if (expected)
		return;
	remove_key(m, key);
	keep(m, parent);
}

static void step_rename_file(struct model *m)
{
	char from[KEY_SIZE], to[KEY_SIZE], parent[KEY_SIZE];
	char path_from[NAMES_PATH_SIZE], path_to[NAMES_PATH_SIZE];
	struct handle *h;
	int expected;

	random_key(m, from);
	random_key(m, to);
	file_path(m, from, path_from);
	file_path(m, to, path_to);
	expected = can_make(m, from);
	if (expected && can_make(m, to))
		return; /* either error will do */
	if (!expected)
		expected = can_make(m, to);
	if (!expected && file_value(m, from) == NULL)
		expected = -ENOENT;
	parent_of_file(m, from, parent);
	assert_int_equal(world_rename(&m->world, path_from, path_to), expected);
	if (expected || !strcmp(from, to))
		return;
	remove_key(m, to);
	h = handle_of(m, from);
	if (h != NULL) {
		settle(m, h);
		strcpy(h->key, to);
	}
	set(m->entries, to, find(m->entries, from)->value);
	erase(m->entries, from);
	keep(m, parent);
}

/* Change the first part of a key. */
static void change_prefix(char *key, const char *from, const char *to)
{
	char changed[2 * KEY_SIZE];

	snprintf(changed, sizeof(changed), "%s%s", to, key + strlen(from));
	assert(strlen(changed) < KEY_SIZE);
	strcpy(key, changed);
}

/* Is the key that of the directory's value, or of something in it? */
static bool belongs_to(const char *key, const char *prefix)
{
	return begins(key, prefix) || (strlen(key) + 1 == strlen(prefix) && begins(prefix, key));
}

static void move_directory(struct model *m, const char *from, const char *to)
{
	char key_from[KEY_SIZE], key_to[KEY_SIZE];

	snprintf(key_from, sizeof(key_from), "%.*s", (int)strlen(from) - 1, from);
	snprintf(key_to, sizeof(key_to), "%.*s", (int)strlen(to) - 1, to);
	for (int i = 0; i < FILES_MAX; i++) {
		if (m->entries[i].used && belongs_to(m->entries[i].key, from))
			change_prefix(m->entries[i].key, key_from, key_to);
		if (m->made[i].used && begins(m->made[i].key, from))
			change_prefix(m->made[i].key, from, to);
	}
	for (int i = 0; i < HANDLES; i++) {
		struct handle *h = &m->handles[i];

		if (h->file != NULL && !h->removed && belongs_to(h->key, from))
			change_prefix(h->key, key_from, key_to);
	}
	set(m->made, to, "");
}

static bool keys_get_too_long(struct model *m, const char *from, const char *to)
{
	if (strlen(to) <= strlen(from))
		return false;
	for (int i = 0; i < FILES_MAX; i++) {
		if ((m->entries[i].used && strlen(m->entries[i].key) > KEY_SIZE / 2) ||
			(m->made[i].used && strlen(m->made[i].key) > KEY_SIZE / 2))
			return true;
	}
	return false;
}

static void step_rename_directory(struct model *m)
{
	char from[KEY_SIZE], to[KEY_SIZE], parent[KEY_SIZE];
	char path_from[NAMES_PATH_SIZE], path_to[NAMES_PATH_SIZE];
	bool is_file;
	int expected;

	random_key(m, from);
	random_key(m, to);
	strcat(from, "/");
	strcat(to, "/");
	if (!directory_exists(m, from) || can_make(m, from) != 0 || keys_get_too_long(m, from, to))
		return;
	directory_path(from, path_from);
	directory_path(to, path_to);
	to[strlen(to) - 1] = '\0';
	expected = can_make(m, to);
	is_file = !key_is_directory(m, to) && file_value(m, to) != NULL;
	strcat(to, "/");
	if (!expected && strcmp(from, to) != 0) {
		if (begins(to, from))
			expected = -EINVAL;
		else if (is_file)
			expected = -ENOTDIR;
		else if (directory_exists(m, to) && !directory_is_empty(m, to))
			expected = -ENOTEMPTY;
	}
	assert_int_equal(world_rename(&m->world, path_from, path_to), expected);
	if (expected || !strcmp(from, to))
		return;
	erase(m->made, to);
	move_directory(m, from, to);
	parent_of_directory(from, parent);
	keep(m, parent);
}

static void step_remount(struct model *m)
{
	if (rng_below(&m->rng, 20))
		return;
	for (int i = 0; i < HANDLES; i++) {
		struct handle *h = &m->handles[i];

		if (h->file == NULL)
			continue;
		assert_int_equal(world_close_file(&m->world, h->file), 0);
		settle(m, h);
		h->file = NULL;
	}
	world_remount(&m->world);
}

typedef void step_fn(struct model *m);

static const struct {
	const char *name;
	step_fn *run;
} steps[] = {
	{"application", step_application},
	{"application", step_application},
	{"write", step_write},
	{"open", step_open},
	{"open", step_open},
	{"handle_write", step_handle_write},
	{"handle_write", step_handle_write},
	{"close", step_close},
	{"truncate", step_truncate},
	{"mkdir", step_mkdir},
	{"rmdir", step_rmdir},
	{"unlink", step_unlink},
	{"unlink", step_unlink},
	{"rename_file", step_rename_file},
	{"rename_directory", step_rename_directory},
	{"remount", step_remount},
};

static void run(bool in_file, int rounds)
{
	struct rng rng = rng_seed("fs model");
	struct model *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	for (int round = 0; round < rounds; round++) {
		memset(m, 0, sizeof(*m));
		m->rng.state = rng_next(&rng);
		world_open(&m->world, in_file);
		m->world.options.conflict_fail = round % 2; /* nothing here is a conflict */
		world_remount(&m->world);
		for (int i = 0; i < 300; i++) {
			size_t step = rng_below(&m->rng, sizeof(steps) / sizeof(steps[0]));

			if (getenv("KEYTREE_VERBOSE"))
				fprintf(stderr, "%d/%d %s\n", round, i, steps[step].name);
			steps[step].run(m);
			check(m);
		}
		for (int i = 0; i < HANDLES; i++) {
			if (m->handles[i].file != NULL)
				assert_int_equal(
					world_close_file(&m->world, m->handles[i].file), 0);
		}
		assert_int_equal(world_count(&m->world, KT_NAMELESS), 0);
		world_close(&m->world);
	}
	free(m);
}

/* Any operations, in any order, over a store in memory. */
static void test_memory(void **state)
{
	(void)state;
	run(false, 30);
}

/* The same over a file, so that a remount reads it again. */
static void test_file(void **state)
{
	(void)state;
	run(true, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
