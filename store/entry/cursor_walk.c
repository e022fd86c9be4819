/* Cursors: going to a key, and from one to the next in both directions. See cursor_internal.h. */
#include "store/entry/cursor_internal.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#define CURSOR_PREFETCH_CELLS 4 /* how far ahead */
#define CURSOR_UNKNOWN UINT_MAX

/* ---- positions ------------------------------------------------------------------------------- */

/* Parse the cell the path leads to. */
static int cursor_load_cell(struct kt_cursor *cursor)
{
	int err;

	if (cursor->has_cell)
		return 0;
	err = tree_cell(&cursor->path, &cursor->cell);
	cursor->has_cell = !err;
	return err;
}

/* The prefix is that of the cell before, most times. */
int cursor_assemble_key(struct kt_cursor *cursor)
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

/* Cells lie in their leaf in the order in which they came, so the processor does not see by itself
 * which it will need. */
static void cursor_prefetch_cell(const struct kt_cursor *cursor, unsigned index)
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
static void cursor_plan_prefetch(struct kt_cursor *cursor)
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

static void cursor_prefetch_leaf(struct kt_cursor *cursor)
{
	for (unsigned i = 0; i < cursor->ahead_lines && cursor->ahead < cursor->ahead_end; i++) {
		__builtin_prefetch(cursor->ahead);
		cursor->ahead += 64;
	}
}

/* Note where the cursor stands now. */
static int cursor_arrive(struct kt_cursor *cursor)
{
	cursor_prefetch_leaf(cursor);
	if (!cursor->fetched)
		cursor_prefetch_cell(cursor, cursor->path.level[0].index + CURSOR_PREFETCH_CELLS);
	cursor->state = CURSOR_ON;
	cursor->has_cell = false;
	cursor->has_key = false;
	cursor->generation = cursor->txn->generation;
	return cursor->txn->writing || node_is_spilled(cursor->path.level[0].node,
					       cursor->path.level[0].index)
		       ? cursor_load_key(cursor)
		       : pager_check(&cursor->txn->pager);
}

/* Find the indexes of the leaf that are in the range.
 * begin: of the first that is, if that is known */
static int cursor_enter_leaf(struct kt_cursor *cursor, unsigned begin)
{
	const uint8_t *node = cursor->path.level[0].node;
	struct pager *pager = &cursor->txn->pager;
	bool exact, whole = cursor->to.key == NULL;
	int err = 0;

	cursor->prefix_of = NULL;
	cursor->begin = cursor->from.key == NULL ? 0 : begin;
	cursor->end = node_header(node)->count;
	if (cursor->begin == CURSOR_UNKNOWN)
		err = node_search(
			pager, node, cursor->from.key, cursor->from.size, &cursor->begin, &exact);
	if (!err && !whole && cursor->end > 0)
		err = node_is_behind(pager, node, cursor->to.key, cursor->to.size, &whole);
	if (!err && !whole)
		err = node_search(
			pager, node, cursor->to.key, cursor->to.size, &cursor->end, &exact);
	return err;
}

static int cursor_leave(struct kt_cursor *cursor, enum cursor_state state)
{
	cursor->state = state;
	return -ENOENT;
}

/* Go from the last cell of a leaf to the next one. */
static int cursor_next_leaf(struct kt_cursor *cursor)
{
	int err;

	readahead_step(&cursor->readahead, &cursor->txn->pager, &cursor->path, true);
	err = tree_next(&cursor->txn->pager, &cursor->path);
	return err == -ENOENT ? cursor_leave(cursor, CURSOR_AFTER) : err;
}

/* Go to the cell before, which may be in another leaf. */
static int cursor_step_back(struct kt_cursor *cursor)
{
	int err;

	if (cursor->path.level[0].index == 0)
		readahead_step(&cursor->readahead, &cursor->txn->pager, &cursor->path, false);
	err = tree_prev(&cursor->txn->pager, &cursor->path);
	return err == -ENOENT ? cursor_leave(cursor, CURSOR_BEFORE) : err;
}

