/* Entries that several keys share. See shared_entry.h. */
#include "store/entry/shared_entry.h"

#include "store/error.h"
#include "store/commit/txn.h"
#include "store/util/bytes.h"

#include <errno.h>
#include <string.h>

_Static_assert(sizeof(struct format_link) == 16, "the key of a link's record");

static struct kt_txn shared_entry_tree(struct txn *txn)
{
	return (struct kt_txn){.txn = txn, .tree = TREE_SHARED};
}

static struct format_link link_record_key(const struct cell *link)
{
	return (struct format_link){big64(link->value.root), big64(link->value.blocks)};
}

static struct cell link_cell(uint64_t id, uint64_t link)
{
	return (struct cell){.value = {.kind = CELL_LINK, .root = id, .blocks = link}};
}

/* ---- the entry ------------------------------------------------------------------------------- */

int shared_entry_open(struct txn *txn, uint64_t id, struct entry *entry)
{
	struct kt_txn tree = shared_entry_tree(txn);
	uint64_t key = big64(id);
	int err = entry_find(&tree, &key, sizeof(key), entry);

	if (err != 0)
		return err;
	if (!entry->exists || !(entry->cell.flags & CELL_SHARED) || entry->cell.keys == 0 ||
		entry->cell.value.kind == CELL_LINK)
		return error_damaged(0, "a link that leads nowhere");
	memcpy(entry->whole, &key, sizeof(key));
	entry->key = entry->whole;
	return 0;
}

int shared_entry_follow(struct txn *txn, const struct cell *link, struct cell *ret_cell)
{
	struct entry entry;
	int err = shared_entry_open(txn, link->value.root, &entry);

	if (!err)
		*ret_cell = entry.cell;
	return err;
}

/* Change the number of its keys. Its version is that of the transaction, whatever the number. */
static int shared_entry_count_keys(struct txn *txn, uint64_t id, int more)
{
	struct entry entry;
	int err = shared_entry_open(txn, id, &entry);

	if (err != 0)
		return err;
	entry.cell.keys += (uint32_t)more;
	return entry.cell.keys == 0 ? entry_delete(&entry)
				    : entry_store(&entry, entry.cell.value.size);
}

/* ---- links ----------------------------------------------------------------------------------- */

/* Find the record of a link. */
static int link_record_open(struct txn *txn, const struct format_link *record, struct entry *entry)
{
	struct kt_txn tree = shared_entry_tree(txn);
	int err = entry_open(&tree, record, sizeof(*record), entry);

	if (!err && entry->exists && entry->cell.value.kind != CELL_INLINE)
		err = error_damaged(0, "malformed record of a shared entry");
	return err;
}

/* Write down the key of a link. */
static int link_record_put(
	struct txn *txn, const struct cell *link, const void *key, size_t key_size)
{
	struct format_link record = link_record_key(link);
	struct entry entry;
	int err = link_record_open(txn, &record, &entry);

	if (!err)
		err = entry_set_attr(&entry, key, key_size);
	return err != 0 ? err : entry_store(&entry, entry.cell.value.size);
}

static int link_record_delete(struct txn *txn, const struct cell *link)
{
	struct format_link record = link_record_key(link);
	struct entry entry;
	int err = link_record_open(txn, &record, &entry);

	if (!err && !entry.exists)
		err = error_damaged(0, "a link without a record");
	return err != 0 ? err : entry_delete(&entry);
}

/* Put a link in the place of an entry. */
static int link_put(struct entry *entry, uint64_t id, uint64_t old_size)
{
	struct txn *txn = entry->txn;
	int err;

	entry->cell = link_cell(id, txn->own->next_id++);
	err = link_record_put(txn, &entry->cell, entry->key, entry->key_size);
	return err != 0 ? err : entry_store(entry, old_size);
}

int shared_entry_leave(struct txn *txn, const struct cell *link)
{
	int err = shared_entry_count_keys(txn, link->value.root, -1);

	return err != 0 ? err : link_record_delete(txn, link);
}

int shared_entry_rename(struct txn *txn, const struct cell *link, const void *key, size_t key_size)
{
	int err = shared_entry_count_keys(txn, link->value.root, 0);

	return err != 0 ? err : link_record_put(txn, link, key, key_size);
}

