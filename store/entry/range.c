/* All entries of a range, or below a prefix: deleting them, and visiting them. */
#include "store/entry/entry.h"
#include "store/error.h"
#include "store/commit/txn.h"

#include <errno.h>

/* Delete what a cursor walks over. */
static int range_delete(struct kt_txn *txn, struct kt_cursor *cursor, uint64_t *ret_count)
{
	uint64_t count = 0;
	int err;

	while ((err = kt_cursor_next(cursor)) == 0) {
		err = kt_cursor_delete(cursor);
		if (err == -ENOENT)
			err = error_damaged(0, "keys out of order");
		if (err)
			break;
		count++;
	}
	if (err == -ENOENT) {
		if (ret_count != NULL)
			*ret_count = count;
		return 0;
	}
	return count > 0 ? entry_fail(txn->txn, err)
			 : err; /* a part of them is not to be committed */
}

int kt_delete_range(struct kt_txn *txn, const void *from, size_t from_size, const void *to,
	size_t to_size, uint64_t *ret_count)
{
	struct kt_cursor *cursor;
	int err = txn->txn->writing ? kt_cursor_open(txn, &cursor) : -EROFS;

	if (err != 0)
		return err;
	err = kt_cursor_set_range(cursor, from, from_size, to, to_size);
	if (!err)
		err = range_delete(txn, cursor, ret_count);
	kt_cursor_close(cursor);
	return err;
}

int kt_delete_prefix(struct kt_txn *txn, const void *prefix, size_t size, uint64_t *ret_count)
{
	struct kt_cursor *cursor;
	int err = txn->txn->writing ? kt_cursor_open(txn, &cursor) : -EROFS;

	if (err != 0)
		return err;
	err = kt_cursor_set_prefix(cursor, prefix, size);
	if (!err)
		err = range_delete(txn, cursor, ret_count);
	kt_cursor_close(cursor);
	return err;
}

int kt_each(struct kt_txn *txn, const void *prefix, size_t size, kt_each_fn *each, void *arg)
{
	struct kt_cursor *cursor;
	struct kt_slice key, value;
	int err = kt_cursor_open(txn, &cursor), told = 0;

	if (err != 0)
		return err;
	err = kt_cursor_set_prefix(cursor, prefix, size);
	while (!err && told == 0 && (err = kt_cursor_next(cursor)) == 0) {
		key = kt_cursor_key(cursor);
		err = kt_cursor_value(cursor, &value);
		if (!err)
			told = each(arg, &key, &value);
	}
	kt_cursor_close(cursor);
	if (told != 0)
		return told;
	return err == -ENOENT ? 0 : err;
}
