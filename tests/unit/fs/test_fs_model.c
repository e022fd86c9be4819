/* Random operations, by applications and through the mount, against a plain model (fs_model.h). After
 * each step the file system must show what the model says.
 */
#include "tests/unit/fs/fs_model.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void random_key(struct fs_model *m, char *key)
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
static void parent_of_file(struct fs_model *m, const char *key, char *prefix)
{
	const char *slash = strrchr(key, '/');

	if (fs_model_key_is_directory(m, key))
		snprintf(prefix, KEY_SIZE, "%.*s/", KEY_SIZE - 2, key);
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

static void random_value(struct fs_model *m, char *value)
{
	snprintf(value, VALUE_SIZE, "v%u", (unsigned)rng_below(&m->rng, 1000000));
}

static bool any_unstored(const struct fs_model *m)
{
	for (int i = 0; i < HANDLES; i++) {
		if (m->handles[i].file != NULL && m->handles[i].pending == WHOLE)
			return true;
	}
	return false;
}

/* The application writes or deletes a key that is not open. It does not while files are in memory
 * only: deleting the last key around them would leave them in no directory. */
static void step_application(struct fs_model *m)
{
	char key[KEY_SIZE], value[VALUE_SIZE];

	random_key(m, key);
	random_value(m, value);
	if (any_unstored(m) || fs_model_handle(m, key) != NULL)
		return;
	if (fs_model_find(m->entries, key) != NULL && rng_below(&m->rng, 2)) {
		world_delete(&m->world, key);
		fs_model_erase(m->entries, key);
	} else if (fs_model_count(m->entries) < FILES_MAX / 2) {
		world_put(&m->world, key, value);
		fs_model_set(m->entries, key, value);
	}
}

static void step_write(struct fs_model *m)
{
	char key[KEY_SIZE], value[VALUE_SIZE], path[NAMES_PATH_SIZE];
	int expected;

	random_key(m, key);
	random_value(m, value);
	if (fs_model_handle(m, key) != NULL || fs_model_count(m->entries) >= FILES_MAX / 2)
		return;
	expected = fs_model_can_make(m, key);
	fs_model_file_path(m, key, path);
	assert_int_equal(world_write(&m->world, path, value), expected);
	if (!expected)
		fs_model_set(m->entries, key, value);
}

static void step_open(struct fs_model *m)
{
	static const int all_flags[] = {O_RDWR, O_RDWR | O_TRUNC, O_CREAT};
	int flags = all_flags[rng_below(&m->rng, 3)];
	struct model_handle *h = &m->handles[rng_below(&m->rng, HANDLES)];
	char key[KEY_SIZE], path[NAMES_PATH_SIZE];
	int expected;

	random_key(m, key);
	if (h->file != NULL || fs_model_handle(m, key) != NULL ||
		fs_model_count(m->entries) >= FILES_MAX / 2)
		return;
	fs_model_file_path(m, key, path);
	expected = fs_model_can_make(m, key);
	if (flags == O_CREAT) {
		if (!expected && fs_model_value(m, key) != NULL)
			expected = -EEXIST;
		assert_int_equal(world_create(&m->world, path, &h->file), expected);
	} else {
		if (!expected && fs_model_value(m, key) == NULL)
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
static void step_handle_write(struct fs_model *m)
{
	struct model_handle *h = &m->handles[rng_below(&m->rng, HANDLES)];
	char text[VALUE_SIZE], *value = h->value;
	size_t offset;

	if (h->file == NULL)
		return;
	if (!h->removed && h->pending == CLEAN)
		strcpy(value, fs_model_value(m, h->key));
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
static void settle(struct fs_model *m, struct model_handle *h)
{
	if (h->removed || h->pending == CLEAN)
		return;
	fs_model_set(m->entries, h->key, h->value);
	h->pending = CLEAN;
}

static void step_close(struct fs_model *m)
{
	struct model_handle *h = &m->handles[rng_below(&m->rng, HANDLES)];

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

static void step_truncate(struct fs_model *m)
{
	struct fs_setattr change = {.what = FS_SET_SIZE, .size = 1};
	char key[KEY_SIZE], path[NAMES_PATH_SIZE];
	struct model_handle *h;

	random_key(m, key);
	if (fs_model_value(m, key) == NULL || fs_model_value(m, key)[0] == '\0')
		return;
	fs_model_file_path(m, key, path);
	assert_int_equal(world_setattr(&m->world, path, &change), 0);
	h = fs_model_handle(m, key);
	if (h != NULL && h->pending == WHOLE) {
		h->value[1] = '\0';
		return;
	}
	if (h != NULL)
		settle(m, h);
	fs_model_find(m->entries, key)->value[1] = '\0';
}

static void step_mkdir(struct fs_model *m)
{
	char key[KEY_SIZE], path[NAMES_PATH_SIZE], prefix[KEY_SIZE + 1];
	int expected;

	random_key(m, key);
	if (fs_model_count(m->made) >= FILES_MAX / 2)
		return;
	snprintf(prefix, sizeof(prefix), "%s/", key);
	expected = fs_model_can_make(m, key);
	if (!expected && (fs_model_value(m, key) != NULL || fs_model_is_directory(m, prefix)))
		expected = -EEXIST;
	fs_model_directory_path(prefix, path);
	assert_int_equal(world_mkdir(&m->world, path), expected);
	if (!expected)
		fs_model_set(m->made, prefix, "");
}

static void step_rmdir(struct fs_model *m)
{
	char key[KEY_SIZE], path[NAMES_PATH_SIZE], prefix[KEY_SIZE + 1], parent[KEY_SIZE];
	int expected;

	random_key(m, key);
	snprintf(prefix, sizeof(prefix), "%s/", key);
	expected = fs_model_can_make(m, key);
	if (!expected && !fs_model_is_directory(m, prefix))
		expected = fs_model_value(m, key) != NULL ? -ENOTDIR : -ENOENT;
	if (!expected && !fs_model_is_empty(m, prefix))
		expected = -ENOTEMPTY;
	fs_model_directory_path(prefix, path);
	assert_int_equal(world_rmdir(&m->world, path), expected);
	if (expected)
		return;
	fs_model_erase(m->made, prefix);
	parent_of_directory(prefix, parent);
	fs_model_keep(m, parent);
}

static void remove_key(struct fs_model *m, const char *key)
{
	struct model_handle *h = fs_model_handle(m, key);

	if (h != NULL) {
		if (h->pending == CLEAN)
			strcpy(h->value, fs_model_value(m, key));
		h->removed = true;
	}
	fs_model_erase(m->entries, key);
}

static void step_unlink(struct fs_model *m)
{
	char key[KEY_SIZE], path[NAMES_PATH_SIZE], parent[KEY_SIZE];
	int expected;

	random_key(m, key);
	expected = fs_model_can_make(m, key);
	if (!expected && fs_model_value(m, key) == NULL)
		expected = -ENOENT;
	fs_model_file_path(m, key, path);
	parent_of_file(m, key, parent);
	assert_int_equal(world_unlink(&m->world, path), expected);
	if (expected)
		return;
	remove_key(m, key);
	fs_model_keep(m, parent);
}

static void step_rename_file(struct fs_model *m)
{
	char from[KEY_SIZE], to[KEY_SIZE], parent[KEY_SIZE];
	char path_from[NAMES_PATH_SIZE], path_to[NAMES_PATH_SIZE];
	struct model_handle *h;
	int expected;

	random_key(m, from);
	random_key(m, to);
	fs_model_file_path(m, from, path_from);
	fs_model_file_path(m, to, path_to);
	expected = fs_model_can_make(m, from);
	if (expected && fs_model_can_make(m, to))
		return; /* either error will do */
	if (!expected)
		expected = fs_model_can_make(m, to);
	if (!expected && fs_model_value(m, from) == NULL)
		expected = -ENOENT;
	parent_of_file(m, from, parent);
	assert_int_equal(world_rename(&m->world, path_from, path_to), expected);
	if (expected || !strcmp(from, to))
		return;
	remove_key(m, to);
	h = fs_model_handle(m, from);
	if (h != NULL) {
		settle(m, h);
		strcpy(h->key, to);
	}
	fs_model_set(m->entries, to, fs_model_find(m->entries, from)->value);
	fs_model_erase(m->entries, from);
	fs_model_keep(m, parent);
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
	return fs_model_begins(key, prefix) ||
	       (strlen(key) + 1 == strlen(prefix) && fs_model_begins(prefix, key));
}

static void move_directory(struct fs_model *m, const char *from, const char *to)
{
	char key_from[KEY_SIZE], key_to[KEY_SIZE];

	snprintf(key_from, sizeof(key_from), "%.*s", (int)strlen(from) - 1, from);
	snprintf(key_to, sizeof(key_to), "%.*s", (int)strlen(to) - 1, to);
	for (int i = 0; i < FILES_MAX; i++) {
		if (m->entries[i].used && belongs_to(m->entries[i].key, from))
			change_prefix(m->entries[i].key, key_from, key_to);
		if (m->made[i].used && fs_model_begins(m->made[i].key, from))
			change_prefix(m->made[i].key, from, to);
	}
	for (int i = 0; i < HANDLES; i++) {
		struct model_handle *h = &m->handles[i];

		if (h->file != NULL && !h->removed && belongs_to(h->key, from))
			change_prefix(h->key, key_from, key_to);
	}
	fs_model_set(m->made, to, "");
}

static bool keys_get_too_long(struct fs_model *m, const char *from, const char *to)
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

static void step_rename_directory(struct fs_model *m)
{
	char from[KEY_SIZE], to[KEY_SIZE], parent[KEY_SIZE];
	char path_from[NAMES_PATH_SIZE], path_to[NAMES_PATH_SIZE];
	bool is_file;
	int expected;

	random_key(m, from);
	random_key(m, to);
	strcat(from, "/");
	strcat(to, "/");
	if (!fs_model_is_directory(m, from) || fs_model_can_make(m, from) != 0 ||
		keys_get_too_long(m, from, to))
		return;
	fs_model_directory_path(from, path_from);
	fs_model_directory_path(to, path_to);
	to[strlen(to) - 1] = '\0';
	expected = fs_model_can_make(m, to);
	is_file = !fs_model_key_is_directory(m, to) && fs_model_value(m, to) != NULL;
	strcat(to, "/");
	if (!expected && strcmp(from, to) != 0) {
		if (fs_model_begins(to, from))
			expected = -EINVAL;
		else if (is_file)
			expected = -ENOTDIR;
		else if (fs_model_is_directory(m, to) && !fs_model_is_empty(m, to))
			expected = -ENOTEMPTY;
	}
	assert_int_equal(world_rename(&m->world, path_from, path_to), expected);
	if (expected || !strcmp(from, to))
		return;
	fs_model_erase(m->made, to);
	move_directory(m, from, to);
	parent_of_directory(from, parent);
	fs_model_keep(m, parent);
}

static void step_remount(struct fs_model *m)
{
	if (rng_below(&m->rng, 20))
		return;
	for (int i = 0; i < HANDLES; i++) {
		struct model_handle *h = &m->handles[i];

		if (h->file == NULL)
			continue;
		assert_int_equal(world_close_file(&m->world, h->file), 0);
		settle(m, h);
		h->file = NULL;
	}
	world_remount(&m->world);
}

typedef void step_fn(struct fs_model *m);

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
	struct fs_model *m = calloc(1, sizeof(*m));

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
			fs_model_check(m);
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
