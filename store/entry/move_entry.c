/* Moving entries to another key, perhaps of another tree (kt_move). No data is copied: the cell
 * moves, with what it refers to. A link moves as a link, so its entry stays shared. */
#include "store/entry/entry.h"
#include "store/error.h"
#include "store/entry/shared_entry.h"
#include "store/commit/txn.h"

#include <errno.h>
#include <string.h>

int move_entry_pack(struct move_entry_buffer *buffer, struct cell *cell)
{
	if (cell->attr_size > ATTR_INLINE_MAX && !(cell->flags & CELL_ATTR_SPILLED))
		return error_damaged(0, "an attribute blob that is too long");
	if (cell->value.kind == CELL_INLINE && cell->value.size > INLINE_MAX)
		return error_damaged(0, "an inline value that is too long");
	if (cell->flags & CELL_ATTR)
		cell->attr = memcpy(buffer->attr, cell->attr, cell->attr_size);
	if (cell->value.kind == CELL_INLINE)
		cell->value.data = memcpy(buffer->value, cell->value.data, cell->value.size);
	else if (cell->value.kind == CELL_EXTENT)
		cell->value.data =
			memcpy(buffer->value, cell->value.data, EXTENT_SIZE(cell->value.blocks));
	return 0;
}

/* Put a cell in the place of what is at a key. In TREE_SHARED that stays the entry of its keys. */
static int move_entry_put(struct kt_txn *to, const void *key, size_t key_size, struct cell *cell)
{
	struct entry target;
	uint64_t old_size = 0;
	int err = entry_open(to, key, key_size, &target);

	if (!err && target.exists) {
		old_size = target.cell.value.size;
		err = entry_free(to->txn, &target.cell);
	}
	if (err != 0)
		return err;
	if (to->tree == TREE_SHARED) {
		cell->flags |= CELL_SHARED;
		cell->keys = target.cell.keys;
	}
	target.cell = *cell;
	err = entry_fit(&target);
	if (!err)
		err = entry_store(&target, old_size);
	if (!err && cell->value.kind == CELL_LINK)
		err = shared_entry_rename(to->txn, cell, target.key, target.key_size);
	return err;
}

static int move_entry(struct entry *source, struct kt_txn *to, const void *key, size_t key_size)
{
	struct cell cell = source->cell;
	struct move_entry_buffer buffer;
	int err = move_entry_pack(&buffer, &cell);

	if (!err)
		err = entry_remove(source);
	return err != 0 ? err : move_entry_put(to, key, key_size, &cell);
}

/* Only in TREE_ENTRIES are there links, and in TREE_SHARED nothing is made or deleted. */
static int move_entry_prepare(struct entry *source, const struct kt_txn *from, struct kt_txn *to,
	const void *key, size_t key_size, struct move_entry_buffer *buffer)
{
	bool is_link = source->cell.value.kind == CELL_LINK;
	struct entry target;
	int err;

	if (from->tree == TREE_SHARED || (is_link && to->tree == TREE_SHARED))
		return error_say(-EINVAL, "shared entries go with their keys");
	if (is_link && to->tree != TREE_ENTRIES)
		return shared_entry_take(source, buffer);
	if (to->tree != TREE_SHARED)
		return 0;
	err = entry_find(to, key, key_size, &target);
	return !err && (!target.exists || target.key_size != sizeof(uint64_t)) ? -ENOENT : err;
}

static bool move_entry_is_same_key(
	const struct entry *entry, const struct kt_txn *handle, const void *key, size_t key_size)
{
	const uint8_t *own = entry->key;
	size_t prefix = handle->prefix_size;

	return entry->key_size == prefix + key_size &&
	       (prefix == 0 || memcmp(own, handle->prefix, prefix) == 0) &&
	       (key_size == 0 || memcmp(own + prefix, key, key_size) == 0);
}

static int move_between(struct kt_txn *from, const void *from_key, size_t from_size,
	struct kt_txn *to, const void *to_key, size_t to_size)
{
	struct move_entry_buffer buffer;
	struct entry source;
	int err = entry_edit(from, from_key, from_size, &source);

	if (!err && !source.exists)
		return -ENOENT;
	if (err != 0)
		return err;
	if (from->tree == to->tree && move_entry_is_same_key(&source, to, to_key, to_size))
		return 0;
	err = move_entry_prepare(&source, from, to, to_key, to_size, &buffer);
	if (err == -EINVAL || err == -EMLINK || err == -ENOENT)
		return err;
	if (!err)
		err = move_entry(&source, to, to_key, to_size);
	return entry_fail(from->txn, err);
}

int kt_move(struct kt_txn *from, const void *from_key, size_t from_size, struct kt_txn *to,
	const void *to_key, size_t to_size)
{
	struct entry_bytes bytes;
	int err;

	if (entry_is_too_long(to, to_size))
		return -ENAMETOOLONG;
	err = entry_bytes_init(to, to_key, to_size, &bytes);
	if (!err)
		err = move_between(from, from_key, from_size, to, bytes.data, to_size);
	entry_bytes_fini(&bytes);
	return err;
}
