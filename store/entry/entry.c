/* Entries: what the public calls on keys do to the trees. */
#include "store/entry/entry.h"

#include "store/error.h"
#include "store/tree/node.h"
#include "store/tree/overflow.h"
#include "store/entry/shared_entry.h"
#include "store/commit/commit.h"
#include "store/commit/full_disk.h"
#include "store/util/bytes.h"

#include <errno.h>
#include <string.h>

/* ---- common ---------------------------------------------------------------------------------- */

bool entry_is_too_long(const struct kt_txn *handle, size_t key_size)
{
	return key_size > KT_KEY_MAX - handle->prefix_size;
}

/* Find the place of an entry. */
static int entry_find_place(
	struct kt_txn *handle, const void *key, size_t key_size, struct entry *entry)
{
	entry->txn = handle->txn;
	entry->tree = &handle->txn->trees[handle->tree];
	entry->exists = false;
	entry->key = key_size > 0 ? key : "";
	entry->key_size = key_size + handle->prefix_size;
	if (entry_is_too_long(handle, key_size))
		return 0;
	if (handle->prefix_size > 0) {
		memcpy(entry->whole, handle->prefix, handle->prefix_size);
		memmove(entry->whole + handle->prefix_size, entry->key, key_size);
		entry->key = entry->whole;
	}
	return tree_find(&entry->txn->pager, entry->tree, entry->key, entry->key_size, &entry->path,
		&entry->exists);
}

int entry_find(struct kt_txn *handle, const void *key, size_t key_size, struct entry *entry)
{
	int err = entry_find_place(handle, key, key_size, entry);

	return !err && entry->exists ? tree_cell(&entry->path, &entry->cell) : err;
}

/* Find an entry to read it. */
static int entry_read(struct kt_txn *handle, const void *key, size_t key_size, struct entry *entry)
{
	int err = entry_find(handle, key, key_size, entry);

	return !err && !entry->exists ? error_say(-ENOENT, ENTRY_MISSING) : err;
}

int entry_read_part(struct kt_txn *handle, const void *key, size_t key_size, struct entry *entry)
{
	int err = entry_read(handle, key, key_size, entry);

	if (!err && entry->cell.value.kind == CELL_LINK)
		err = shared_entry_follow(handle->txn, &entry->cell, &entry->cell);
	return err;
}

int entry_fail(struct txn *txn, int err)
{
	if (err != 0 && txn->failed == 0)
		txn->failed = full_disk_explain(txn, err);
	return err;
}

int entry_open(struct kt_txn *handle, const void *key, size_t key_size, struct entry *entry)
{
	int err = entry_find(handle, key, key_size, entry);

	if (!err && !entry->exists) {
		memset(&entry->cell, 0, sizeof(entry->cell));
		entry->cell.flags = CELL_STAMPED;
	}
	return entry_fail(handle->txn, err);
}

int entry_edit(struct kt_txn *handle, const void *key, size_t key_size, struct entry *entry)
{
	struct txn *txn = handle->txn;
	int err;

	if (!txn->writing)
		return error_say(-EROFS, "the transaction is for reading only");
	if (entry_is_too_long(handle, key_size))
		return error_key_too_long(key_size);
	if (io_forked(txn->store->io))
		return entry_fail(txn, -ECHILD);
	if (key_size > 0) /* it may be a view of a page that is about to move */
		key = memcpy(entry->whole + handle->prefix_size, key, key_size);
	if (txn->failed == 0 && commit_should_spill(txn))
		entry_fail(txn, commit_spill(txn));
	if (txn->failed != 0)
		return txn->failed;
	err = entry_open(handle, key, key_size, entry);
	if (!err && handle->tree == TREE_SHARED &&
		(!entry->exists || entry->key_size != sizeof(uint64_t)))
		err = error_say(-ENOENT, ENTRY_MISSING);
	return err;
}

/* Begin to change a part of an entry, which all of its keys will show. */
static int entry_edit_part(
	struct kt_txn *handle, const void *key, size_t key_size, struct entry *entry)
{
	int err = entry_edit(handle, key, key_size, entry);

	if (!err && entry->exists && entry->cell.value.kind == CELL_LINK)
		err = entry_fail(
			handle->txn, shared_entry_open(handle->txn, entry->cell.value.root, entry));
	return err;
}

/* Begin to replace the entry of one key. keep_attr: but for its attributes. */
static int entry_edit_whole(struct kt_txn *handle, const void *key, size_t key_size, bool keep_attr,
	struct entry *entry)
{
	int err = entry_edit(handle, key, key_size, entry);