int shared_entry_part(struct entry *entry, bool keep_attr)
{
	struct txn *txn = entry->txn;
	struct cell link = entry->cell, cell;
	struct entry_memory memory = {NULL, 0};
	struct kt_slice attr = {NULL, 0};
	int err = shared_entry_follow(txn, &link, &cell);

	if (!err && cell.keys == 1)
		return shared_entry_open(txn, link.value.root, entry);
	if (!err && keep_attr)
		err = entry_attr(txn, &memory, &cell, &attr);
	if (!err && attr.size > 0 && attr.size <= ATTR_INLINE_MAX)
		attr.data = memcpy(entry->attr, attr.data, attr.size);
	if (!err)
		err = shared_entry_leave(txn, &link);
	entry->cell = (struct cell){.flags = CELL_STAMPED};
	if (!err)
		err = entry_set_attr(entry, attr.data, attr.size);
	if (attr.size > 0)
		entry->cell.flags |= CELL_ATTR_COPIED;
	entry_memory_fini(&memory);
	return err;
}

int shared_entry_take(struct entry *entry, struct move_entry_buffer *buffer)
{
	struct cell link = entry->cell, cell;
	struct entry shared;
	int err = shared_entry_open(entry->txn, link.value.root, &shared);

	if (err != 0)
		return err;
	cell = shared.cell;
	if (cell.keys > 1)
		return error_say(-EMLINK, "the entry has several keys");
	err = move_entry_pack(buffer, &cell);
	if (!err)
		err = entry_remove(&shared);
	if (!err)
		err = link_record_delete(entry->txn, &link);
	cell.flags &= (uint8_t)~CELL_SHARED;
	entry->cell = cell;
	entry->tree->value_bytes += cell.value.size;
	return err;
}

/* ---- linking --------------------------------------------------------------------------------- */

/* Move an entry to TREE_SHARED, and put a link in its place. */
static int shared_entry_make(struct entry *source, uint64_t *ret_id)
{
	struct txn *txn = source->txn;
	struct kt_txn tree = shared_entry_tree(txn);
	struct cell cell = source->cell;
	struct move_entry_buffer buffer;
	struct entry shared;
	uint64_t id = txn->own->next_id++, key = big64(id);
	int err = move_entry_pack(&buffer, &cell);

	if (!err)
		err = entry_open(&tree, &key, sizeof(key), &shared);
	if (err != 0)
		return err;
	cell.flags |= CELL_SHARED;
	cell.keys = 1;
	shared.cell = cell;
	err = entry_fit(&shared);
	if (!err)
		err = entry_store(&shared, 0);
	*ret_id = id;
	return err != 0 ? err : link_put(source, id, cell.value.size);
}

/* The id of an entry, if it is shared; else 0. */
static uint64_t shared_entry_id(const struct kt_txn *handle, const struct entry *entry)
{
	uint64_t key;

	if (handle->tree != TREE_SHARED)
		return entry->cell.value.kind == CELL_LINK ? entry->cell.value.root : 0;
	memcpy(&key, entry->key, sizeof(key));
	return big64(key);
}

static int link_add(
	struct txn *txn, uint64_t id, struct kt_txn *to, const void *key, size_t key_size)
{
	struct entry target;
	int err = shared_entry_count_keys(txn, id, 1);

	if (!err)
		err = entry_open(to, key, key_size, &target);
	return err != 0 ? err : link_put(&target, id, 0);
}

static int link_between(struct kt_txn *from, const void *from_key, size_t from_size,
	struct kt_txn *to, const void *to_key, size_t to_size)
{
	struct entry source, target;
	struct cell cell = {0};
	uint64_t id = 0;
	int err = entry_edit(from, from_key, from_size, &source);

	if (!err && !source.exists)
		return error_say(-ENOENT, ENTRY_MISSING);
	if (err != 0) /* nothing has changed: the transaction goes on */
		return err;
	err = entry_open(to, to_key, to_size, &target);
	if (!err && target.exists)
		return error_say(-EEXIST, "the key exists");
	if (!err)
		id = shared_entry_id(from, &source);
	if (!err && id != 0) {
		cell = link_cell(id, 0);
		err = shared_entry_follow(from->txn, &cell, &cell);
		if (!err && cell.keys >= KT_LINK_MAX)
			return error_say(-EMLINK, "the entry has too many keys");
	} else if (!err) {
		err = shared_entry_make(&source, &id);
	}
	if (!err)
		err = link_add(from->txn, id, to, to_key, to_size);
	return entry_fail(from->txn, err);
}

