/* Cursors: their bounds, and what they stand on. See cursor_internal.h. */
#include "store/entry/cursor_internal.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

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
static int cursor_set_bound(
	struct kt_cursor *cursor, struct bound *bound, const void *key, size_t size)
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
static void bound_raise(struct bound *bound)
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
	int err = cursor_set_bound(cursor, &cursor->from, from, from != NULL ? from_size : 0);

	if (!err)
		err = cursor_set_bound(cursor, &cursor->to, to, to != NULL ? to_size : 0);
	if (!err && to == NULL)
		bound_raise(&cursor->to);
	cursor->state = CURSOR_NOWHERE;
	return err;
}

int kt_cursor_set_prefix(struct kt_cursor *cursor, const void *prefix, size_t size)
{
	int err = cursor_set_bound(cursor, &cursor->from, size > 0 ? prefix : NULL, size);

	if (!err)
		err = cursor_set_bound(cursor, &cursor->to, size > 0 ? prefix : NULL, size);
	if (!err)
		bound_raise(&cursor->to);
	cursor->state = CURSOR_NOWHERE;
	return err;
}

/* ---- what it stands on ----------------------------------------------------------------------- */

struct kt_slice kt_cursor_key(const struct kt_cursor *cursor)
{
	struct kt_cursor *self = (struct kt_cursor *)cursor; /* the key is put together late */

	if (cursor->state != CURSOR_ON)
		return (struct kt_slice){NULL, 0};
	/* Only a spilled key can fail, and cursor_arrive() loaded it. Keys that are out of order in the
	 * file may not have the collection's prefix. */
	if (cursor_load_key(self) != 0 || cursor->key_size < cursor->prefix_size)
		return (struct kt_slice){NULL, 0};
	return (struct kt_slice){
		cursor->key + cursor->prefix_size, cursor->key_size - cursor->prefix_size};
}

int cursor_entry(const struct kt_cursor *cursor, struct kt_txn *ret_txn, struct kt_slice *ret_key)
{
	if (cursor->state != CURSOR_ON)
		return -ENOENT;
	*ret_txn = (struct kt_txn){.txn = cursor->txn,
		.tree = (unsigned)(cursor->tree - cursor->txn->trees),
		.prefix = cursor->prefix,
		.prefix_size = cursor->prefix_size};
	*ret_key = kt_cursor_key(cursor);
	return 0;
}

int kt_cursor_value(struct kt_cursor *cursor, struct kt_slice *ret_value)
{
	const uint8_t *data;
	int err;

	if (cursor->state == CURSOR_ON && !cursor_is_outdated(cursor) &&
		node_inline(cursor->path.level[0].node, cursor->path.level[0].index, &data,
			&ret_value->size)) {
		ret_value->data = data;
		return pager_check(&cursor->txn->pager);
	}
	err = cursor_current_cell(cursor);
	return err != 0 ? err
			: entry_value(cursor->txn, cursor->is_transient ? &cursor->value : NULL,
				  &cursor->cell, ret_value);
}

int kt_cursor_stat_sized(struct kt_cursor *cursor, struct kt_entry_info *ret_info, size_t info_size)
{
	struct kt_entry_info info;
	int err = cursor_current_cell(cursor);

	if (!err)
		err = entry_stat(cursor->txn, cursor->is_transient ? &cursor->attr : NULL,
			&cursor->cell, &info);
	return err != 0 ? err : entry_give_info(&info, ret_info, info_size);
}
