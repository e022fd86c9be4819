/* Collections: the part of a store below one name.
 *
 * A collection is nothing but a prefix, NAME/, that a handle puts in front of keys and takes off
 * again: entry.c and cursor.c do that for every call. One that was made has a record in
 * KT_DIRECTORIES under its prefix, as every made directory has, and so is there while it is empty.
 */
#include "store/error.h"
#include "store/commit/txn.h"
#include "store/util/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Why a call on a collection returns -ENOENT. */
#define COLLECTION_MISSING "no such collection"
#define COLLECTION_EXISTS "a collection of this name exists"

struct kt_collection {
	struct kt_store *store;
	size_t prefix_size;
	uint8_t prefix[]; /* NAME/ */
};

/* ---- handles --------------------------------------------------------------------------------- */

static int collection_new(struct kt_store *store, const void *name, size_t size,
	struct kt_collection **ret_collection)
{
	struct kt_collection *collection;

	if (size > 0 && memchr(name, KT_SEPARATOR, size) != NULL)
		return error_say(-EINVAL, "the name of a collection has no /");
	if (size == 0)
		return error_say(-EINVAL, "the name of a collection is not empty");
	if (size >= KT_KEY_MAX)
		return error_say(-ENAMETOOLONG, "the name of a collection is too long");
	collection = malloc(sizeof(*collection) + size + 1);
	if (collection == NULL)
		return -ENOMEM;
	collection->store = store;
	collection->prefix_size = size + 1;
	memcpy(collection->prefix, name, size);
	collection->prefix[size] = KT_SEPARATOR;
	*ret_collection = collection;
	return 0;
}

void kt_collection_close(struct kt_collection *collection)
{
	free(collection);
}

/* The part of a tree that belongs to a collection, as long as the collection is there. */
static struct kt_txn collection_part(
	const struct kt_collection *collection, struct kt_txn *txn, unsigned tree)
{
	return (struct kt_txn){.txn = txn->txn,
		.tree = tree,
		.prefix = collection->prefix,
		.prefix_size = collection->prefix_size};
}

int kt_collection_view(
	struct kt_collection *collection, struct kt_txn *txn, struct kt_txn **ret_view)
{
	struct kt_txn *view;
	uint8_t *prefix;

	if (txn->txn->store != collection->store)
		return error_say(-EINVAL, "the collection is of another store");
	view = txn_alloc(txn->txn, sizeof(*view) + collection->prefix_size);
	if (view == NULL)
		return -ENOMEM;
	prefix = (uint8_t *)(view + 1);
	memcpy(prefix, collection->prefix, collection->prefix_size);
	*view = collection_part(collection, txn, txn->tree);
	view->prefix = prefix;
	*ret_view = view;
	return 0;
}

int kt_collection_begin(struct kt_collection *collection, unsigned flags, struct kt_txn **ret_txn)
{
	struct kt_txn *txn;
	int err = kt_begin(collection->store, flags, &txn);

	if (err != 0)
		return err;
	err = kt_collection_view(collection, txn, ret_txn);
	if (err != 0)
		kt_abort(txn);
	else
		txn->txn->begun = *ret_txn;
	return err;
}

/* ---- making and deleting --------------------------------------------------------------------- */

/* Is anything in a part of a tree? */
static int collection_has_keys(struct kt_txn *part, bool *ret_has)
{
	struct kt_cursor *cursor;
	int err = kt_cursor_open(part, &cursor);

	if (err != 0)
		return err;
	err = kt_cursor_first(cursor);
	kt_cursor_close(cursor);
	if (err != 0 && err != -ENOENT)
		return err;
	*ret_has = !err;
	return 0;
}