int kt_link(struct kt_txn *from, const void *from_key, size_t from_size, struct kt_txn *to,
	const void *to_key, size_t to_size)
{
	struct entry_bytes bytes;
	int err;

	if ((from->tree != TREE_ENTRIES && from->tree != TREE_SHARED) || to->tree != TREE_ENTRIES)
		return error_say(-EINVAL, "keys share entries within KT_ENTRIES only");
	if (entry_is_too_long(to, to_size))
		return error_key_too_long(to_size);
	err = entry_bytes_init(to, to_key, to_size, &bytes);
	if (!err)
		err = link_between(from, from_key, from_size, to, bytes.data, to_size);
	entry_bytes_fini(&bytes);
	return err;
}

/* ---- checking -------------------------------------------------------------------------------- */

/* The walk through TREE_SHARED. */
struct checking {
	struct kt_txn *txn;
	shared_entry_found_fn *found;
	void *arg;
	uint64_t id;   /* of the entry last met */
	uint64_t keys; /* records met of it */
	uint64_t most; /* and how many there are to be */
	uint64_t links;
};

static void shared_entry_check_end(struct checking *checking)
{
	if (checking->keys != checking->most)
		checking->found(checking->arg, "a shared entry counts its keys wrong");
	checking->keys = checking->most = 0;
}

static void shared_entry_check_begin(struct checking *checking, const uint8_t *key)
{
	struct entry entry;

	shared_entry_check_end(checking);
	checking->id = big64_load(key);
	if (shared_entry_open(checking->txn->txn, checking->id, &entry) != 0)
		checking->found(checking->arg, "a shared entry that counts no keys");
	else
		checking->most = entry.cell.keys;
}

/* Does the key of a record lead back to it? Then no other record has this key. */
static void shared_entry_check_record(
	struct checking *checking, const struct format_link *record, const struct kt_slice *key)
{
	struct entry entry;
	int err = entry_find(kt_tree(checking->txn, KT_ENTRIES), key->data, key->size, &entry);
	bool leads = !err && entry.exists && entry.cell.value.kind == CELL_LINK &&
		     entry.cell.value.root == big64(record->id) &&
		     entry.cell.value.blocks == big64(record->link);

	if (!leads || big64(record->id) != checking->id)
		checking->found(checking->arg, "a shared entry has a key that is another's");
	checking->keys++;
	checking->links++;
}

static void shared_entry_check_one(
	struct checking *checking, const struct kt_slice *key, const struct kt_entry_info *stat)
{
	struct format_link record;

	if (key->size == sizeof(uint64_t)) {
		shared_entry_check_begin(checking, key->data);
	} else if (key->size == sizeof(record)) {
		memcpy(&record, key->data, sizeof(record));
		shared_entry_check_record(checking, &record, &stat->attr);
	} else {
		checking->found(checking->arg, "malformed record of a shared entry");
	}
}

int shared_entry_check(struct kt_txn *txn, uint64_t links, shared_entry_found_fn *found, void *arg)
{
	struct checking checking = {.txn = txn, .found = found, .arg = arg};
	struct kt_txn tree = shared_entry_tree(txn->txn);
	struct kt_cursor *cursor;
	int err = kt_cursor_open(&tree, &cursor);

	if (err != 0)
		return err;
	kt_cursor_set_transient(cursor);
	while (!err && (err = kt_cursor_next(cursor)) == 0) {
		struct kt_slice key = kt_cursor_key(cursor);
		struct kt_entry_info stat;

		err = kt_cursor_stat(cursor, &stat);
		if (!err)
			shared_entry_check_one(&checking, &key, &stat);
	}
	kt_cursor_close(cursor);
	if (err != -ENOENT)
		return err;
	shared_entry_check_end(&checking);
	if (checking.links != links)
		found(arg, "a key that leads to a shared entry which does not know it");
	return 0;
}
