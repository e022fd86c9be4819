#include "model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void *copy_of(const void *data, size_t size)
{
	void *copy = malloc(size + 1);

	assert_non_null(copy);
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

void model_fini(struct model *model)
{
	for (size_t i = 0; i < model->count; i++) {
		free(model->entries[i].key);
		free(model->entries[i].value);
		free(model->entries[i].attr);
	}
	free(model->entries);
	*model = (struct model){0};
}

struct model model_clone(const struct model *model)
{
	struct model clone = {.count = model->count, .capacity = model->count + 1};

	clone.entries = calloc(clone.capacity, sizeof(*clone.entries));
	assert_non_null(clone.entries);
	for (size_t i = 0; i < model->count; i++) {
		const struct model_entry *from = &model->entries[i];

		clone.entries[i] = *from;
		clone.entries[i].key = copy_of(from->key, from->key_size);
		clone.entries[i].value = copy_of(from->value, from->size);
		clone.entries[i].attr = copy_of(from->attr, from->attr_size);
	}
	return clone;
}

static int compare(const struct model_entry *entry, const void *key, size_t size)
{
	size_t both = entry->key_size < size ? entry->key_size : size;
	int order = both > 0 ? memcmp(entry->key, key, both) : 0;

	return order != 0 ? order : (entry->key_size > size) - (entry->key_size < size);
}

size_t model_find(const struct model *model, const void *key, size_t size, bool *exact)
{
	size_t low = 0, high = model->count;

	*exact = false;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = compare(&model->entries[middle], key, size);

		if (order == 0)
			*exact = true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct model_entry *model_edit(struct model *model, const void *key, size_t size)
{
	bool exact;
	size_t at = model_find(model, key, size, &exact);
	struct model_entry *entry;

	if (exact)
		return &model->entries[at];
	if (model->count + 1 > model->capacity) {
		model->capacity = model->capacity * 2 + 16;
		model->entries = realloc(model->entries, model->capacity * sizeof(*model->entries));
		assert_non_null(model->entries);
	}
	entry = &model->entries[at];
	memmove(entry + 1, entry, (model->count - at) * sizeof(*entry));
	model->count++;
	*entry = (struct model_entry){.key_size = size,
		.key = copy_of(key, size),
		.value = copy_of(NULL, 0),
		.attr = copy_of(NULL, 0)};
	return entry;
}

bool model_delete(struct model *model, const void *key, size_t size)
{
	bool exact;
	size_t at = model_find(model, key, size, &exact);
	struct model_entry *entry;

	if (!exact)
		return false;
	entry = &model->entries[at];
	free(entry->key);
	free(entry->value);
	free(entry->attr);
	model->count--;
	memmove(entry, entry + 1, (model->count - at) * sizeof(*entry));
	return true;
}

void model_resize(struct model_entry *entry, size_t size)
{
	entry->value = realloc(entry->value, size + 1);
	assert_non_null(entry->value);
	if (size > entry->size)
		memset(entry->value + entry->size, 0, size - entry->size);
	entry->size = size;
}

void model_set_attr(struct model_entry *entry, const void *attr, size_t size)
{
	free(entry->attr);
	entry->attr = copy_of(attr, size);
	entry->attr_size = size;
}

/* Give an entry the content of another. */
static void copy_content(struct model_entry *to, const struct model_entry *from)
{
	model_resize(to, from->size);
	memcpy(to->value, from->value, from->size);
	model_set_attr(to, from->attr, from->attr_size);
	to->mtime_ns = from->mtime_ns;
}

void model_link(struct model *model, struct model_entry *entry, const void *to, size_t to_size,
	uint64_t link)
{
	size_t index = (size_t)(entry - model->entries);
	struct model_entry *target;

	if (entry->link == 0)
		entry->link = link;
	target = model_edit(model, to, to_size);
	entry = &model->entries[index + (target <= &model->entries[index])];
	target->link = entry->link;
	copy_content(target, entry);
}

void model_spread(struct model *model, const struct model_entry *entry)
{
	for (size_t i = 0; i < model->count; i++) {
		struct model_entry *other = &model->entries[i];

		if (other != entry && other->link == entry->link && entry->link != 0)
			copy_content(other, entry);
	}
}

size_t model_keys(const struct model *model, const struct model_entry *entry)
{
	size_t keys = entry->link == 0;

	for (size_t i = 0; i < model->count && entry->link != 0; i++)
		keys += model->entries[i].link == entry->link;
	return keys;
}

static void assert_entry(struct kt_cursor *cursor, const struct model_entry *entry)
{
	struct kt_slice key = kt_cursor_key(cursor), value;
	struct kt_entry_info stat;

	assert_int_equal(key.size, entry->key_size);
	assert_memory_equal(key.data, entry->key, key.size);
	assert_int_equal(kt_cursor_value(cursor, &value), 0);
	assert_int_equal(value.size, entry->size);
	if (value.size > 0)
		assert_memory_equal(value.data, entry->value, value.size);
	assert_int_equal(kt_cursor_stat(cursor, &stat), 0);
	assert_int_equal(stat.size, entry->size);
	assert_int_equal(stat.attr.size, entry->attr_size);
	if (entry->attr_size > 0)
		assert_memory_equal(stat.attr.data, entry->attr, entry->attr_size);
	if (entry->mtime_ns != 0)
		assert_int_equal(stat.mtime_ns, entry->mtime_ns);
}

void model_assert_equal(const struct model *model, struct kt_txn *txn)
{
	struct kt_cursor *cursor;

	assert_int_equal(kt_cursor_open(txn, &cursor), 0);
	for (size_t i = 0; i < model->count; i++) {
		assert_int_equal(kt_cursor_next(cursor), 0);
		assert_entry(cursor, &model->entries[i]);
	}
	assert_int_equal(kt_cursor_next(cursor), -2 /* ENOENT */);
	for (size_t i = model->count; i-- > 0;) {
		assert_int_equal(kt_cursor_prev(cursor), 0);
		assert_entry(cursor, &model->entries[i]);
	}
	assert_int_equal(kt_cursor_prev(cursor), -2);
	kt_cursor_close(cursor);
	for (size_t i = 0; i < model->count; i++) {
		struct kt_slice value;
		const struct model_entry *entry = &model->entries[i];

		assert_int_equal(kt_get(txn, entry->key, entry->key_size, &value), 0);
		assert_int_equal(value.size, entry->size);
	}
}

/* The keys that differ, as a walk through both models finds them. */
struct expected {
	const struct model *before, *after;
	size_t i, j;
};

static int compare_entries(const struct model_entry *a, const struct model_entry *b)
{
	return compare(a, b->key, b->key_size);
}

static bool same_content(const struct model_entry *a, const struct model_entry *b)
{
	return a->size == b->size && a->attr_size == b->attr_size &&
	       memcmp(a->value, b->value, a->size) == 0 &&
	       memcmp(a->attr, b->attr, a->attr_size) == 0;
}

/* Pass the keys before one that is told of: none of them may differ. */
static void pass_equal(struct expected *e, const struct kt_slice *key)
{
	for (;;) {
		const struct model_entry *a =
			e->i < e->before->count ? &e->before->entries[e->i] : NULL;
		const struct model_entry *b =
			e->j < e->after->count ? &e->after->entries[e->j] : NULL;

		if ((a == NULL || (key != NULL && compare(a, key->data, key->size) >= 0)) &&
			(b == NULL || (key != NULL && compare(b, key->data, key->size) >= 0)))
			return;
		assert_non_null(a);
		assert_non_null(b);
		assert_int_equal(compare_entries(a, b), 0);
		assert_true(same_content(a, b));
		e->i++;
		e->j++;
	}
}

static int told(void *arg, const struct kt_slice *key, const struct kt_entry_info *from,
	const struct kt_entry_info *to)
{
	struct expected *e = arg;

	pass_equal(e, key);
	assert_true(from != NULL || to != NULL);
	if (from != NULL) {
		assert_true(e->i < e->before->count);
		assert_int_equal(compare(&e->before->entries[e->i], key->data, key->size), 0);
		assert_int_equal(from->size, e->before->entries[e->i++].size);
	}
	if (to != NULL) {
		assert_true(e->j < e->after->count);
		assert_int_equal(compare(&e->after->entries[e->j], key->data, key->size), 0);
		assert_int_equal(to->size, e->after->entries[e->j++].size);
	}
	return 0;
}

void model_assert_diff(const struct model *before, const struct model *after, struct kt_txn *from,
	struct kt_txn *to)
{
	struct expected e = {before, after, 0, 0};

	assert_int_equal(kt_diff(from, to, told, &e), 0);
	pass_equal(&e, NULL);
}