/* Look for a collection. ret_made: its record; ret_exists: that, or anything below. */
static int collection_find(const struct kt_collection *collection, struct kt_txn *txn,
	bool *ret_made, bool *ret_exists)
{
	struct kt_txn records = collection_part(collection, txn, KT_DIRECTORIES);
	struct kt_txn entries = collection_part(collection, txn, KT_ENTRIES);
	int err = kt_contains(&records, "", 0, ret_made);

	if (!err)
		err = collection_has_keys(&records, ret_exists);
	if (!err && !*ret_exists)
		err = collection_has_keys(&entries, ret_exists);
	return err;
}

static int collection_make(struct kt_collection *collection, bool exclusive)
{
	bool made, exists;
	struct kt_txn *txn, records;
	int err = kt_begin(collection->store, KT_WRITE, &txn);

	if (err != 0)
		return err;
	records = collection_part(collection, txn, KT_DIRECTORIES);
	err = collection_find(collection, txn, &made, &exists);
	if (!err && exists && exclusive)
		err = error_say(-EEXIST, COLLECTION_EXISTS);
	if (!err && !made)
		err = kt_put(&records, "", 0, "", 0);
	if (!err)
		return kt_commit(txn, 0);
	kt_abort(txn);
	return err;
}

/* See whether there is such a collection, and make it if that is wished. */
static int collection_find_or_make(struct kt_collection *collection, unsigned flags)
{
	bool made = false, exists = false;
	struct kt_txn *txn;
	int err = kt_begin(collection->store, KT_READ, &txn);

	if (err != 0)
		return err;
	err = collection_find(collection, txn, &made, &exists);
	kt_abort(txn);
	if (err != 0)
		return err;
	if (!(flags & KT_CREATE))
		return exists ? 0 : error_say(-ENOENT, COLLECTION_MISSING);
	if (exists && (flags & KT_EXCLUSIVE))
		return error_say(-EEXIST, COLLECTION_EXISTS);
	if (made || (exists && collection->store->readonly))
		return 0;
	return collection_make(collection, (flags & KT_EXCLUSIVE) != 0);
}

int kt_collection_open(struct kt_store *store, const void *name, size_t name_size, unsigned flags,
	struct kt_collection **ret_collection)
{
	struct kt_collection *collection;
	int err = error_unknown_flags(flags, KT_CREATE | KT_EXCLUSIVE);

	if (!err)
		err = collection_new(store, name, name_size, &collection);
	if (err != 0)
		return err;
	err = collection_find_or_make(collection, flags);
	if (err != 0)
		free(collection);
	else
		*ret_collection = collection;
	return err;
}

int kt_collection_delete(struct kt_txn *txn, const void *name, size_t name_size)
{
	struct kt_collection *collection;
	struct kt_txn entries, records;
	bool made, exists;
	int err;

	if (!txn->txn->writing)
		return error_say(-EROFS, "the transaction is for reading only");
	err = collection_new(txn->txn->store, name, name_size, &collection);
	if (err != 0)
		return err;
	entries = collection_part(collection, txn, KT_ENTRIES);
	records = collection_part(collection, txn, KT_DIRECTORIES);
	err = collection_find(collection, txn, &made, &exists);
	if (!err && !exists)
		err = error_say(-ENOENT, COLLECTION_MISSING);
	if (!err)
		err = kt_delete_range(&entries, NULL, 0, NULL, 0, NULL);
	if (!err)
		err = kt_delete_range(&records, NULL, 0, NULL, 0, NULL);
	free(collection);
	return err;
}

/* ---- listing --------------------------------------------------------------------------------- */

/* Goes through the first components of a tree's keys. */
struct names {
	struct kt_cursor *cursor; /* on a key of the collection; or at the end */
	struct kt_slice name;	  /* with its separator; valid until the cursor moves */
	bool done;
};

static const uint8_t behind_separator[] = {KT_SEPARATOR + 1};

