/* What callers get of an entry: its value, its attributes, and what else is known of it. Most of it is
 * shown where it lies. What lies in pieces is put together first, in memory of the transaction, where
 * it stays, or in memory that the caller uses again and again. */
#include "store/entry/entry.h"

#include "store/error.h"
#include "store/tree/overflow.h"
#include "store/entry/shared_entry.h"
#include "store/commit/txn.h"

#include <errno.h>
#include <stdlib.h>

void entry_memory_fini(struct entry_memory *memory)
{
	free(memory->bytes);
	*memory = (struct entry_memory){NULL, 0};
}

/* Get room for bytes to be put together. @return NULL: out of memory */
static void *entry_room(struct txn *txn, struct entry_memory *memory, size_t size)
{
	if (memory == NULL)
		return txn_view_alloc(txn, size);
	if (size > memory->room || memory->bytes == NULL) {
		entry_memory_fini(memory);
		memory->bytes = malloc(size > 0 ? size : 1);
		memory->room = memory->bytes != NULL ? size : 0;
	}
	return memory->bytes;
}

int entry_attr(struct txn *txn, struct entry_memory *memory, const struct cell *cell,
	struct kt_slice *ret_attr)
{
	void *bytes;
	int err;

	ret_attr->data = cell->attr;
	ret_attr->size = cell->attr_size;
	if (!(cell->flags & CELL_ATTR_SPILLED))
		return 0;
	if (cell->attr_size > KT_ATTR_MAX)
		return error_damaged(0, "an attribute blob that is too long");
	bytes = entry_room(txn, memory, cell->attr_size);
	if (bytes == NULL)
		return -ENOMEM;
	err = overflow_read(&txn->pager, cell->attr_overflow, bytes, cell->attr_size);
	ret_attr->data = bytes;
	return err;
}

int entry_value(struct txn *txn, struct entry_memory *memory, const struct cell *cell,
	struct kt_slice *ret_value)
{
	const struct value *value = &cell->value;
	struct cell shared;
	const void *view;
	size_t got;
	void *bytes;
	int err;

	if (value->kind == CELL_LINK) {
		err = shared_entry_follow(txn, cell, &shared);
		return err != 0 ? err : entry_value(txn, memory, &shared, ret_value);
	}
	err = value_view(&txn->pager, value, &view);
	if (!err && view == NULL) {
		bytes = entry_room(txn, memory, value->size);
		if (bytes == NULL)
			return -ENOMEM;
		err = value_read(&txn->pager, value, 0, bytes, value->size, &got);
		view = bytes;
	}
	if (!err) {
		ret_value->data = view;
		ret_value->size = value->size;
	}
	return err;
}

int entry_stat(struct txn *txn, struct entry_memory *memory, const struct cell *cell,
	struct kt_entry_info *ret_stat)
{
	struct kt_entry_info stat = {.size = cell->value.size,
		.stored = value_stored(&cell->value),
		.version = cell->version,
		.mtime_ns = cell->mtime_ns,
		.keys = cell->flags & CELL_SHARED ? cell->keys : 1,
		.flags = cell->flags & CELL_ATTR_COPIED ? KT_ATTR_COPIED : 0};
	struct cell shared;
	int err;

	if (cell->value.kind == CELL_LINK) {
		err = shared_entry_follow(txn, cell, &shared);
		if (!err)
			err = entry_stat(txn, memory, &shared, ret_stat);
		if (!err)
			ret_stat->shared = cell->value.root;
		return err;
	}
	err = entry_attr(txn, memory, cell, &stat.attr);
	if (!err)
		*ret_stat = stat;
	return err;
}
