/* What cursors can do beside walking: seek backward, change the entry they stand on, and go from
 * name to name. All of it is built on the calls of cursor.c. */
#include "store/entry/entry.h"
#include "store/commit/txn.h"
#include "store/error.h"

#include <errno.h>
#include <string.h>

int kt_cursor_seek_le(struct kt_cursor *cursor, const void *key, size_t key_size)
{
	uint8_t wanted[KT_KEY_MAX]; /* key may be the cursor's own, which the search replaces */
	bool can_exist = key_size <= sizeof(wanted);
	struct kt_slice found;
	int err;

	if (can_exist && key_size > 0)
		memcpy(wanted, key, key_size);
	err = kt_cursor_seek(cursor, key, key_size);
	if (err != 0)
		return err == -ENOENT ? kt_cursor_last(cursor) : err;
	found = kt_cursor_key(cursor);
	if (can_exist && found.size == key_size &&
		(key_size == 0 || memcmp(found.data, wanted, key_size) == 0))
		return 0;
	return kt_cursor_prev(cursor);
}

/* ---- changing ------------------------------------------------------------------------------- */

int kt_cursor_put(struct kt_cursor *cursor, const void *value, size_t value_size)
{
	struct kt_txn txn;
	struct kt_slice key;
	bool exists = false;
	int err = cursor_entry(cursor, &txn, &key);

	if (!err && !txn.txn->writing)
		err = error_say(-EROFS, "the transaction is for reading only");
	if (!err)
		err = kt_contains(&txn, key.data, key.size, &exists);
	if (!err && !exists)
		err = -ENOENT;
	return err != 0 ? err : kt_put(&txn, key.data, key.size, value, value_size);
}

int kt_cursor_delete(struct kt_cursor *cursor)
{
	struct kt_txn txn;
	struct kt_slice key;
	int err = cursor_entry(cursor, &txn, &key);

	return err != 0 ? err : kt_delete(&txn, key.data, key.size, 0);
}

/* ---- names ---------------------------------------------------------------------------------- */

/* The name that a key has behind the first bytes: up to its separator, or to its end. */
static int cursor_name(const struct kt_cursor *cursor, size_t skip, struct kt_slice *ret_name)
{
	struct kt_slice key = kt_cursor_key(cursor);
	const char *begin, *end;

	if (key.size < skip)
		return error_say(-EINVAL, "the key is shorter than what is to be skipped");
	begin = (const char *)key.data + skip;
	end = key.size > skip ? memchr(begin, KT_SEPARATOR, key.size - skip) : NULL;
	ret_name->data = begin;
	ret_name->size = end != NULL ? (size_t)(end + 1 - begin) : key.size - skip;
	return 0;
}

/* Go behind all keys that begin with the cursor's first bytes, the last of them a separator. */
static int cursor_skip(struct kt_cursor *cursor, size_t size)
{
	uint8_t behind[KT_KEY_MAX];

	memcpy(behind, kt_cursor_key(cursor).data, size);
	behind[size - 1]++;
	return kt_cursor_seek(cursor, behind, size);
}

int kt_cursor_next_name(struct kt_cursor *cursor, size_t skip, struct kt_slice *ret_name)
{
	struct kt_txn txn;
	struct kt_slice key, name = {NULL, 0};
	int err = cursor_entry(cursor, &txn, &key);

	if (!err)
		err = cursor_name(cursor, skip, &name);
	if (err != 0 && err != -ENOENT)
		return err;
	if (name.size > 0 && ((const char *)name.data)[name.size - 1] == KT_SEPARATOR)
		err = cursor_skip(cursor, skip + name.size);
	else
		err = kt_cursor_next(cursor);
	return err != 0 ? err : cursor_name(cursor, skip, ret_name);
}
