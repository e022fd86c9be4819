/* Moving keys. See move_keys.h. */
#include "fs/ops/move_keys.h"

#include "fs/core.h"
#include "fs/access/dir_record.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* Move one entry with its directory. It keeps the inode number that it shows. An entry whose
 * blob cannot be decoded moves unchanged. */
int move_keys_entry(struct kt_txn *tree, const struct kt_entry_info *stat, const struct key *from,
	const struct key *to)
{
	struct attr_blob blob = {.size = 0};
	struct known known;
	int err = 0;

	if (stat != NULL && stat_known(stat, &known) == 0 && known.shared == 0 &&
		!(known.attr.fields & ATTR_INO)) {
		stat_keep_ino(INODE_FILE, from, &known);
		err = attr_blob_init(&known.attr, &blob);
	}
	if (!err)
		err = kt_move(tree, from->bytes, from->size, tree, to->bytes, to->size);
	if (!err && blob.size > 0)
		err = kt_set_attr(tree, to->bytes, to->size, blob.bytes, blob.size);
	attr_blob_fini(&blob);
	return err;
}

/* Replace the prefix of a key. @return 0; -ENAMETOOLONG */
static int change_prefix(
	const struct key *key, const struct key *from, const struct key *to, struct key *ret_key)
{
	size_t rest = key->size - from->size;

	assert(key->size >= from->size && memcmp(key->bytes, from->bytes, from->size) == 0);
	if (to->size + rest > KT_KEY_MAX)
		return -ENAMETOOLONG;
	memcpy(ret_key->bytes, to->bytes, to->size);
	memcpy(ret_key->bytes + to->size, key->bytes + from->size, rest);
	ret_key->size = to->size + rest;
	return 0;
}

/* Move all keys of a tree that begin with a prefix. */
int move_keys_below(
	struct kt_txn *txn, enum kt_tree_id id, const struct key *from, const struct key *to)
{
	struct kt_txn *tree = kt_tree(txn, id);
	struct kt_cursor *cursor = NULL;
	int err = kt_cursor_open(tree, &cursor);

	if (!err) {
		kt_cursor_set_transient(cursor);
		err = kt_cursor_set_prefix(cursor, from->bytes, from->size);
	}
	while (!err && (err = kt_cursor_next(cursor)) == 0) {
		struct kt_slice slice = kt_cursor_key(cursor);
		struct key key = {.size = slice.size}, moved;
		struct kt_entry_info stat;

		memcpy(key.bytes, slice.data, slice.size);
		err = change_prefix(&key, from, to, &moved);
		if (!err)
			err = kt_cursor_stat(cursor, &stat);
		if (!err)
			err = move_keys_entry(tree, id == KT_ENTRIES ? &stat : NULL, &key, &moved);
	}
	kt_cursor_close(cursor);
	return err == -ENOENT ? 0 : err;
}

int move_keys_record(struct kt_txn *txn, const struct found *found, const struct inode *node,
	const struct key *to)
{
	struct known known = found->known;

	if (node != NULL && node->ino != 0 && !(known.attr.fields & ATTR_INO)) {
		known.attr.fields |= ATTR_INO;
		known.attr.ino = node->ino;
	}
	stat_keep_ino(INODE_DIR, &found->key, &known);
	if (node != NULL && node->touched_ns != 0)
		known.mtime_ns = node->touched_ns;
	stat_touch(&known);
	return dir_record_put(txn, to, &known);
}
