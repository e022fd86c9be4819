#include "state.h"

#include "store/commit/txn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct state state_clone(const struct state *state)
{
	struct state clone = *state;

	for (int i = 0; i < STATE_TREES; i++)
		clone.trees[i] = model_clone(&state->trees[i]);
	for (size_t i = 0; i < state->kept_count; i++)
		state->kept[i]->uses++;
	return clone;
}

void state_fini(struct state *state)
{
	for (int i = 0; i < STATE_TREES; i++)
		model_fini(&state->trees[i]);
	while (state->kept_count > 0)
		state_forget(state, state->kept_count - 1);
}

/* ---- snapshots ------------------------------------------------------------------------------- */

void state_keep(struct state *state, const struct state *from, uint64_t txn, const char *name)
{
	struct kept *kept = calloc(1, sizeof(*kept));

	assert(kept != NULL && state->kept_count < STATE_KEPT && strlen(name) < STATE_NAME);
	kept->uses = 1;
	kept->txn = txn;
	strcpy(kept->name, name);
	for (int i = 0; i < STATE_TREES; i++)
		kept->trees[i] = model_clone(&from->trees[i]);
	state->kept[state->kept_count++] = kept;
}

void state_forget(struct state *state, size_t index)
{
	struct kept *kept = state->kept[index];

	state->kept_count--;
	memmove(&state->kept[index], &state->kept[index + 1],
		(state->kept_count - index) * sizeof(struct kept *));
	if (--kept->uses > 0)
		return;
	for (int i = 0; i < STATE_TREES; i++)
		model_fini(&kept->trees[i]);
	free(kept);
}

void state_restore(struct state *state, const struct model *trees)
{
	for (int i = KT_ENTRIES; i <= KT_DIRECTORIES; i++) {
		model_fini(&state->trees[i]);
		state->trees[i] = model_clone(&trees[i]);
	}
}

/* ---- comparing ------------------------------------------------------------------------------- */

static bool same_bytes(struct kt_slice slice, const void *data, size_t size)
{
	return slice.size == size && (size == 0 || memcmp(slice.data, data, size) == 0);
}

/* NULL: the entry is what the model says; else what differs. */
static const char *compare_entry(const struct model *model, const struct model_entry *entry,
	struct kt_slice value, const struct kt_entry_info *stat)
{
	if (!same_bytes(value, entry->value, entry->size))
		return "another value";
	if (stat->size != entry->size || !same_bytes(stat->attr, entry->attr, entry->attr_size))
		return "another attribute blob";
	if (entry->mtime_ns != 0 && stat->mtime_ns != entry->mtime_ns)
		return "another mtime";
	if (stat->keys != model_keys(model, entry))
		return "another number of keys that share it";
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
		struct kt_entry_info stat;

		if (is_ignored(key, ignored))
			continue;
		if (i == model->count ||
			!same_bytes(key, model->entries[i].key, model->entries[i].key_size))
			return "a key that should not be there, or one is missing";
		err = kt_cursor_value(cursor, &value);
		if (!err)
			err = kt_cursor_stat(cursor, &stat);
		if (err != 0)
			break;
		why = compare_entry(model, &model->entries[i++], value, &stat);
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
		if (!err && !same_bytes(value, entry->value, entry->size))
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
	if (why != NULL || !err)
		return why;
	return tolerant ? look_up(model, txn) : "an error in place of data";
}

static const char *compare_trees(
	const struct model *trees, struct kt_txn *txn, const char *ignored, bool tolerant)
{
	const char *why = NULL;

	for (int i = 0; i < STATE_TREES && why == NULL; i++)
		why = compare_tree(&trees[i], kt_tree(txn, (enum kt_tree_id)i),
			i == KT_ENTRIES ? ignored : NULL, tolerant);
	return why;
}

bool state_equals(const struct state *state, struct kt_txn *txn, const char *ignored, bool tolerant,
	const char **ret_why)
{
	*ret_why = compare_trees(state->trees, txn, ignored, tolerant);
	return *ret_why == NULL;
}

/* A walk through the list of snapshots beside that of a state. */
struct listing {
	const struct state *state;
	size_t count;
	const char *why;
};

static int compare_listed(void *arg, const struct kt_snapshot *snapshot)
{
	struct listing *listing = arg;
	const struct kept *kept;

	if (listing->count == listing->state->kept_count) {
		listing->why = "a snapshot that should not be there";
		return 1;
	}
	kept = listing->state->kept[listing->count++];
	if (strcmp(snapshot->name, kept->name) != 0 || snapshot->txn != kept->txn)
		listing->why = "another snapshot, or one is missing";
	else if (snapshot->entries != kept->trees[KT_ENTRIES].count)
		listing->why = "a snapshot with another number of entries";
	return listing->why != NULL;
}

static const char *compare_kept(const struct kept *kept, struct kt_store *store, bool tolerant)
{
	struct kt_txn *txn;
	const char *why;
	int err = kt_snapshot_open(store, kept->name, &txn);

	if (err == -ENOENT)
		return "a snapshot is missing";
	if (err != 0)
		return tolerant ? NULL : "an error in place of a snapshot";
	txn->txn->pager.verify = true; /* as KT_VERIFY */
	why = compare_trees(kept->trees, txn, NULL, tolerant);
	kt_abort(txn);
	return why != NULL ? "a snapshot that keeps something else" : NULL;
}

bool state_snapshots_equal(
	const struct state *state, struct kt_store *store, bool tolerant, const char **ret_why)
{
	struct listing listing = {.state = state};
	int err = kt_snapshot_list(store, compare_listed, &listing);

	if (listing.why == NULL && err != 0 && !tolerant)
		listing.why = "an error in place of snapshots";
	if (listing.why == NULL && !err && listing.count < state->kept_count)
		listing.why = "snapshots are missing at the end";
	for (size_t i = 0; i < state->kept_count && listing.why == NULL; i++)
		listing.why = compare_kept(state->kept[i], store, tolerant);
	*ret_why = listing.why;
	return listing.why == NULL;
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
	history->at[history->count].until = UINT64_MAX;
	history->at[history->count++].state = state_clone(state);
}

void history_drop(struct history *history)
{
	state_fini(&history->at[--history->count].state);
}

void history_end(struct history *history, uint64_t until)
{
	history->at[history->count - 1].until = until;
}

void history_fini(struct history *history)
{
	while (history->count > 0)
		history_drop(history);
	free(history->at);
	*history = (struct history){0};
}

const struct state *history_find(const struct history *history, uint64_t now,
	struct kt_store *store, struct kt_txn *txn, const char **ret_why)
{
	const char *why;

	*ret_why = "nobody committed this transaction";
	for (size_t i = history->count; i-- > 0;) {
		if (history->at[i].txn != kt_txn_id(txn) || history->at[i].until < now)
			continue;
		if (state_equals(&history->at[i].state, txn, NULL, false, &why) &&
			state_snapshots_equal(&history->at[i].state, store, false, &why))
			return &history->at[i].state;
		*ret_why = why;
	}
	return NULL;
}
