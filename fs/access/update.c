/* A change of the store together with what it changes in memory. See update.h. */
#include "fs/access/update.h"

#include "fs/dirty/conflict.h"
#include "fs/core.h"
#include "fs/editor_hooks.h"
#include "fs/meta/stat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What update_keep_xattrs() has copied. */
struct kept {
	struct kept *next;
	unsigned char bytes[];
};

int update_begin(struct fs *fs, struct kt_txn **ret_txn)
{
	int err;

	if (fs->options.read_only)
		return -EROFS;
	err = kt_begin(fs->store, KT_WRITE, ret_txn);
	if (err)
		return err;
	pthread_mutex_lock(&fs->lock);
	err = foreign_notice(fs, *ret_txn, kt_txn_id(*ret_txn) - 1);
	if (err) {
		pthread_mutex_unlock(&fs->lock);
		kt_abort(*ret_txn);
	}
	return err;
}

int update_keep_xattrs(struct fs *fs, struct known *known)
{
	struct kt_slice xattrs = known->attr.xattrs;
	struct kept *kept;

	if (xattrs.size == 0)
		return 0;
	kept = malloc(sizeof(*kept) + xattrs.size);
	if (kept == NULL)
		return -ENOMEM;
	memcpy(kept->bytes, xattrs.data, xattrs.size);
	attr_set_xattrs(&known->attr, (struct kt_slice){kept->bytes, xattrs.size});
	kept->next = fs->kept;
	fs->kept = kept;
	return 0;
}

int update_touch_entry(
	struct kt_txn *txn, const struct key *from, const struct key *key, struct known *known)
{
	struct attr_blob blob;
	int err;

	stat_keep_ino(INODE_FILE, from, known);
	stat_touch(known);
	err = attr_blob_init(&known->attr, &blob);
	if (err)
		return err;
	err = kt_set_attr(txn, key->bytes, key->size, blob.bytes, blob.size);
	attr_blob_fini(&blob);
	return err;
}

int update_commit(struct fs *fs, struct kt_txn *txn, int err)
{
	if (!err)
		err = inode_numbers_refill(&fs->inode_numbers, txn);
	if (!err)
		err = conflict_clean(fs, txn);
	if (err)
		kt_abort(txn);
	else
		err = foreign_commit(fs, txn);
	inode_numbers_settle(&fs->inode_numbers, !err);
	editors_ended(fs, !err);
	if (!err)
		conflict_cleaned(fs);
	return err;
}

int update_end(struct fs *fs, int err)
{
	while (fs->kept != NULL) {
		struct kept *kept = fs->kept;

		fs->kept = kept->next;
		free(kept);
	}
	if (!err && fs->options.commit_seconds > 0)
		flusher_expect_flush(fs);
	pthread_mutex_unlock(&fs->lock);
	if (!err && fs->options.commit_seconds == 0)
		err = kt_flush(fs->store);
	return err;
}
