/* Cursors: walking a tree in both directions, within bounds.
 *
 * When a cursor enters a leaf it finds the range of indexes [begin, end) that lies within its
 * bounds; a step inside that range then compares nothing. The cell is parsed and the key put
 * together when they are asked for, unless the transaction writes: then the key is kept, so that
 * the cursor can find its place again after a change.
 */
#include "store/entry/entry.h"
#include "store/error.h"
#include "store/tree/node.h"
#include "store/tree/readahead.h"
#include "store/commit/txn.h"
#include "store/tree/tree.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum state {
	NOWHERE, /* not positioned yet */
	BEFORE,	 /* before the first entry of the range */
	ON,
	AFTER, /* behind the last */
};

#define FETCH_CELLS 4 /* how far ahead */
#define UNKNOWN UINT_MAX

/* A bound of the range, or none. */
struct bound {
	uint8_t *key; /* NULL: none */
	size_t size;
};

struct kt_cursor {
	struct txn *txn;
	const struct format_tree *tree;
	const uint8_t *prefix; /* of a collection: callers leave it out of their keys */
	size_t prefix_size;
	struct bound from, to;
	enum state state;
	struct path path;
	struct readahead readahead;	  /* of the leaves that are to come */
	unsigned begin, end;		  /* indexes of the leaf that are in the range */
	bool fetched;			  /* all of the leaf is in the cache, or on its way there */
	const uint8_t *ahead, *ahead_end; /* of the next leaf: what is still to be fetched */
	unsigned ahead_lines;		  /* at each step; 0: nothing */
	uint64_t generation;		  /* of the transaction when the path was made */
	bool has_cell;			  /* cell is that of the path */
	struct cell cell;
	bool has_key;	   /* key is that of the path */
	bool is_transient; /* values and attributes go to the memory below */
	struct entry_memory value, attr;
	const uint8_t *prefix_of; /* node whose prefix key begins with, or NULL */
	size_t key_size;
	uint8_t key[KT_KEY_MAX];
};

int kt_cursor_open(struct kt_txn *handle, struct kt_cursor **ret_cursor)
{
	struct kt_cursor *cursor = malloc(sizeof(*cursor));
	int err;

	if (cursor == NULL)
		return -ENOMEM;
	memset(cursor, 0, offsetof(struct kt_cursor, key));
	cursor->txn = handle->txn;
	cursor->tree = &handle->txn->trees[handle->tree];
	cursor->prefix = handle->prefix;
	cursor->prefix_size = handle->prefix_size;
	err = kt_cursor_set_prefix(cursor, NULL, 0);
	if (err != 0)
		kt_cursor_close(cursor);
	else
		*ret_cursor = cursor;
	return err;
}

void kt_cursor_close(struct kt_cursor *cursor)
{
	if (cursor == NULL)
		return;
	entry_memory_fini(&cursor->value);
	entry_memory_fini(&cursor->attr);
	free(cursor->from.key);
	free(cursor->to.key);
	free(cursor);
}

void kt_cursor_set_transient(struct kt_cursor *cursor)
{
	cursor->is_transient = true;
}

/* ---- bounds ---------------------------------------------------------------------------------- */

/* Make a key, behind the collection's prefix, a bound; with neither, there is none. */
static int set_bound(struct kt_cursor *cursor, struct bound *bound, const void *key, size_t size)
{
	size_t whole = cursor->prefix_size + size;
	uint8_t *copy = NULL;

	if (key != NULL || whole > 0) {
		copy = malloc(whole > 0 ? whole : 1);
		if (copy == NULL)
			return -ENOMEM;
		if (cursor->prefix_size > 0)
			memcpy(copy, cursor->prefix, cursor->prefix_size);
		if (size > 0)
			memcpy(copy + cursor->prefix_size, key, size);
	}
	free(bound->key);
	bound->key = copy;
	bound->size = whole;
	return 0;
}

/* Make a bound behind all keys that begin with it: its last byte that is not 0xff is increased, and
 * what follows that byte cut off. */
