/* Nameless entries and their owners. See nameless.h. */
#include "store/entry/nameless.h"

#include "store/error.h"
#include "store/commit/txn.h"
#include "store/util/bytes.h"

#include <errno.h>
#include <string.h>

_Static_assert(sizeof(struct format_owned) == 16, "the key of an owned entry");

void kt_id_key(uint64_t id, unsigned char ret_key[KT_ID_KEY_SIZE])
{
	uint64_t big_endian = big64(id);

	memcpy(ret_key, &big_endian, sizeof(big_endian));
}

static struct format_owned nameless_owned_key(uint64_t owner, uint64_t id)
{
	return (struct format_owned){big64(owner), big64(id)};
}

/* ---- owners ---------------------------------------------------------------------------------- */

static struct kt_txn nameless_owner_tree(struct txn *txn)
{
	return (struct kt_txn){.txn = txn, .tree = TREE_OWNERS};
}

/* Note that an entry belongs to this open store. */
static int nameless_own(struct txn *txn, uint64_t id)
{
	struct kt_txn tree = nameless_owner_tree(txn);
	struct format_owned key;
	int err;

	txn->nameless_owner = txn->store->opener_id;
	key = nameless_owned_key(txn->nameless_owner, id);
	pager_begin_internal(&txn->pager);
	err = kt_put(&tree, &key, sizeof(key), NULL, 0);
	pager_end_internal(&txn->pager);
	return err;
}

/* It does not any more. */
static int nameless_disown(struct txn *txn, uint64_t owner, uint64_t id)
{
	struct kt_txn tree = nameless_owner_tree(txn);
	struct format_owned key = nameless_owned_key(owner, id);
	int err;

	pager_begin_internal(&txn->pager);
	err = kt_delete(&tree, &key, sizeof(key), KT_MISSING_OK);
	pager_end_internal(&txn->pager);
	return err;
}

static int nameless_disown_own(struct txn *txn, uint64_t id)
{
	return nameless_disown(txn,
		txn->nameless_owner != 0 ? txn->nameless_owner : txn->store->nameless_owner, id);
}

/* ---- making and ending them ------------------------------------------------------------------ */

int kt_nameless_new(struct kt_txn *txn, uint64_t *ret_id)
{
	unsigned char key[KT_ID_KEY_SIZE];
	uint64_t id;
	int err = kt_new_id(txn, &id);

	if (err != 0)
		return err;
	kt_id_key(id, key);
	err = kt_put(kt_tree(txn, KT_NAMELESS), key, sizeof(key), NULL, 0);
	if (!err)
		err = nameless_own(txn->txn, id);
	if (!err)
		*ret_id = id;
	return err;
}

int kt_nameless_take(struct kt_txn *txn, const void *key, size_t key_size, uint64_t *ret_id)
{
	unsigned char nameless[KT_ID_KEY_SIZE];
	uint64_t id;
	int err = kt_new_id(txn, &id);

	if (err != 0)
		return err;
	kt_id_key(id, nameless);
	err = kt_move(txn, key, key_size, kt_tree(txn, KT_NAMELESS), nameless, sizeof(nameless));
	if (!err)
		err = nameless_own(txn->txn, id);
	if (!err)
		*ret_id = id;
	return err;
}

int kt_nameless_link(struct kt_txn *txn, uint64_t id, const void *key, size_t key_size)
{
	unsigned char nameless[KT_ID_KEY_SIZE];
	int err;

	kt_id_key(id, nameless);
	err = kt_move(kt_tree(txn, KT_NAMELESS), nameless, sizeof(nameless), txn, key, key_size);
	return err != 0 ? err : nameless_disown_own(txn->txn, id);
}

int kt_nameless_drop(struct kt_txn *txn, uint64_t id)
{
	unsigned char nameless[KT_ID_KEY_SIZE];
	int err;

	kt_id_key(id, nameless);
	err = kt_delete(kt_tree(txn, KT_NAMELESS), nameless, sizeof(nameless), 0);
	return err != 0 ? err : nameless_disown_own(txn->txn, id);
}

/* ---- dropping what is left ------------------------------------------------------------------- */

