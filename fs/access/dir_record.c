/* Records of made directories. See dir_record.h. */
#include "fs/access/dir_record.h"

#include "fs/core.h"
#include "fs/access/lookup.h"

#include <errno.h>

int dir_record_put(struct kt_txn *txn, const struct key *key, const struct known *known)
{
	struct attr_blob blob;
	int err = attr_blob_init(&known->attr, &blob);

	if (err)
		return err;
	err = kt_put_entry(kt_tree(txn, KT_DIRECTORIES), key->bytes, key->size, NULL, 0, blob.bytes,
		blob.size, known->mtime_ns);
	attr_blob_fini(&blob);
	return err;
}

int dir_record_times(struct fs *fs, struct kt_txn *txn, struct inode *directory)
{
	struct found found;
	int err;

	if (directory->touched_ns == 0 || !inode_has_place(directory))
		return 0;
	err = lookup_at_node(fs, txn, directory, &found);
	if (err == -ENOENT || (!err && !found.recorded && directory->number != FS_ROOT))
		return 0;
	if (err)
		return err;
	if (found.known.attr.fields & ATTR_CTIME &&
		found.known.attr.mtime_ns == directory->touched_ns)
		return 0; /* it says so, and perhaps a later ctime */
	found.known.mtime_ns = directory->touched_ns;
	found.known.attr.fields |= ATTR_CTIME;
	found.known.attr.ctime_ns = found.known.attr.mtime_ns = directory->touched_ns;
	return dir_record_put(txn, &found.key, &found.known);
}

int dir_record_keep(struct fs *fs, struct kt_txn *txn, struct inode *directory)
{
	struct known known = {0};
	struct found found;
	int err;

	if (directory->number == FS_ROOT)
		return 0;
	err = lookup_at_node(fs, txn, directory, &found);
	if (err != -ENOENT)
		return err;
	known.mtime_ns = core_now_ns();
	known.attr.fields = ATTR_INO | ATTR_CTIME;
	known.attr.ctime_ns = known.attr.mtime_ns = known.mtime_ns;
	known.attr.ino =
		directory->ino ? directory->ino : stat_derive_ino(directory->kind, &found.key);
	return dir_record_put(txn, &found.key, &known);
}