static void raise_bound(struct bound *bound)
{
	while (bound->size > 0 && bound->key[bound->size - 1] == 0xff)
		bound->size--;
	if (bound->size > 0) {
		bound->key[bound->size - 1]++;
		return;
	}
	free(bound->key);
	bound->key = NULL;
}

int kt_cursor_set_range(struct kt_cursor *cursor, const void *from, size_t from_size,
	const void *to, size_t to_size)
{
	int err = set_bound(cursor, &cursor->from, from, from != NULL ? from_size : 0);

	if (!err)
		err = set_bound(cursor, &cursor->to, to, to != NULL ? to_size : 0);
	if (!err && to == NULL)
		raise_bound(&cursor->to);
	cursor->state = NOWHERE;
	return err;
}

int kt_cursor_set_prefix(struct kt_cursor *cursor, const void *prefix, size_t size)
{
	int err = set_bound(cursor, &cursor->from, size > 0 ? prefix : NULL, size);

	if (!err)
		err = set_bound(cursor, &cursor->to, size > 0 ? prefix : NULL, size);
	if (!err)
		raise_bound(&cursor->to);
	cursor->state = NOWHERE;
	return err;
}

/* ---- positions ------------------------------------------------------------------------------- */

/* Parse the cell the path leads to. */
static int load_cell(struct kt_cursor *cursor)
{
	int err;

	if (cursor->has_cell)
		return 0;
	err = tree_cell(&cursor->path, &cursor->cell);
	cursor->has_cell = !err;
	return err;
}

/* Put the key of the cursor's cell together. The prefix is that of the cell before, most times. */
static int put_key_together(struct kt_cursor *cursor)
{
	const uint8_t *node = cursor->path.level[0].node;
	unsigned index = cursor->path.level[0].index;
	size_t prefix = node_header(node)->prefix;
	size_t suffix;
	int err = 0;

	if (cursor->prefix_of != node)
		memcpy(cursor->key, node_prefix(node), prefix);
	cursor->prefix_of = node;
	if (node_suffix(node, index, cursor->key + prefix, &suffix)) {
		cursor->key_size = prefix + suffix;
	} else {
		cursor->prefix_of = NULL;
		err = node_key(&cursor->txn->pager, node, index, cursor->key, &cursor->key_size);
	}
	cursor->has_key = !err;
	return err;
}

/* After a change the node may be gone, but then the key is there. */
static int load_key(struct kt_cursor *cursor)
{
	return cursor->has_key ? 0 : put_key_together(cursor);
}

/* Cells lie in their leaf in the order in which they came, so the processor does not see by itself
 * which it will need. */
static void fetch_cell(const struct kt_cursor *cursor, unsigned index)
{
	const uint8_t *node = cursor->path.level[0].node;

	if (index < cursor->end) {
		const uint8_t *cell = node + node_slots(node)[index] % PAGE_SIZE;

		__builtin_prefetch(cell);
		__builtin_prefetch(cell + 64);
	}
}

/* Plan to fetch the next leaf while this one is walked, as many lines at each step as are needed
 * to have all of it at the end. */
static void plan_ahead(struct kt_cursor *cursor)
{
	const struct path *path = &cursor->path;
	const struct pager *pager = &cursor->txn->pager;
	unsigned count = node_header(path->level[0].node)->count;

	cursor->fetched = cursor->ahead == path->level[0].node + PAGE_SIZE;
	cursor->ahead_lines = 0;
	if (cursor->end == count && count > 0 && path->depth > 1 &&
		path->level[1].index + 1 < node_header(path->level[1].node)->count) {
		uint64_t ref = node_child(path->level[1].node, path->level[1].index + 1);

		if (ref_page(ref) < pager->page_count) {
			cursor->ahead = pager->map + ref_page(ref) * PAGE_SIZE;
			cursor->ahead_end = cursor->ahead + PAGE_SIZE;
			cursor->ahead_lines = PAGE_SIZE / 64 / count + 1;
		}
	}
}

