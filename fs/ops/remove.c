/* Taking a file or an empty directory from its place. See remove.h. */
#include "fs/ops/remove.h"

#include "fs/ops/ops_internal.h"
#include "fs/dirty/dirty_file.h"
#include "fs/core.h"
#include "fs/editor_hooks.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* The file is open: move its value to a nameless entry. */
static int keep_value(
	struct fs *fs, struct kt_txn *txn, const struct found *at, struct removal *removal)
{
	struct found found;
	int err;

	assert(removal->node->opens > 0);
	err = lookup_at_node(fs, txn, removal->node, &found);
	if (err)
		return err;
	removal->known = found.known;
	err = update_keep_xattrs(fs, &removal->known);
	if (err)
		return err;
	stat_keep_ino(INODE_FILE, &at->key, &removal->known);
	foreign_leaving(fs, removal->node);
	if (removal->node->dirty == NULL) {
		err = dirty_begin(fs, removal->node, &removal->node->dirty);
		removal->begun = !err;
	}
	if (!err)
		err = kt_nameless_take(txn, at->key.bytes, at->key.size, &removal->nameless);
	return err;
}

/* The file has other names: its ctime changes. */
static int lose_name(
	struct kt_txn *txn, const struct found *at, bool replaced, struct removal *removal)
{
	const struct key *key = &at->key;
	struct known known;
	struct kt_entry_info stat;
	int err = kt_stat(txn, key->bytes, key->size, &stat);

	if (!err)
		err = stat_known(&stat, &known);
	if (err)
		return err;
	removal->links = known.links - 1;
	err = update_touch_entry(txn, key, key, &known);
	if (!err && !replaced)
		err = kt_delete(txn, key->bytes, key->size, 0);
	return err;
}

int remove_file(struct fs *fs, struct kt_txn *txn, const struct place *place,
	const struct found *found, bool replaced, struct removal *ret_removal)
{
	struct inode *node = inodes_find_file(&fs->nodes, place, found->known.shared);
	bool whole = node != NULL && node->dirty != NULL && node->dirty->whole;
	int err = 0;

	*ret_removal = (struct removal){.node = node, .found = *found};
	/* the entry that takes the key must not become the shared one */
	replaced = replaced && found->known.shared == 0;
	if (found->known.links > 1)
		return lose_name(txn, found, replaced, ret_removal);
	if (node != NULL && node->opens > 0 && !whole)
		return keep_value(fs, txn, found, ret_removal);
	if (whole)
		err = editors_take(node->dirty, txn);
	if (!err && whole && node->opens == 0)
		err = dirty_delete_nameless(node->dirty, txn);
	if (err)
		return err;
	if (replaced)
		return 0;
	return whole ? editors_clear(fs, txn, &found->key)
		     : kt_delete(txn, found->key.bytes, found->key.size, 0);
}

void remove_end(struct fs *fs, struct removal *removal, int err)
{
	struct inode *node = removal->node;

	if (node == NULL)
		return;
	if (err) {
		if (removal->begun)
			dirty_drop(node);
		return;
	}
	if (removal->links > 0) {
		node->links = removal->links;
		if (node->dirty != NULL && node->dirty->whole)
			dirty_touch(node->dirty);
		return;
	}
	if (removal->nameless != 0)
		dirty_lose_key(node->dirty, &removal->known, removal->nameless);
	if (node->opens == 0)
		dirty_drop(node);
	if (node->dirty == NULL && node->lookups > 0)
		lookup_keep(node, &removal->found);
	if (node->dirty != NULL)
		dirty_touch(node->dirty);
	if (node->shared != 0)
		inodes_unshare(&fs->nodes, node);
	dirty_unclaim(node);
	inodes_detach(&fs->nodes, node);
	inodes_tidy(&fs->nodes, node);
}

/* Delete all records that begin with a key. */
static int remove_records(struct kt_txn *txn, const struct key *key)
{
	struct kt_txn *records = kt_tree(txn, KT_DIRECTORIES);
	struct kt_cursor *cursor = NULL;
	int err = kt_cursor_open(records, &cursor);

	if (!err)
		err = kt_cursor_set_prefix(cursor, key->bytes, key->size);
	while (!err && (err = kt_cursor_next(cursor)) == 0) {
		struct kt_slice slice = kt_cursor_key(cursor);
		struct key record = {.size = slice.size};

		memcpy(record.bytes, slice.data, slice.size);
		err = kt_delete(records, record.bytes, record.size, 0);
	}
	kt_cursor_close(cursor);
	return err == -ENOENT ? 0 : err;
}

int remove_directory(
	struct fs *fs, struct kt_txn *txn, const struct place *place, const struct key *key)
{
	bool empty;
	int err = lookup_dir_is_empty(fs, txn, place, key, &empty);

	if (err)
		return err;
	if (!empty)
		return -ENOTEMPTY;
	if (place->kind == INODE_DIR) /* keys that begin with a piece may belong elsewhere */
		return remove_records(txn, key);
	return kt_delete(kt_tree(txn, KT_DIRECTORIES), key->bytes, key->size, KT_MISSING_OK);
}