	if (!err && entry->exists && entry->cell.value.kind == CELL_LINK)
		err = entry_fail(handle->txn, shared_entry_part(entry, keep_attr));
	return err;
}

/* Bytes the cell has room for an inline value. */
static size_t entry_inline_room(const struct entry *entry)
{
	size_t suffix = entry->key_size < SUFFIX_MAX ? entry->key_size : SUFFIX_MAX;
	size_t used = cell_overhead(&entry->cell) + suffix;

	if (used >= CELL_MAX)
		return 0;
	return CELL_MAX - used < INLINE_MAX ? CELL_MAX - used : INLINE_MAX;
}

int entry_store(struct entry *entry, uint64_t old_size)
{
	struct image_buffer buffer;
	struct image image;

	entry->cell.spilled = false;
	if (entry->cell.value.kind != CELL_LINK) {
		entry->cell.flags |= CELL_STAMPED;
		entry->cell.version = entry->txn->number;
	}
	entry->txn->generation++;
	cell_image(&entry->cell, &buffer, &image);
	image.key = entry->key;
	image.key_size = entry->key_size;
	if (!entry->exists) {
		entry->tree->entries++;
		entry->tree->key_bytes += entry->key_size;
	}
	entry->tree->value_bytes += entry->cell.value.size - old_size;
	return tree_put(&entry->txn->pager, entry->tree, &entry->path, entry->exists, &image);
}

int entry_remove(struct entry *entry)
{
	entry->txn->generation++;
	entry->tree->entries--;
	entry->tree->key_bytes -= entry->key_size;
	entry->tree->value_bytes -= entry->cell.value.size;
	return tree_remove(&entry->txn->pager, entry->tree, &entry->path);
}

int entry_free(struct txn *txn, const struct cell *cell)
{
	int err = cell->value.kind == CELL_LINK ? shared_entry_leave(txn, cell)
						: value_free(&txn->pager, &cell->value);

	if (!err && (cell->flags & CELL_ATTR_SPILLED))
		err = overflow_free(&txn->pager, cell->attr_overflow, cell->attr_size);
	return err;
}

int entry_delete(struct entry *entry)
{
	int err = entry_free(entry->txn, &entry->cell);

	return err != 0 ? err : entry_remove(entry);
}

/* ---- attributes ------------------------------------------------------------------------------ */

int entry_set_attr(struct entry *entry, const void *attr, size_t size)
{
	struct cell *cell = &entry->cell;
	struct pager *pager = &entry->txn->pager;
	int err = 0;

	if (cell->flags & CELL_ATTR_SPILLED)
		err = overflow_free(pager, cell->attr_overflow, cell->attr_size);
	cell->flags &= (uint8_t) ~(CELL_ATTR | CELL_ATTR_SPILLED | CELL_ATTR_COPIED);
	cell->attr_size = (uint32_t)size;
	cell->attr = attr;
	if (size > ATTR_INLINE_MAX) {
		cell->flags |= CELL_ATTR_SPILLED;
		if (!err)
			err = overflow_write(pager, attr, size, &cell->attr_overflow);
	} else if (size > 0) {
		cell->flags |= CELL_ATTR;
	}
	return err;
}

int entry_fit(struct entry *entry)
{
	struct value *value = &entry->cell.value;
	size_t room = entry_inline_room(entry);

	if (value->kind != CELL_INLINE || value->size <= room)
		return 0;
	return value_make(
		&entry->txn->pager, value->data, value->size, room, &entry->buffer, value);
}

/* ---- reading --------------------------------------------------------------------------------- */

int kt_get(struct kt_txn *txn, const void *key, size_t key_size, struct kt_slice *ret_value)
{
	struct entry entry;
	const uint8_t *data;
	int err = entry_find_place(txn, key, key_size, &entry);

	if (err != 0 || !entry.exists)
		return err != 0 ? err : error_say(-ENOENT, ENTRY_MISSING);
	if (node_inline(
		    entry.path.level[0].node, entry.path.level[0].index, &data, &ret_value->size)) {
		ret_value->data = data;
		return pager_check(&txn->txn->pager);
	}
	err = tree_cell(&entry.path, &entry.cell);
	return err != 0 ? err : entry_value(txn->txn, NULL, &entry.cell, ret_value);
}

int kt_contains(struct kt_txn *txn, const void *key, size_t key_size, bool *ret_contains)
{
	struct entry entry;
	int err = entry_find_place(txn, key, key_size, &entry);

	if (!err)
		*ret_contains = entry.exists;
	return err;
}