static void fetch_ahead(struct kt_cursor *cursor)
{
	for (unsigned i = 0; i < cursor->ahead_lines && cursor->ahead < cursor->ahead_end; i++) {
		__builtin_prefetch(cursor->ahead);
		cursor->ahead += 64;
	}
}

/* Note where the cursor stands now. */
static int arrive(struct kt_cursor *cursor)
{
	fetch_ahead(cursor);
	if (!cursor->fetched)
		fetch_cell(cursor, cursor->path.level[0].index + FETCH_CELLS);
	cursor->state = ON;
	cursor->has_cell = false;
	cursor->has_key = false;
	cursor->generation = cursor->txn->generation;
	return cursor->txn->writing || node_is_spilled(cursor->path.level[0].node,
					       cursor->path.level[0].index)
		       ? load_key(cursor)
		       : pager_check(&cursor->txn->pager);
}

/* Find the indexes of the leaf that are in the range.
 * begin: of the first that is, if that is known */
static int enter_leaf(struct kt_cursor *cursor, unsigned begin)
{
	const uint8_t *node = cursor->path.level[0].node;
	struct pager *pager = &cursor->txn->pager;
	bool exact, whole = cursor->to.key == NULL;
	int err = 0;

	cursor->prefix_of = NULL;
	cursor->begin = cursor->from.key == NULL ? 0 : begin;
	cursor->end = node_header(node)->count;
	if (cursor->begin == UNKNOWN)
		err = node_search(
			pager, node, cursor->from.key, cursor->from.size, &cursor->begin, &exact);
	if (!err && !whole && cursor->end > 0)
		err = node_is_behind(pager, node, cursor->to.key, cursor->to.size, &whole);
	if (!err && !whole)
		err = node_search(
			pager, node, cursor->to.key, cursor->to.size, &cursor->end, &exact);
	return err;
}

static int leave(struct kt_cursor *cursor, enum state state)
{
	cursor->state = state;
	return -ENOENT;
}

/* Go from the last cell of a leaf to the next one. */
static int next_leaf(struct kt_cursor *cursor)
{
	int err;

	readahead_step(&cursor->readahead, &cursor->txn->pager, &cursor->path, true);
	err = tree_next(&cursor->txn->pager, &cursor->path);
	return err == -ENOENT ? leave(cursor, AFTER) : err;
}

/* Go to the cell before, which may be in another leaf. */
static int step_back(struct kt_cursor *cursor)
{
	int err;

	if (cursor->path.level[0].index == 0)
		readahead_step(&cursor->readahead, &cursor->txn->pager, &cursor->path, false);
	err = tree_prev(&cursor->txn->pager, &cursor->path);
	return err == -ENOENT ? leave(cursor, BEFORE) : err;
}

/* Go forward until the path leads to a cell in the range; it may stand behind the last of a leaf.
 * begin: as for enter_leaf() */
static int settle_forward(struct kt_cursor *cursor, unsigned begin)
{
	for (;;) {
		const uint8_t *node = cursor->path.level[0].node;
		int err = enter_leaf(cursor, begin);

		if (err != 0)
			return err;
		plan_ahead(cursor);
		if (cursor->path.level[0].index < cursor->begin)
			cursor->path.level[0].index = cursor->begin;
		if (cursor->path.level[0].index < cursor->end)
			return arrive(cursor);
		if (cursor->end < node_header(node)->count)
			return leave(cursor, AFTER);
		/* If a key of this leaf is in the range, all of the next one come behind it. */
		begin = cursor->begin < cursor->end ? 0 : UNKNOWN;
		cursor->path.level[0].index = node_last(node);
		err = next_leaf(cursor);
		if (err != 0)
			return err;
	}
}