/* The next owner in the order of numbers, from a number on. @return 0; -ENOENT there is none */
static int nameless_next_owner(struct kt_txn *txn, uint64_t from, uint64_t *ret_owner)
{
	struct kt_txn tree = nameless_owner_tree(txn->txn);
	struct format_owned key = nameless_owned_key(from, 0);
	struct kt_cursor *cursor;
	int err = kt_cursor_open(&tree, &cursor);

	if (err != 0)
		return err;
	err = kt_cursor_seek(cursor, &key, sizeof(key));
	if (!err) {
		struct kt_slice slice = kt_cursor_key(cursor);

		if (slice.size != sizeof(key))
			err = error_damaged(0, "malformed record of a nameless entry");
		else
			memcpy(&key, slice.data, sizeof(key));
	}
	kt_cursor_close(cursor);
	if (!err)
		*ret_owner = big64(key.owner);
	return err;
}

/* The next one that is not alive. @return as nameless_next_owner() */
static int nameless_next_dead(struct kt_txn *txn, uint64_t *ret_owner)
{
	uint64_t owner = 0;
	int err = nameless_next_owner(txn, 0, &owner);

	while (!err && kt_opener_is_alive(txn->txn->store, owner))
		err = owner == UINT64_MAX ? -ENOENT : nameless_next_owner(txn, owner + 1, &owner);
	if (!err)
		*ret_owner = owner;
	return err;
}

/* Drop an entry and its record. One whose entry is gone goes alone. */
static int nameless_drop_one(struct kt_txn *txn, const struct kt_slice *record)
{
	unsigned char nameless[KT_ID_KEY_SIZE];
	struct format_owned key;
	int err;

	if (record->size != sizeof(key))
		return error_damaged(0, "malformed record of a nameless entry");
	memcpy(&key, record->data, sizeof(key));
	memcpy(nameless, &key.id, sizeof(nameless));
	err = kt_delete(kt_tree(txn, KT_NAMELESS), nameless, sizeof(nameless), KT_MISSING_OK);
	if (err != 0)
		return err;
	return nameless_disown(txn->txn, big64(key.owner), big64(key.id));
}

static int nameless_drop_all_of(struct kt_txn *txn, uint64_t owner)
{
	struct kt_txn tree = nameless_owner_tree(txn->txn);
	uint64_t prefix = big64(owner);
	struct kt_cursor *cursor;
	int err = kt_cursor_open(&tree, &cursor);

	if (err != 0)
		return err;
	err = kt_cursor_set_prefix(cursor, &prefix, sizeof(prefix));
	while (!err && (err = kt_cursor_next(cursor)) == 0) {
		struct kt_slice record = kt_cursor_key(cursor);

		err = nameless_drop_one(txn, &record);
	}
	kt_cursor_close(cursor);
	return err == -ENOENT ? 0 : err;
}

static int nameless_finish(struct kt_txn *txn, int err)
{
	if (!err || err == -ENOENT)
		return kt_commit(txn, 0);
	kt_abort(txn);
	return err;
}

/* Is there anything to drop? It is looked for without waiting for a writer. */
static int nameless_find_dead(struct kt_store *store)
{
	struct kt_txn *txn;
	uint64_t owner;
	int err = kt_begin(store, KT_READ, &txn);

	if (err != 0)
		return err;
	err = nameless_next_dead(txn, &owner);
	kt_abort(txn);
	return err;
}

int nameless_drop_dead(struct kt_store *store)
{
	struct kt_txn *txn;
	uint64_t owner;
	int err = nameless_find_dead(store);

	if (err != 0)
		return err == -ENOENT ? 0 : err;
	/* Opening waits for no writer; who comes next will do it. */
	err = kt_begin(store, KT_WRITE | KT_TRY, &txn);
	if (err != 0)
		return err;
	while (!err && (err = nameless_next_dead(txn, &owner)) == 0)
		err = nameless_drop_all_of(txn, owner);
	return nameless_finish(txn, err);
}

int nameless_drop_own(struct kt_store *store)
{
	struct kt_txn *txn;
	int err;

	if (store->nameless_owner == 0)
		return 0;
	err = kt_begin(store, KT_WRITE, &txn);
	return err != 0 ? err
			: nameless_finish(txn, nameless_drop_all_of(txn, store->nameless_owner));
}