/* Go forward until the path leads to a cell in the range; it may stand behind the last of a leaf.
 * begin: as for cursor_enter_leaf() */
static int cursor_go_forward(struct kt_cursor *cursor, unsigned begin)
{
	for (;;) {
		const uint8_t *node = cursor->path.level[0].node;
		int err = cursor_enter_leaf(cursor, begin);

		if (err != 0)
			return err;
		cursor_plan_prefetch(cursor);
		if (cursor->path.level[0].index < cursor->begin)
			cursor->path.level[0].index = cursor->begin;
		if (cursor->path.level[0].index < cursor->end)
			return cursor_arrive(cursor);
		if (cursor->end < node_header(node)->count)
			return cursor_leave(cursor, CURSOR_AFTER);
		/* If a key of this leaf is in the range, all of the next one come behind it. */
		begin = cursor->begin < cursor->end ? 0 : CURSOR_UNKNOWN;
		cursor->path.level[0].index = node_last(node);
		err = cursor_next_leaf(cursor);
		if (err != 0)
			return err;
	}
}

/* Go back until the path leads to a cell in the range. */
static int cursor_go_back(struct kt_cursor *cursor)
{
	for (;;) {
		unsigned index = cursor->path.level[0].index;
		int err = cursor_enter_leaf(cursor, CURSOR_UNKNOWN);

		if (err != 0)
			return err;
		cursor->fetched = false;
		cursor->ahead_lines = 0;
		if (index >= cursor->end && cursor->end > cursor->begin)
			index = cursor->end - 1;
		cursor->path.level[0].index = index;
		if (index >= cursor->begin && index < cursor->end)
			return cursor_arrive(cursor);
		if (cursor->begin > 0)
			return cursor_leave(cursor, CURSOR_BEFORE);
		cursor->path.level[0].index = 0;
		err = cursor_step_back(cursor);
		if (err != 0)
			return err;
	}
}

/* Position the path at the first cell whose key is >= key. */
static int cursor_find(struct kt_cursor *cursor, const void *key, size_t size, bool *ret_exact)
{
	int err = tree_find(&cursor->txn->pager, cursor->tree, key, size, &cursor->path, ret_exact);

	readahead_reset(&cursor->readahead);
	return !err && cursor->path.depth == 0 ? -ENOENT : err;
}

/* Go to the first cell of the range whose key is >= key, with the prefix of the collection. */
static int cursor_seek_whole(struct kt_cursor *cursor, const void *key, size_t size)
{
	bool exact;
	int err = cursor_find(cursor, key, size, &exact);

	if (err == -ENOENT)
		return cursor_leave(cursor, CURSOR_AFTER);
	if (err != 0)
		return err;
	return cursor_go_forward(
		cursor, key == cursor->from.key ? cursor->path.level[0].index : CURSOR_UNKNOWN);
}

int kt_cursor_seek(struct kt_cursor *cursor, const void *key, size_t key_size)
{
	/* No key is longer than KT_KEY_MAX: cut behind one byte more, it sorts the same. */
	uint8_t whole[KT_KEY_MAX + 1];
	size_t most = sizeof(whole) - cursor->prefix_size;
	size_t size = key_size < most ? key_size : most;

	if (cursor->prefix_size == 0)
		return cursor_seek_whole(cursor, key_size > 0 ? key : "", key_size);
	memcpy(whole, cursor->prefix, cursor->prefix_size);
	if (size > 0)
		memcpy(whole + cursor->prefix_size, key, size);
	return cursor_seek_whole(cursor, whole, cursor->prefix_size + size);
}

int kt_cursor_first(struct kt_cursor *cursor)
{
	int err;

	if (cursor->from.key != NULL)
		return cursor_seek_whole(cursor, cursor->from.key, cursor->from.size);
	readahead_reset(&cursor->readahead);
	err = tree_edge(&cursor->txn->pager, cursor->tree, false, &cursor->path);
	if (err == -ENOENT)
		return cursor_leave(cursor, CURSOR_AFTER);
	return err != 0 ? err : cursor_go_forward(cursor, 0);
}

