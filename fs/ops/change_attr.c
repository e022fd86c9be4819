/* Changing attributes. See change_attr.h. */
#include "fs/ops/change_attr.h"

#include "fs/ops/ops_internal.h"
#include "fs/dirty/dirty_file.h"
#include "fs/access/publish.h"
#include "fs/core.h"
#include "fs/access/dir_record.h"
#include "fs/access/lookup.h"

#include <errno.h>

struct change_op {
	struct fs *fs;
	uint64_t number;
	change_attr_fn *change;
	void *arg;
	struct inode *node;
	struct found found; /* before the change, and then after it */
	uint64_t old_size;
};

/* Find the node, and let the caller decide what changes. */
static int change_decide(struct change_op *a, struct kt_txn *txn)
{
	struct known *known = &a->found.known;
	struct stat stat;
	int err = lookup_node(a->fs, a->number, &a->node);

	if (!err)
		foreign_shown(a->fs, a->node);
	if (!err)
		err = lookup_at_node(a->fs, txn, a->node, &a->found);
	if (err)
		return err;
	lookup_stat(a->fs, a->node, &a->found, &stat);
	known->attr.fields |= ATTR_INO;
	known->attr.ino = stat.st_ino;
	if (a->node->touched_ns != 0)
		known->mtime_ns = a->node->touched_ns;
	a->old_size = known->size;
	return a->change(a->arg, stat.st_mode, known);
}

/* A file or directory that was removed has its attributes in memory only. */
static int change_kept(struct change_op *a)
{
	int err = change_decide(a, NULL);

	if (!err)
		*a->node->last = a->found.known;
	if (!err)
		attr_set_xattrs(&a->node->last->attr, (struct kt_slice){0});
	return err;
}

/* Change the attributes in memory, if they are there.
 * @return 0; CHANGE_ATTR_NOTHING; -EAGAIN they are in the store */
static int change_in_memory(struct change_op *a)
{
	int err = lookup_node(a->fs, a->number, &a->node);

	if (err)
		return err;
	if (a->node->dirty == NULL && a->node->last != NULL)
		return change_kept(a);
	if (a->node->dirty == NULL || !a->node->dirty->whole)
		return -EAGAIN;
	err = change_decide(a, NULL);
	if (err)
		return err;
	err = dirty_set_attr(a->node->dirty, &a->found.known);
	dirty_known(a->node->dirty, &a->found.known);
	return err;
}

/* Count what the store has of a value that has changed. */
static int count_stored(struct kt_txn *txn, const struct key *key, struct known *known)
{
	struct kt_entry_info stat;
	int err = kt_stat(txn, key->bytes, key->size, &stat);

	if (!err)
		known->stored = stat.stored;
	return err;
}

/* Change an entry. Content in memory is published first. */
static int change_entry(struct change_op *a, struct kt_txn *any)
{
	struct kt_txn *txn = kt_tree(any, a->found.tree);
	bool resize = a->found.known.size != a->old_size;
	const struct dirty_file *dirty = a->node->dirty;
	const struct key *key = &a->found.key;
	struct attr_blob blob;
	int err = attr_blob_init(&a->found.known.attr, &blob);

	if (err)
		return err;
	if (dirty != NULL)
		err = publish_file(dirty, txn, key);
	if (!err && resize)
		err = kt_truncate(txn, key->bytes, key->size, a->found.known.size);
	if (!err)
		err = kt_set_attr(txn, key->bytes, key->size, blob.bytes, blob.size);
	if (!err)
		err = kt_set_mtime(txn, key->bytes, key->size, a->found.known.mtime_ns);
	if (!err && (dirty != NULL || resize))
		err = count_stored(txn, key, &a->found.known);
	attr_blob_fini(&blob);
	return err;
}

static int change_in_store(struct change_op *a, struct kt_txn *txn)
{
	int err = change_decide(a, txn);

	if (!err && a->found.kind == INODE_FILE)
		err = change_entry(a, txn);
	else if (!err)
		err = dir_record_put(txn, &a->found.key, &a->found.known);
	err = update_commit(a->fs, txn, err);
	if (!err) {
		a->node->touched_ns = 0;
		dirty_drop(a->node);
	}
	return err;
}

/* Return the attributes as they are now. @return err, or 0 if that is CHANGE_ATTR_NOTHING */
static int change_finish(struct change_op *a, int err, struct stat *ret_stat)
{
	if (err && err != CHANGE_ATTR_NOTHING)
		return err;
	if (!err)
		a->node->plain = false;
	lookup_stat(a->fs, a->node, &a->found, ret_stat);
	return 0;
}

int change_attr(
	struct fs *fs, uint64_t number, change_attr_fn *change, void *arg, struct stat *ret_stat)
{
	struct change_op a = {.fs = fs, .number = number, .change = change, .arg = arg};
	struct kt_txn *txn;
	int err;

	if (fs->options.read_only)
		return -EROFS;
	pthread_mutex_lock(&fs->lock);
	err = change_in_memory(&a);
	if (err != -EAGAIN)
		err = change_finish(&a, err, ret_stat);
	pthread_mutex_unlock(&fs->lock);
	if (err != -EAGAIN)
		return err;
	err = update_begin(fs, &txn);
	if (err)
		return err;
	/* another thread may have opened the file meanwhile */
	err = change_in_memory(&a);
	if (err == -EAGAIN)
		err = change_in_store(&a, txn);
	else
		kt_abort(txn);
	return update_end(fs, change_finish(&a, err, ret_stat));
}
