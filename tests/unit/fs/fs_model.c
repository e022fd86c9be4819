/* A plain model of a file system, and how it is compared. See fs_model.h. */
#include "tests/unit/fs/fs_model.h"

#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct model_entry *fs_model_find(struct model_entry *entries, const char *key)
{
	for (int i = 0; i < FILES_MAX; i++) {
		if (entries[i].used && !strcmp(entries[i].key, key))
			return &entries[i];
	}
	return NULL;
}

void fs_model_set(struct model_entry *entries, const char *key, const char *value)
{
	struct model_entry *entry = fs_model_find(entries, key);

	for (int i = 0; entry == NULL && i < FILES_MAX; i++) {
		if (!entries[i].used)
			entry = &entries[i];
	}
	assert(entry != NULL);
	entry->used = true;
	snprintf(entry->key, sizeof(entry->key), "%s", key);
	snprintf(entry->value, sizeof(entry->value), "%s", value);
}

void fs_model_erase(struct model_entry *entries, const char *key)
{
	struct model_entry *entry = fs_model_find(entries, key);

	if (entry != NULL)
		entry->used = false;
}

size_t fs_model_count(const struct model_entry *entries)
{
	size_t count = 0;

	for (int i = 0; i < FILES_MAX; i++)
		count += entries[i].used;
	return count;
}

struct model_handle *fs_model_handle(struct fs_model *m, const char *key)
{
	for (int i = 0; i < HANDLES; i++) {
		struct model_handle *h = &m->handles[i];

		if (h->file != NULL && !h->removed && !strcmp(h->key, key))
			return h;
	}
	return NULL;
}

/* ---- what the model shows -------------------------------------------------------------------- */

/* What a file shows, or NULL without one. */
const char *fs_model_value(struct fs_model *m, const char *key)
{
	struct model_handle *h = fs_model_handle(m, key);
	struct model_entry *entry = fs_model_find(m->entries, key);

	if (h != NULL && h->pending != CLEAN)
		return h->value;
	return entry != NULL ? entry->value : NULL;
}