/* A caller of another version may have a shorter struct, or a longer one. */
int entry_give_info(const struct kt_entry_info *info, struct kt_entry_info *ret_info, size_t size)
{
	if (size > sizeof(*info))
		memset((char *)ret_info + sizeof(*info), 0, size - sizeof(*info));
	memcpy(ret_info, info, size < sizeof(*info) ? size : sizeof(*info));
	return 0;
}

int kt_stat_sized(struct kt_txn *txn, const void *key, size_t key_size,
	struct kt_entry_info *ret_info, size_t info_size)
{
	struct entry entry;
	struct kt_entry_info info;
	int err = entry_read(txn, key, key_size, &entry);

	if (!err)
		err = entry_stat(txn->txn, NULL, &entry.cell, &info);
	if (!err && txn->tree == TREE_SHARED && entry.key_size == sizeof(uint64_t))
		info.shared = big64_load(entry.key);
	return err != 0 ? err : entry_give_info(&info, ret_info, info_size);
}

int kt_read(struct kt_txn *txn, const void *key, size_t key_size, uint64_t offset, void *buf,
	size_t size, size_t *ret_read)
{
	struct entry entry;
	int err = entry_read_part(txn, key, key_size, &entry);

	return err != 0 ? err
			: value_read(
				  &txn->txn->pager, &entry.cell.value, offset, buf, size, ret_read);
}

