/* Entries: what the public calls on keys do to the trees. */
#include "entry.h"

#include "error.h"
#include "overflow.h"
#include "store.h"
#include "tree.h"
#include "value.h"

#include <errno.h>
#include <string.h>

/* An entry on its way out of or into a tree: its cell, and memory for what the cell points to. */
struct entry {
	struct txn *txn;
	struct format_tree *tree;
	const void *key;
	size_t key_size;
	struct path path;
	bool exists;
	struct cell cell;
	struct value_buffer buffer;
};

/* ---- common ---------------------------------------------------------------------------------- */

static int entry_find(struct kt_txn *handle, const void *key, size_t key_size, struct entry *entry)
{
	int err;

	entry->txn = handle->txn;
	entry->tree = &handle->txn->trees[handle->tree];
	entry->key = key_size > 0 ? key : "";
	entry->key_size = key_size;
	err = tree_find(&entry->txn->pager, entry->tree, entry->key, key_size, &entry->path,
		&entry->exists);
	if (err == 0 && entry->exists)
		err = tree_cell(&entry->path, &entry->cell);
	return err;
}

/* Find an entry to read it. */
static int entry_read(struct kt_txn *handle, const void *key, size_t key_size, struct entry *entry)
{
	int err = entry_find(handle, key, key_size, entry);

	return err == 0 && !entry->exists ? -ENOENT : err;
}

/* Remember that a change failed half-way: the transaction cannot be committed any more. */
static int fail(struct txn *txn, int err)
{
	if (err != 0 && txn->failed == 0)
		txn->failed = err;
	return err;
}

/* Find an entry to change it, in a transaction that may be changed. A missing one is fresh and
 * empty. */
static int entry_open(struct kt_txn *handle, const void *key, size_t key_size, struct entry *entry)
{
	int err = entry_find(handle, key, key_size, entry);

	if (err == 0 && !entry->exists) {
		memset(&entry->cell, 0, sizeof(entry->cell));
		entry->cell.flags = CELL_STAMPED;
	}
	return fail(handle->txn, err);
}

/* Begin a change. Errors before entry_open() leave the transaction usable. */
static int entry_edit(struct kt_txn *handle, const void *key, size_t key_size, struct entry *entry)
{
	struct txn *txn = handle->txn;

	if (!txn->writing)
		return -EROFS;
	if (key_size > KT_KEY_MAX)
		return -ENAMETOOLONG;
	if (txn->failed == 0 && txn->pager.dirty_live > SPILL_PAGES)
		fail(txn, commit_spill(txn));
	return txn->failed != 0 ? txn->failed : entry_open(handle, key, key_size, entry);
}

/* Bytes the cell has room for an inline value. */
static size_t inline_room(const struct entry *entry)
{
	size_t suffix = entry->key_size < SUFFIX_MAX ? entry->key_size : SUFFIX_MAX;
	size_t used = cell_overhead(&entry->cell) + suffix;

	if (used >= CELL_MAX)
		return 0;
	return CELL_MAX - used < INLINE_MAX ? CELL_MAX - used : INLINE_MAX;
}