bool fs_model_begins(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Is there a directory: "a/b/"? */
bool fs_model_is_directory(struct fs_model *m, const char *prefix)
{
	if (*prefix == '\0')
		return true;
	for (int i = 0; i < FILES_MAX; i++) {
		if ((m->entries[i].used && fs_model_begins(m->entries[i].key, prefix)) ||
			(m->made[i].used && fs_model_begins(m->made[i].key, prefix)))
			return true;
	}
	return false;
}

bool fs_model_key_is_directory(struct fs_model *m, const char *key)
{
	char prefix[KEY_SIZE + 1];

	snprintf(prefix, sizeof(prefix), "%s/", key);
	return fs_model_is_directory(m, prefix);
}

/* The key of the i-th file, stored or not; NULL: no such file. */
static const char *file_key(struct fs_model *m, int i)
{
	if (i < FILES_MAX)
		return m->entries[i].used ? m->entries[i].key : NULL;
	i -= FILES_MAX;
	if (m->handles[i].file == NULL || m->handles[i].removed || m->handles[i].pending != WHOLE)
		return NULL;
	return fs_model_find(m->entries, m->handles[i].key) ? NULL : m->handles[i].key;
}

#define FILE_KEYS (FILES_MAX + HANDLES)

bool fs_model_is_empty(struct fs_model *m, const char *prefix)
{
	char value[KEY_SIZE];

	snprintf(value, sizeof(value), "%.*s", (int)strlen(prefix) - 1, prefix);
	if (fs_model_value(m, value) != NULL)
		return false;
	for (int i = 0; i < FILE_KEYS; i++) {
		if (file_key(m, i) != NULL && fs_model_begins(file_key(m, i), prefix))
			return false;
	}
	for (int i = 0; i < FILES_MAX; i++) {
		if (m->made[i].used && fs_model_begins(m->made[i].key, prefix) &&
			strcmp(m->made[i].key, prefix) != 0)
			return false;
	}
	return true;
}

void fs_model_keep(struct fs_model *m, const char *prefix)
{
	if (!fs_model_is_directory(m, prefix))
		fs_model_set(m->made, prefix, "");
}

int fs_model_can_make(struct fs_model *m, const char *key)
{
	char prefix[KEY_SIZE];

	for (const char *slash = strchr(key, '/'); slash; slash = strchr(slash + 1, '/')) {
		char above[KEY_SIZE];

		snprintf(prefix, sizeof(prefix), "%.*s", (int)(slash - key) + 1, key);
		snprintf(above, sizeof(above), "%.*s", (int)(slash - key), key);
		if (!fs_model_is_directory(m, prefix))
			return fs_model_value(m, above) != NULL ? -ENOTDIR : -ENOENT;
	}
	return 0;
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
static void add_name(struct fs_model *m, const char *prefix, const char *key, char *text)
{
	const char *rest = key + strlen(prefix);
	const char *end = strchr(rest, '/');
	char name[NAMES_MAX + 1];
	size_t size = end ? (size_t)(end - rest) : strlen(rest);

	assert_int_equal(names_encode('/', rest == key, rest, size, name), size);
	strcat(strcat(text, " "), name);
	if (end != NULL || fs_model_key_is_directory(m, key))
		strcat(text, "/");
}

static void expect_list(struct fs_model *m, const char *prefix, char *text)
{
	char value[KEY_SIZE];

	text[0] = '\0';
	snprintf(value, sizeof(value), "%.*s", (int)strlen(prefix) - 1, prefix);
	if (*prefix != '\0' && fs_model_value(m, value) != NULL)
		strcat(text, "%value");
	for (int i = 0; i < FILE_KEYS; i++) {
		if (file_key(m, i) != NULL && fs_model_begins(file_key(m, i), prefix))
			add_name(m, prefix, file_key(m, i), text);
	}
	for (int i = 0; i < FILES_MAX; i++) {
		if (m->made[i].used && fs_model_begins(m->made[i].key, prefix) &&
			strcmp(m->made[i].key, prefix) != 0)
			add_name(m, prefix, m->made[i].key, text);
	}
	sort_words(text);
}

/* Path of a directory: of its key, but for the root. */
void fs_model_directory_path(const char *prefix, char *path)
{
	path[0] = '\0';
	if (*prefix != '\0')
		assert_int_equal(
			names_path_of_key('/', prefix, strlen(prefix) - 1, false, path), 0);
}

void fs_model_file_path(struct fs_model *m, const char *key, char *path)
{
	assert_int_equal(
		names_path_of_key('/', key, strlen(key), fs_model_key_is_directory(m, key), path),
		0);
}

static void check_directory(struct fs_model *m, const char *prefix)
{
	char expected[4096], listed[4096], path[NAMES_PATH_SIZE];

	fs_model_directory_path(prefix, path);
	expect_list(m, prefix, expected);
	snprintf(listed, sizeof(listed), "%s", world_list(&m->world, path));
	sort_words(listed);
	assert_string_equal(listed, expected);
}

/* Check each directory that a key or made directory is in. */
static void check_directories_of(struct fs_model *m, const char *key)
{
	char prefix[KEY_SIZE];

	for (const char *slash = strchr(key, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(prefix, sizeof(prefix), "%.*s", (int)(slash - key) + 1, key);
		check_directory(m, prefix);
	}
}

static void check_store(struct fs_model *m)
{
	struct kt_store_info info;

	assert_int_equal(kt_info(m->world.store, &info), 0);
	assert_int_equal(info.entries, fs_model_count(m->entries));
	for (int i = 0; i < FILES_MAX; i++) {
		struct model_entry *e = &m->entries[i];
		struct model_handle *h = e->used ? fs_model_handle(m, e->key) : NULL;
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

void fs_model_check(struct fs_model *m)
{
	char path[NAMES_PATH_SIZE];

	check_directory(m, "");
	for (int i = 0; i < FILE_KEYS; i++) {
		const char *key = file_key(m, i);

		if (key == NULL)
			continue;
		check_directories_of(m, key);
		fs_model_file_path(m, key, path);
		assert_string_equal(world_read(&m->world, path), fs_model_value(m, key));
	}
	for (int i = 0; i < FILES_MAX; i++) {
		if (m->made[i].used)
			check_directories_of(m, m->made[i].key);
	}
	for (int i = 0; i < HANDLES; i++) {
		struct model_handle *h = &m->handles[i];

		if (h->file != NULL)
			assert_string_equal(world_read_file(&m->world, h->file),
				h->removed ? h->value : fs_model_value(m, h->key));
	}
	check_store(m);
}
