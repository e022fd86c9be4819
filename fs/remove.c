/* Taking a file or an empty directory from its place. See remove.h. */
#include "remove.h"

#include "content.h"
#include "core.h"

#include <assert.h>
#include <errno.h>

/* The file is open: keep its value in a nameless entry. */
static int keep_value(
	struct fs *fs, struct kt_txn *txn, const struct key *key, struct removal *removal)
{
	unsigned char nameless[CONTENT_NAMELESS_KEY_SIZE];
	struct found found;
	int err;

	assert(removal->node->opens > 0);
	err = find_at_node(fs, txn, removal->node, &found);

	if (err)
		return err;
	removal->known = found.known;
	stat_keep_ino(INODE_FILE, key, &removal->known.attr);
	err = kt_new_id(txn, &removal->nameless);
	if (err)
		return err;
	if (removal->node->content == NULL) {
		err = content_begin(fs, removal->node, &removal->node->content);
		removal->begun = err == 0;
	}
	content_nameless_key(removal->nameless, nameless);
	if (!err)
		err = kt_move(txn, key->bytes, key->size, kt_tree(txn, KT_NAMELESS), nameless,
			sizeof(nameless));
	return err;
}

int remove_file(struct fs *fs, struct kt_txn *txn, const struct place *place, const struct key *key,
	bool replaced, struct removal *ret_removal)
{
	struct inode *node = inodes_find(&fs->nodes, place);
	bool whole = node != NULL && node->content != NULL && node->content->whole;

	*ret_removal = (struct removal){.node = node};
	if (node != NULL && node->opens > 0 && !whole)
		return keep_value(fs, txn, key, ret_removal);
	if (replaced)
		return 0;
	return kt_delete(txn, key->bytes, key->size, whole ? KT_MISSING_OK : 0);
}

void remove_end(struct fs *fs, struct removal *removal, int err)
{
	struct inode *node = removal->node;

	if (node == NULL)
		return;
	if (err) {
		if (removal->begun)
			content_drop(node);
		return;
	}
	if (removal->nameless != 0)
		content_lose_key(node->content, &removal->known, removal->nameless);
	inodes_detach(&fs->nodes, node);
	inodes_tidy(&fs->nodes, node);
}

int remove_directory(
	struct fs *fs, struct kt_txn *txn, const struct place *place, const struct key *key)
{
	bool empty;
	int err = find_is_empty(fs, txn, place, key, &empty);

	if (err)
		return err;
	if (!empty)
		return -ENOTEMPTY;
	return kt_delete(kt_tree(txn, KT_DIRECTORIES), key->bytes, key->size, KT_MISSING_OK);
}