/* Keys without a separator are in no collection, nor are those that begin with one. */
static int names_settle(struct names *names, int err)
{
	while (!err) {
		struct kt_slice key = kt_cursor_key(names->cursor);
		const uint8_t *end = key.size > 0 ? memchr(key.data, KT_SEPARATOR, key.size) : NULL;

		if (end != NULL && end != key.data) {
			names->name.data = key.data;
			names->name.size = (size_t)(end + 1 - (const uint8_t *)key.data);
			return 0;
		}
		if (end != NULL)
			err = kt_cursor_seek(names->cursor, behind_separator, 1);
		else
			err = kt_cursor_next(names->cursor);
	}
	names->done = err == -ENOENT;
	return names->done ? 0 : err;
}

static int names_open(struct kt_txn *txn, enum kt_tree_id tree, struct names *names)
{
	int err = kt_cursor_open(kt_tree(txn, tree), &names->cursor);

	return err != 0 ? err : names_settle(names, kt_cursor_first(names->cursor));
}

/* Which name comes first; one that is done comes last. */
static int names_compare(const struct names *a, const struct names *b)
{
	if (a->done || b->done)
		return a->done - b->done;
	return bytes_compare(a->name.data, a->name.size, b->name.data, b->name.size);
}

/* Go on behind the collection: its last byte, the separator, is raised by one. */
static int names_skip(struct names *names)
{
	uint8_t behind[KT_KEY_MAX];
	struct names before = {.name = {behind, names->name.size}};
	int err;

	memcpy(behind, names->name.data, before.name.size);
	behind[before.name.size - 1] = behind_separator[0];
	err = names_settle(names, kt_cursor_seek(names->cursor, behind, before.name.size));
	if (!err && names_compare(names, &before) < 0)
		err = error_damaged(0, "keys out of order");
	return err;
}

static int names_list_next(
	struct names *made, struct names *implied, kt_collection_fn *each, void *arg)
{
	int order = names_compare(made, implied);
	struct kt_slice name = order <= 0 ? made->name : implied->name;
	int err;

	name.size--;
	err = each(arg, &name);
	if (!err && order <= 0)
		err = names_skip(made);
	if (!err && order >= 0)
		err = names_skip(implied);
	return err;
}

int kt_collection_list(struct kt_txn *txn, kt_collection_fn *each, void *arg)
{
	struct names made = {.done = false}, implied = {.done = false};
	int err = names_open(txn, KT_DIRECTORIES, &made);

	if (!err)
		err = names_open(txn, KT_ENTRIES, &implied);
	while (!err && !(made.done && implied.done))
		err = names_list_next(&made, &implied, each, arg);
	kt_cursor_close(made.cursor);
	kt_cursor_close(implied.cursor);
	return err;
}

/* ---- counting -------------------------------------------------------------------------------- */

static int collection_count(struct kt_txn *part, struct kt_counts *count)
{
	struct kt_cursor *cursor;
	struct kt_entry_info stat;
	int err = kt_cursor_open(part, &cursor);

	if (err != 0)
		return err;
	kt_cursor_set_transient(cursor);
	while (!err && (err = kt_cursor_next(cursor)) == 0) {
		err = kt_cursor_stat(cursor, &stat);
		count->entries++;
		count->key_bytes += kt_cursor_key(cursor).size;
		count->value_bytes += stat.size;
	}
	kt_cursor_close(cursor);
	return err == -ENOENT ? 0 : err;
}

int kt_count(struct kt_txn *txn, struct kt_counts *ret_count)
{
	const struct format_tree *tree = &txn->txn->trees[txn->tree];
	struct kt_counts count = {0};
	int err = 0;

	if (txn->prefix_size > 0)
		err = collection_count(txn, &count);
	else
		count = (struct kt_counts){tree->entries, tree->key_bytes, tree->value_bytes};
	if (txn->prefix_size == 0 && txn->tree == TREE_ENTRIES)
		count.value_bytes += txn->txn->trees[TREE_SHARED].value_bytes;
	if (!err)
		*ret_count = count;
	return err;
}