/* Go back until the path leads to a cell in the range. */
static int settle_backward(struct kt_cursor *cursor)
{
	for (;;) {
		unsigned index = cursor->path.level[0].index;
		int err = enter_leaf(cursor, UNKNOWN);

		if (err != 0)
			return err;
		cursor->fetched = false;
		cursor->ahead_lines = 0;
		if (index >= cursor->end && cursor->end > cursor->begin)
			index = cursor->end - 1;
		cursor->path.level[0].index = index;
		if (index >= cursor->begin && index < cursor->end)
			return arrive(cursor);
		if (cursor->begin > 0)
			return leave(cursor, BEFORE);
		cursor->path.level[0].index = 0;
		err = step_back(cursor);
		if (err != 0)
			return err;
	}
}

/* Position the path at the first cell whose key is >= key. */
static int find(struct kt_cursor *cursor, const void *key, size_t size, bool *ret_exact)
{
	int err = tree_find(&cursor->txn->pager, cursor->tree, key, size, &cursor->path, ret_exact);

	readahead_reset(&cursor->readahead);
	return !err && cursor->path.depth == 0 ? -ENOENT : err;
}

/* Go to the first cell of the range whose key is >= key, with the prefix of the collection. */
static int seek(struct kt_cursor *cursor, const void *key, size_t size)
{
	bool exact;
	int err = find(cursor, key, size, &exact);

	if (err == -ENOENT)
		return leave(cursor, AFTER);
	if (err != 0)
		return err;
	return settle_forward(
		cursor, key == cursor->from.key ? cursor->path.level[0].index : UNKNOWN);
}

int kt_cursor_seek(struct kt_cursor *cursor, const void *key, size_t key_size)
{
	/* No key is longer than KT_KEY_MAX: cut behind one byte more, it sorts the same. */
	uint8_t whole[KT_KEY_MAX + 1];
	size_t most = sizeof(whole) - cursor->prefix_size;
	size_t size = key_size < most ? key_size : most;

	if (cursor->prefix_size == 0)
		return seek(cursor, key_size > 0 ? key : "", key_size);
	memcpy(whole, cursor->prefix, cursor->prefix_size);
	if (size > 0)
		memcpy(whole + cursor->prefix_size, key, size);
	return seek(cursor, whole, cursor->prefix_size + size);
}

int kt_cursor_first(struct kt_cursor *cursor)
{
	int err;

	if (cursor->from.key != NULL)
		return seek(cursor, cursor->from.key, cursor->from.size);
	readahead_reset(&cursor->readahead);
	err = tree_edge(&cursor->txn->pager, cursor->tree, false, &cursor->path);
	if (err == -ENOENT)
		return leave(cursor, AFTER);
	return err != 0 ? err : settle_forward(cursor, 0);
}

/* Go to the last cell before a key. */
static int seek_before(struct kt_cursor *cursor, const void *key, size_t size)
{
	bool exact;
	int err = find(cursor, key, size, &exact);

	if (!err)
		err = tree_prev(&cursor->txn->pager, &cursor->path);
	if (err == -ENOENT)
		return leave(cursor, BEFORE);
	return err != 0 ? err : settle_backward(cursor);
}

