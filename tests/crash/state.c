#include "state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct state state_clone(const struct state *state)
{
	struct state clone;

	for (int i = 0; i < STATE_TREES; i++)
		clone.trees[i] = model_clone(&state->trees[i]);
	return clone;
}

void state_fini(struct state *state)
{
	for (int i = 0; i < STATE_TREES; i++)
		model_fini(&state->trees[i]);
}

/* ---- comparing ------------------------------------------------------------------------------- */

static bool same_bytes(struct kt_slice slice, const void *data, size_t size)
{
	return slice.size == size && (size == 0 || memcmp(slice.data, data, size) == 0);
}

/* NULL: the entry is what the model says; else what differs. */
static const char *compare_entry(
	const struct model_entry *entry, struct kt_slice value, const struct kt_stat *stat)
{
	if (!same_bytes(value, entry->value, entry->size))
		return "another value";
	if (stat->size != entry->size || !same_bytes(stat->attr, entry->attr, entry->attr_size))
		return "another attribute blob";
	if (entry->mtime_ns != 0 && stat->mtime_ns != entry->mtime_ns)
		return "another mtime";
	return NULL;
}

static bool is_ignored(struct kt_slice key, const char *ignored)
{
	return ignored != NULL && same_bytes(key, ignored, strlen(ignored));
}

/* Walk a tree beside its model. ret_err: the error that ended the walk, or 0. */
static const char *walk(
	const struct model *model, struct kt_cursor *cursor, const char *ignored, int *ret_err)
{
	const char *why = NULL;
	size_t i = 0;
	int err;

	while (why == NULL && (err = kt_cursor_next(cursor)) == 0) {
		struct kt_slice key = kt_cursor_key(cursor), value;
		struct kt_stat stat;

		if (is_ignored(key, ignored))
			continue;
		if (i == model->count ||
			!same_bytes(key, model->entries[i].key, model->entries[i].key_size))
			return "a key that should not be there, or one is missing";
		err = kt_cursor_value(cursor, &value);
		if (err == 0)
			err = kt_cursor_stat(cursor, &stat);
		if (err != 0)
			break;
		why = compare_entry(&model->entries[i++], value, &stat);
	}
	*ret_err = err == -ENOENT ? 0 : err;
	if (why == NULL && err == -ENOENT && i < model->count)
		why = "keys are missing at the end";
	return why;
}

/* Look up each key by itself, where the walk ended early. */
static const char *look_up(const struct model *model, struct kt_txn *txn)
{
	for (size_t i = 0; i < model->count; i++) {
		const struct model_entry *entry = &model->entries[i];
		struct kt_slice value;
		int err = kt_get(txn, entry->key, entry->key_size, &value);

		if (err == -ENOENT)
			return "a key is missing";
		if (err == 0 && !same_bytes(value, entry->value, entry->size))
			return "another value by its key";
	}
	return NULL;
}

static const char *compare_tree(
	const struct model *model, struct kt_txn *txn, const char *ignored, bool tolerant)
{
	struct kt_cursor *cursor;
	const char *why;
	int err = kt_cursor_open(txn, &cursor);

	if (err != 0)
		return "no cursor";
	why = walk(model, cursor, ignored, &err);
	kt_cursor_close(cursor);
	if (why != NULL || err == 0)
		return why;
	return tolerant ? look_up(model, txn) : "an error in place of data";
}

bool state_equals(const struct state *state, struct kt_txn *txn, const char *ignored, bool tolerant,
	const char **ret_why)
{
	*ret_why = NULL;
	for (int i = 0; i < STATE_TREES && *ret_why == NULL; i++)
		*ret_why = compare_tree(&state->trees[i], kt_tree(txn, (enum kt_tree_id)i),
			i == KT_ENTRIES ? ignored : NULL, tolerant);
	return *ret_why == NULL;
}

/* ---- history --------------------------------------------------------------------------------- */

void history_add(struct history *history, uint64_t txn, const struct state *state)
{
	if (history->count == history->capacity) {
		history->capacity = history->capacity * 2 + 16;
		history->at = realloc(history->at, history->capacity * sizeof(*history->at));
		assert(history->at != NULL);
	}
	history->at[history->count].txn = txn;
	history->at[history->count++].state = state_clone(state);
}

void history_drop(struct history *history)
{
	state_fini(&history->at[--history->count].state);
}

void history_fini(struct history *history)
{
	while (history->count > 0)
		history_drop(history);
	free(history->at);
	*history = (struct history){0};
}

const struct state *history_find(
	const struct history *history, struct kt_txn *txn, const char **ret_why)
{
	const char *why;

	*ret_why = "nobody committed this transaction";
	for (size_t i = history->count; i-- > 0;) {
		if (history->at[i].txn != kt_txn_id(txn))
			continue;
		if (state_equals(&history->at[i].state, txn, NULL, false, &why))
			return &history->at[i].state;
		*ret_why = why;
	}
	return NULL;
}