int kt_next_data(struct kt_txn *txn, const void *key, size_t key_size, uint64_t offset,
	uint64_t *ret_begin, uint64_t *ret_end)
{
	struct entry entry;
	int err = entry_read_part(txn, key, key_size, &entry);

	return err != 0 ? err
			: value_next_data(
				  &txn->txn->pager, &entry.cell.value, offset, ret_begin, ret_end);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Replace the value of an entry. */
static int entry_put_value(struct entry *entry, const void *value, size_t size)
{
	struct value old = entry->cell.value;
	int err = value_make(&entry->txn->pager, value, size, entry_inline_room(entry),
		&entry->buffer, &entry->cell.value);

	if (!err && entry->exists)
		err = value_free(&entry->txn->pager, &old);
	return err != 0 ? err : entry_store(entry, entry->exists ? old.size : 0);
}

int kt_put(
	struct kt_txn *txn, const void *key, size_t key_size, const void *value, size_t value_size)
{
	struct entry_bytes bytes;
	struct entry entry;
	int err = entry_bytes_init(txn, value, value_size, &bytes);

	if (!err)
		err = entry_edit_whole(txn, key, key_size, true, &entry);
	if (!err) {
		entry.cell.mtime_ns = txn->txn->now_ns;
		err = entry_fail(txn->txn, entry_put_value(&entry, bytes.data, value_size));
	}
	entry_bytes_fini(&bytes);
	return err;
}

/* The attributes that a caller gives. */
static int entry_attr_init(
	struct kt_txn *txn, const void *attr, size_t size, struct entry_bytes *bytes)
{
	bytes->copy = NULL;
	if (size > KT_ATTR_MAX)
		return error_set(-E2BIG, "attributes of %zu bytes, at most %d", size, KT_ATTR_MAX);
	return entry_bytes_init(txn, attr, size, bytes);
}

int kt_put_entry(struct kt_txn *txn, const void *key, size_t key_size, const void *value,
	size_t value_size, const void *attr, size_t attr_size, int64_t mtime_ns)
{
	struct entry_bytes value_bytes, attr_bytes;
	struct entry entry;
	int err = entry_attr_init(txn, attr, attr_size, &attr_bytes);

	value_bytes.copy = NULL;
	if (!err)
		err = entry_bytes_init(txn, value, value_size, &value_bytes);
	if (!err)
		err = entry_edit_whole(txn, key, key_size, false, &entry);
	if (!err) {
		entry.cell.mtime_ns = mtime_ns;
		err = entry_set_attr(&entry, attr_bytes.data, attr_size);
		if (!err)
			err = entry_put_value(&entry, value_bytes.data, value_size);
		entry_fail(txn->txn, err);
	}
	entry_bytes_fini(&attr_bytes);
	entry_bytes_fini(&value_bytes);
	return err;
}

int kt_set_attr(
	struct kt_txn *txn, const void *key, size_t key_size, const void *attr, size_t attr_size)
{
	struct entry_bytes bytes;
	struct entry entry;
	int err = entry_attr_init(txn, attr, attr_size, &bytes);

	if (!err)
		err = entry_edit_part(txn, key, key_size, &entry);
	if (!err && !entry.exists)
		err = error_say(-ENOENT, ENTRY_MISSING);
	else if (!err) {
		err = entry_set_attr(&entry, bytes.data, attr_size);
		if (!err)
			err = entry_fit(&entry);
		if (!err)
			err = entry_store(&entry, entry.cell.value.size);
		entry_fail(txn->txn, err);
	}
	entry_bytes_fini(&bytes);
	return err;
}

int entry_mark_copied(struct kt_txn *handle, const void *key, size_t key_size)
{
	struct entry entry;
	int err = entry_edit_part(handle, key, key_size, &entry);

	if (!err && !entry.exists)
		return error_say(-ENOENT, ENTRY_MISSING);
	if (err != 0)
		return err;
	entry.cell.flags |= CELL_ATTR_COPIED;
	return entry_fail(handle->txn, entry_store(&entry, entry.cell.value.size));
}

int kt_set_mtime(struct kt_txn *txn, const void *key, size_t key_size, int64_t mtime_ns)
{
	struct entry entry;
	int err = entry_edit_part(txn, key, key_size, &entry);

	if (!err && !entry.exists)
		return error_say(-ENOENT, ENTRY_MISSING);
	if (err != 0)
		return err;
	entry.cell.mtime_ns = mtime_ns;
	return entry_fail(txn->txn, entry_store(&entry, entry.cell.value.size));
}

int kt_delete(struct kt_txn *txn, const void *key, size_t key_size, unsigned flags)
{
	struct entry entry;
	int err = error_unknown_flags(flags, KT_MISSING_OK);

	if (!err && txn->tree == TREE_SHARED)
		err = error_say(-EINVAL, "shared entries go with their keys");
	if (!err)
		err = entry_edit(txn, key, key_size, &entry);
	if (!err && !entry.exists)
		return flags & KT_MISSING_OK ? 0 : error_say(-ENOENT, ENTRY_MISSING);
	return err != 0 ? err : entry_fail(txn->txn, entry_delete(&entry));
}

int kt_write(struct kt_txn *txn, const void *key, size_t key_size, uint64_t offset,
	const void *data, size_t size)
{
	struct entry_bytes bytes;
	struct entry entry;
	uint64_t old_size;
	int err;

	if (offset > INT64_MAX || size > INT64_MAX - offset)
		return -EFBIG;
	err = entry_bytes_init(txn, data, size, &bytes);
	if (!err)
		err = entry_edit_part(txn, key, key_size, &entry);
	if (!err) {
		old_size = entry.cell.value.size;
		entry.cell.mtime_ns = txn->txn->now_ns;
		err = value_write(&txn->txn->pager, &entry.cell.value, offset, bytes.data, size,
			entry_inline_room(&entry), &entry.buffer);
		if (!err)
			err = entry_store(&entry, old_size);
		entry_fail(txn->txn, err);
	}
	entry_bytes_fini(&bytes);
	return err;
}

int kt_truncate(struct kt_txn *txn, const void *key, size_t key_size, uint64_t size)
{
	struct entry entry;
	uint64_t old_size;
	int err;

	if (size > INT64_MAX)
		return -EFBIG;
	err = entry_edit_part(txn, key, key_size, &entry);
	if (!err && !entry.exists)
		return error_say(-ENOENT, ENTRY_MISSING);
	if (err != 0)
		return err;
	old_size = entry.cell.value.size;
	entry.cell.mtime_ns = txn->txn->now_ns;
	err = value_resize(&txn->txn->pager, &entry.cell.value, size, entry_inline_room(&entry),
		&entry.buffer);
	if (!err)
		err = entry_store(&entry, old_size);
	return entry_fail(txn->txn, err);
}

int kt_punch(struct kt_txn *txn, const void *key, size_t key_size, uint64_t offset, uint64_t size)
{
	struct entry entry;
	int err = entry_edit_part(txn, key, key_size, &entry);

	if (!err && !entry.exists)
		return error_say(-ENOENT, ENTRY_MISSING);
	if (err != 0)
		return err;
	entry.cell.mtime_ns = txn->txn->now_ns;
	err = value_punch(&txn->txn->pager, &entry.cell.value, offset, size,
		entry_inline_room(&entry), &entry.buffer);
	if (!err)
		err = entry_store(&entry, entry.cell.value.size);
	return entry_fail(txn->txn, err);
}