int kt_cursor_last(struct kt_cursor *cursor)
{
	int err;

	if (cursor->to.key != NULL)
		return seek_before(cursor, cursor->to.key, cursor->to.size);
	readahead_reset(&cursor->readahead);
	err = tree_edge(&cursor->txn->pager, cursor->tree, true, &cursor->path);
	if (err == -ENOENT)
		return leave(cursor, BEFORE);
	return err != 0 ? err : settle_backward(cursor);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static bool outdated(const struct kt_cursor *cursor)
{
	return cursor->generation != cursor->txn->generation;
}

/* Find the place of the cursor's key again after a change. */
static int find_again(struct kt_cursor *cursor, bool *ret_exact)
{
	uint8_t key[KT_KEY_MAX];
	size_t size = cursor->key_size;

	assert(cursor->has_key);
	memcpy(key, cursor->key, size);
	return find(cursor, key, size, ret_exact);
}

int kt_cursor_next(struct kt_cursor *cursor)
{
	bool exact;
	int err;

	if (cursor->state == AFTER)
		return -ENOENT;
	if (cursor->state != ON)
		return kt_cursor_first(cursor);
	if (outdated(cursor)) {
		err = find_again(cursor, &exact);
		if (err == -ENOENT)
			return leave(cursor, AFTER);
		if (err != 0)
			return err;
		cursor->path.level[0].index += exact;
		return settle_forward(cursor, UNKNOWN);
	}
	if (cursor->path.level[0].index + 1 < cursor->end) {
		cursor->path.level[0].index++;
		return arrive(cursor);
	}
	if (cursor->end < node_header(cursor->path.level[0].node)->count)
		return leave(cursor, AFTER);
	err = next_leaf(cursor);
	return err != 0 ? err : settle_forward(cursor, 0);
}

int kt_cursor_prev(struct kt_cursor *cursor)
{
	bool exact;
	int err;

	if (cursor->state == BEFORE)
		return -ENOENT;
	if (cursor->state != ON)
		return kt_cursor_last(cursor);
	if (outdated(cursor)) {
		err = find_again(cursor, &exact);
		if (err != 0)
			return err == -ENOENT ? leave(cursor, BEFORE) : err;
	} else if (cursor->path.level[0].index > cursor->begin) {
		cursor->path.level[0].index--;
		return arrive(cursor);
	}
	err = step_back(cursor);
	return err != 0 ? err : settle_backward(cursor);
}

/* ---- what it stands on ----------------------------------------------------------------------- */

struct kt_slice kt_cursor_key(const struct kt_cursor *cursor)
{
	struct kt_cursor *self = (struct kt_cursor *)cursor; /* the key is put together late */

	if (cursor->state != ON)
		return (struct kt_slice){NULL, 0};
	/* Only a spilled key can fail, and arrive() loaded it. Keys that are out of order in the
	 * file may not have the collection's prefix. */
	if (load_key(self) != 0 || cursor->key_size < cursor->prefix_size)
		return (struct kt_slice){NULL, 0};
	return (struct kt_slice){
		cursor->key + cursor->prefix_size, cursor->key_size - cursor->prefix_size};
}

int cursor_entry(const struct kt_cursor *cursor, struct kt_txn *ret_txn, struct kt_slice *ret_key)
{
	if (cursor->state != ON)
		return -ENOENT;
	*ret_txn = (struct kt_txn){.txn = cursor->txn,
		.tree = (unsigned)(cursor->tree - cursor->txn->trees),
		.prefix = cursor->prefix,
		.prefix_size = cursor->prefix_size};
	*ret_key = kt_cursor_key(cursor);
	return 0;
}

/* Have the cell the cursor stands on. */
static int current_cell(struct kt_cursor *cursor)
{
	bool exact = true;
	int err = 0;

	if (cursor->state != ON)
		return -ENOENT;
	if (outdated(cursor)) {
		err = find_again(cursor, &exact);
		if (!err && exact) {
			err = enter_leaf(cursor, UNKNOWN);
			cursor->has_cell = false;
			cursor->generation = cursor->txn->generation;
		}
	}
	if (!err && !exact)
		err = -ENOENT;
	return err != 0 ? err : load_cell(cursor);
}

int kt_cursor_value(struct kt_cursor *cursor, struct kt_slice *ret_value)
{
	const uint8_t *data;
	int err;

	if (cursor->state == ON && !outdated(cursor) &&
		node_inline(cursor->path.level[0].node, cursor->path.level[0].index, &data,
			&ret_value->size)) {
		ret_value->data = data;
		return pager_check(&cursor->txn->pager);
	}
	err = current_cell(cursor);
	return err != 0 ? err
			: entry_value(cursor->txn, cursor->is_transient ? &cursor->value : NULL,
				  &cursor->cell, ret_value);
}

int kt_cursor_stat_sized(struct kt_cursor *cursor, struct kt_entry_info *ret_info, size_t info_size)
{
	struct kt_entry_info info;
	int err = current_cell(cursor);

	if (!err)
		err = entry_stat(cursor->txn, cursor->is_transient ? &cursor->attr : NULL,
			&cursor->cell, &info);
	return err != 0 ? err : entry_give_info(&info, ret_info, info_size);
}