/* Go to the last cell before a key. */
static int cursor_seek_before(struct kt_cursor *cursor, const void *key, size_t size)
{
	bool exact;
	int err = cursor_find(cursor, key, size, &exact);

	if (!err)
		err = tree_prev(&cursor->txn->pager, &cursor->path);
	if (err == -ENOENT)
		return cursor_leave(cursor, CURSOR_BEFORE);
	return err != 0 ? err : cursor_go_back(cursor);
}

int kt_cursor_last(struct kt_cursor *cursor)
{
	int err;

	if (cursor->to.key != NULL)
		return cursor_seek_before(cursor, cursor->to.key, cursor->to.size);
	readahead_reset(&cursor->readahead);
	err = tree_edge(&cursor->txn->pager, cursor->tree, true, &cursor->path);
	if (err == -ENOENT)
		return cursor_leave(cursor, CURSOR_BEFORE);
	return err != 0 ? err : cursor_go_back(cursor);
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* Find the place of the cursor's key again after a change. */
static int cursor_find_again(struct kt_cursor *cursor, bool *ret_exact)
{
	uint8_t key[KT_KEY_MAX];
	size_t size = cursor->key_size;

	assert(cursor->has_key);
	memcpy(key, cursor->key, size);
	return cursor_find(cursor, key, size, ret_exact);
}

int kt_cursor_next(struct kt_cursor *cursor)
{
	bool exact;
	int err;

	if (cursor->state == CURSOR_AFTER)
		return -ENOENT;
	if (cursor->state != CURSOR_ON)
		return kt_cursor_first(cursor);
	if (cursor_is_outdated(cursor)) {
		err = cursor_find_again(cursor, &exact);
		if (err == -ENOENT)
			return cursor_leave(cursor, CURSOR_AFTER);
		if (err != 0)
			return err;
		cursor->path.level[0].index += exact;
		return cursor_go_forward(cursor, CURSOR_UNKNOWN);
	}
	if (cursor->path.level[0].index + 1 < cursor->end) {
		cursor->path.level[0].index++;
		return cursor_arrive(cursor);
	}
	if (cursor->end < node_header(cursor->path.level[0].node)->count)
		return cursor_leave(cursor, CURSOR_AFTER);
	err = cursor_next_leaf(cursor);
	return err != 0 ? err : cursor_go_forward(cursor, 0);
}

int kt_cursor_prev(struct kt_cursor *cursor)
{
	bool exact;
	int err;

	if (cursor->state == CURSOR_BEFORE)
		return -ENOENT;
	if (cursor->state != CURSOR_ON)
		return kt_cursor_last(cursor);
	if (cursor_is_outdated(cursor)) {
		err = cursor_find_again(cursor, &exact);
		if (err != 0)
			return err == -ENOENT ? cursor_leave(cursor, CURSOR_BEFORE) : err;
	} else if (cursor->path.level[0].index > cursor->begin) {
		cursor->path.level[0].index--;
		return cursor_arrive(cursor);
	}
	err = cursor_step_back(cursor);
	return err != 0 ? err : cursor_go_back(cursor);
}

int cursor_current_cell(struct kt_cursor *cursor)
{
	bool exact = true;
	int err = 0;

	if (cursor->state != CURSOR_ON)
		return -ENOENT;
	if (cursor_is_outdated(cursor)) {
		err = cursor_find_again(cursor, &exact);
		if (!err && exact) {
			err = cursor_enter_leaf(cursor, CURSOR_UNKNOWN);
			cursor->has_cell = false;
			cursor->generation = cursor->txn->generation;
		}
	}
	if (!err && !exact)
		err = -ENOENT;
	return err != 0 ? err : cursor_load_cell(cursor);
}