/* Put the changed cell into its tree. old_size: of the value there was. */
static int entry_store(struct entry *entry, uint64_t old_size)
{
	struct image_buffer buffer;
	struct image image;

	entry->cell.spilled = false;
	entry->cell.flags |= CELL_STAMPED;
	entry->cell.version = entry->txn->number;
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

/* Free what a cell refers to, but for its key. */
static int free_content(struct pager *pager, const struct cell *cell)
{
	int err = value_free(pager, &cell->value);

	if (err == 0 && (cell->flags & CELL_ATTR_SPILLED))
		err = overflow_free(pager, cell->attr_overflow, cell->attr_size);
	return err;
}

/* ---- attributes ------------------------------------------------------------------------------ */

/* Give the cell an attribute blob. The bytes are borrowed until the entry is stored. */
static int set_attr(struct entry *entry, const void *attr, size_t size)
{
	struct cell *cell = &entry->cell;
	struct pager *pager = &entry->txn->pager;
	int err = 0;

	if (cell->flags & CELL_ATTR_SPILLED)
		err = overflow_free(pager, cell->attr_overflow, cell->attr_size);
	cell->flags &= (uint8_t) ~(CELL_ATTR | CELL_ATTR_SPILLED);
	cell->attr_size = (uint32_t)size;
	cell->attr = attr;
	if (size > ATTR_INLINE_MAX) {
		cell->flags |= CELL_ATTR_SPILLED;
		if (err == 0)
			err = overflow_write(pager, attr, size, &cell->attr_overflow);
	} else if (size > 0) {
		cell->flags |= CELL_ATTR;
	}
	return err;
}

/* The blob may have grown: a value that was inline may have to move out. */
static int fit_value(struct entry *entry)
{
	struct value *value = &entry->cell.value;
	size_t room = inline_room(entry);

	if (value->kind != CELL_INLINE || value->size <= room)
		return 0;
	return value_make(
		&entry->txn->pager, value->data, value->size, room, &entry->buffer, value);
}

static int get_attr(struct txn *txn, const struct cell *cell, struct kt_slice *ret_attr)
{
	void *bytes;
	int err;

	ret_attr->data = cell->attr;
	ret_attr->size = cell->attr_size;
	if (!(cell->flags & CELL_ATTR_SPILLED))
		return 0;
	if (cell->attr_size > KT_ATTR_MAX)
		return error_damaged(0, "an attribute blob that is too long");
	bytes = txn_gather(txn, cell->attr_size);
	if (bytes == NULL)
		return -ENOMEM;
	err = overflow_read(&txn->pager, cell->attr_overflow, bytes, cell->attr_size);
	ret_attr->data = bytes;
	return err;
}

/* ---- reading --------------------------------------------------------------------------------- */

int entry_value(struct txn *txn, const struct cell *cell, struct kt_slice *ret_value)
{
	const struct value *value = &cell->value;
	const void *view;
	size_t got;
	void *bytes;
	int err = value_view(&txn->pager, value, &view);

	if (err == 0 && view == NULL) {
		bytes = txn_gather(txn, value->size);
		if (bytes == NULL)
			return -ENOMEM;
		err = value_read(&txn->pager, value, 0, bytes, value->size, &got);
		view = bytes;
	}
	if (err == 0) {
		ret_value->data = view;
		ret_value->size = value->size;
	}
	return err;
}

int entry_stat(struct txn *txn, const struct cell *cell, struct kt_stat *ret_stat)
{
	struct kt_stat stat = {.size = cell->value.size,
		.stored = value_stored(&cell->value),
		.version = cell->version,
		.mtime_ns = cell->mtime_ns};
	int err = get_attr(txn, cell, &stat.attr);

	if (err == 0)
		*ret_stat = stat;
	return err;
}

int kt_get(struct kt_txn *txn, const void *key, size_t key_size, struct kt_slice *ret_value)
{
	struct entry entry;
	int err = entry_read(txn, key, key_size, &entry);

	return err != 0 ? err : entry_value(txn->txn, &entry.cell, ret_value);
}

int kt_contains(struct kt_txn *txn, const void *key, size_t key_size, bool *ret_contains)
{
	struct entry entry;
	int err = entry_find(txn, key, key_size, &entry);

	if (err == 0)
		*ret_contains = entry.exists;
	return err;
}

int kt_stat(struct kt_txn *txn, const void *key, size_t key_size, struct kt_stat *ret_stat)
{
	struct entry entry;
	int err = entry_read(txn, key, key_size, &entry);

	return err != 0 ? err : entry_stat(txn->txn, &entry.cell, ret_stat);
}

int kt_read(struct kt_txn *txn, const void *key, size_t key_size, uint64_t offset, void *buf,
	size_t size, size_t *ret_read)
{
	struct entry entry;
	int err = entry_read(txn, key, key_size, &entry);

	return err != 0 ? err
			: value_read(
				  &txn->txn->pager, &entry.cell.value, offset, buf, size, ret_read);
}

int kt_next_data(struct kt_txn *txn, const void *key, size_t key_size, uint64_t offset,
	uint64_t *ret_begin, uint64_t *ret_end)
{
	struct entry entry;
	int err = entry_read(txn, key, key_size, &entry);

	return err != 0 ? err
			: value_next_data(
				  &txn->txn->pager, &entry.cell.value, offset, ret_begin, ret_end);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Replace the value of an entry. */
static int put_value(struct entry *entry, const void *value, size_t size)
{
	struct value old = entry->cell.value;
	int err = value_make(&entry->txn->pager, value, size, inline_room(entry), &entry->buffer,
		&entry->cell.value);

	if (err == 0 && entry->exists)
		err = value_free(&entry->txn->pager, &old);
	return err != 0 ? err : entry_store(entry, entry->exists ? old.size : 0);
}

int kt_put(
	struct kt_txn *txn, const void *key, size_t key_size, const void *value, size_t value_size)
{
	struct entry entry;
	int err = entry_edit(txn, key, key_size, &entry);

	if (err != 0)
		return err;
	entry.cell.mtime_ns = txn->txn->now_ns;
	return fail(txn->txn, put_value(&entry, value, value_size));
}

int kt_put_entry(struct kt_txn *txn, const void *key, size_t key_size, const void *value,
	size_t value_size, const void *attr, size_t attr_size, int64_t mtime_ns)
{
	struct entry entry;
	int err;

	if (attr_size > KT_ATTR_MAX)
		return -E2BIG;
	err = entry_edit(txn, key, key_size, &entry);
	if (err != 0)
		return err;
	entry.cell.mtime_ns = mtime_ns;
	err = set_attr(&entry, attr, attr_size);
	if (err == 0)
		err = put_value(&entry, value, value_size);
	return fail(txn->txn, err);
}

int kt_set_attr(
	struct kt_txn *txn, const void *key, size_t key_size, const void *attr, size_t attr_size)
{
	struct entry entry;
	int err;

	if (attr_size > KT_ATTR_MAX)
		return -E2BIG;
	err = entry_edit(txn, key, key_size, &entry);
	if (err == 0 && !entry.exists)
		return -ENOENT;
	if (err == 0)
		err = set_attr(&entry, attr, attr_size);
	if (err == 0)
		err = fit_value(&entry);
	if (err == 0)
		err = entry_store(&entry, entry.cell.value.size);
	return fail(txn->txn, err);
}

int kt_set_mtime(struct kt_txn *txn, const void *key, size_t key_size, int64_t mtime_ns)
{
	struct entry entry;
	int err = entry_edit(txn, key, key_size, &entry);

	if (err == 0 && !entry.exists)
		return -ENOENT;
	if (err != 0)
		return err;
	entry.cell.mtime_ns = mtime_ns;
	return fail(txn->txn, entry_store(&entry, entry.cell.value.size));
}

/* Delete an entry that exists. */
static int entry_delete(struct entry *entry)
{
	struct pager *pager = &entry->txn->pager;
	int err = free_content(pager, &entry->cell);

	entry->txn->generation++;
	entry->tree->entries--;
	entry->tree->key_bytes -= entry->key_size;
	entry->tree->value_bytes -= entry->cell.value.size;
	return err != 0 ? err : tree_remove(pager, entry->tree, &entry->path);
}

int kt_delete(struct kt_txn *txn, const void *key, size_t key_size, unsigned flags)
{
	struct entry entry;
	int err = entry_edit(txn, key, key_size, &entry);

	if (err == 0 && !entry.exists)
		return flags & KT_MISSING_OK ? 0 : -ENOENT;
	return err != 0 ? err : fail(txn->txn, entry_delete(&entry));
}

int kt_write(struct kt_txn *txn, const void *key, size_t key_size, uint64_t offset,
	const void *data, size_t size)
{
	struct entry entry;
	uint64_t old_size;
	int err;

	if (offset > INT64_MAX || size > INT64_MAX - offset)
		return -EFBIG;
	err = entry_edit(txn, key, key_size, &entry);
	if (err != 0)
		return err;
	old_size = entry.cell.value.size;
	entry.cell.mtime_ns = txn->txn->now_ns;
	err = value_write(&txn->txn->pager, &entry.cell.value, offset, data, size,
		inline_room(&entry), &entry.buffer);
	if (err == 0)
		err = entry_store(&entry, old_size);
	return fail(txn->txn, err);
}

int kt_truncate(struct kt_txn *txn, const void *key, size_t key_size, uint64_t size)
{
	struct entry entry;
	uint64_t old_size;
	int err;

	if (size > INT64_MAX)
		return -EFBIG;
	err = entry_edit(txn, key, key_size, &entry);
	if (err == 0 && !entry.exists)
		return -ENOENT;
	if (err != 0)
		return err;
	old_size = entry.cell.value.size;
	entry.cell.mtime_ns = txn->txn->now_ns;
	err = value_resize(
		&txn->txn->pager, &entry.cell.value, size, inline_room(&entry), &entry.buffer);
	if (err == 0)
		err = entry_store(&entry, old_size);
	return fail(txn->txn, err);
}

int kt_punch(struct kt_txn *txn, const void *key, size_t key_size, uint64_t offset, uint64_t size)
{
	struct entry entry;
	int err = entry_edit(txn, key, key_size, &entry);

	if (err == 0 && !entry.exists)
		return -ENOENT;
	if (err != 0)
		return err;
	entry.cell.mtime_ns = txn->txn->now_ns;
	err = value_punch(&txn->txn->pager, &entry.cell.value, offset, size, inline_room(&entry),
		&entry.buffer);
	if (err == 0)
		err = entry_store(&entry, entry.cell.value.size);
	return fail(txn->txn, err);
}

/* ---- moving ---------------------------------------------------------------------------------- */

/* What a moved cell points to, out of the node it leaves. */
struct luggage {
	uint8_t attr[ATTR_INLINE_MAX];
	uint8_t value[INLINE_MAX];
};

static void pack(struct cell *cell, struct luggage *luggage)
{
	if (cell->flags & CELL_ATTR)
		cell->attr = memcpy(luggage->attr, cell->attr, cell->attr_size);
	if (cell->value.kind == CELL_INLINE)
		cell->value.data = memcpy(luggage->value, cell->value.data, cell->value.size);
	else if (cell->value.kind == CELL_EXTENT)
		cell->value.data =
			memcpy(luggage->value, cell->value.data, EXTENT_SIZE(cell->value.blocks));
}

static int move(struct entry *source, struct kt_txn *to, const void *key, size_t key_size)
{
	struct txn *txn = source->txn;
	struct cell cell = source->cell;
	struct luggage luggage;
	struct entry target;
	int err;

	if (cell.attr_size > ATTR_INLINE_MAX && !(cell.flags & CELL_ATTR_SPILLED))
		return error_damaged(0, "an attribute blob that is too long");
	if (cell.value.kind == CELL_INLINE && cell.value.size > INLINE_MAX)
		return error_damaged(0, "an inline value that is too long");
	pack(&cell, &luggage);
	txn->generation++;
	source->tree->entries--;
	source->tree->key_bytes -= source->key_size;
	source->tree->value_bytes -= cell.value.size;
	err = tree_remove(&txn->pager, source->tree, &source->path);
	if (err == 0)
		err = entry_open(to, key, key_size, &target);
	if (err == 0 && target.exists) {
		err = entry_delete(&target);
		if (err == 0)
			err = entry_open(to, key, key_size, &target);
	}
	if (err != 0)
		return err;
	target.cell = cell;
	err = fit_value(&target);
	return err != 0 ? err : entry_store(&target, 0);
}

int kt_move(struct kt_txn *from, const void *from_key, size_t from_size, struct kt_txn *to,
	const void *to_key, size_t to_size)
{
	struct entry source;
	int err;

	if (to_size > KT_KEY_MAX)
		return -ENAMETOOLONG;
	err = entry_edit(from, from_key, from_size, &source);
	if (err == 0 && !source.exists)
		return -ENOENT;
	if (err != 0)
		return err;
	if (from->tree == to->tree && from_size == to_size &&
		memcmp(from_key, to_key, to_size) == 0)
		return 0;
	return fail(from->txn, move(&source, to, to_key, to_size));
}
