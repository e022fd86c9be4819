/* mkdir, symlink and mknod. */
#include "fs/ops/ops_internal.h"
#include "fs/core.h"
#include "fs/editor_hooks.h"
#include "fs/dirty/dirty_file.h"
#include "fs/ops/new_node.h"
#include "fs/access/dir_record.h"

#include <errno.h>
#include <string.h>

static int make_directory(struct fs *fs, struct kt_txn *txn, const struct fs_caller *caller,
	struct target *target, mode_t mode, struct found *ret_found)
{
	uint64_t ino;
	int err;

	if (target->part.kind == NAMES_VALUE)
		return -EINVAL;
	target->place = target_dir(target);
	ret_found->kind = target->place.kind;
	err = place_key(fs->separator, &target->place, &ret_found->key);
	if (!err)
		err = inode_numbers_new(txn, &ino);
	if (!err)
		err = new_node_attr(
			fs, txn, caller, target->directory, mode, ino, &ret_found->known);
	if (!err)
		err = dir_record_put(txn, &ret_found->key, &ret_found->known);
	return err;
}

/* What is to be made: a directory, or an entry with a value. */
struct make_op {
	mode_t mode; /* with the file type */
	dev_t rdev;
	const char *value; /* target of a symbolic link; NULL: the value is empty */
	bool scratch;	   /* a symbolic link that stays in memory */
};

static int make_entry(struct fs *fs, struct kt_txn *txn, const struct fs_caller *caller,
	const struct make_op *op, struct target *target, struct found *ret_found)
{
	size_t size = op->value ? strlen(op->value) : 0;
	struct known *known = &ret_found->known;
	struct attr_blob blob;
	uint64_t ino;
	int err;

	if (target->part.kind == NAMES_PIECE)
		return -EINVAL;
	ret_found->kind = INODE_FILE;
	err = place_key(fs->separator, &target->place, &ret_found->key);
	if (!err)
		err = inode_numbers_new(txn, &ino);
	if (!err)
		err = new_node_attr(fs, txn, caller, target->directory, op->mode, ino, known);
	if (err)
		return err;
	known->size = size;
	if (op->rdev != 0) {
		known->attr.fields |= ATTR_RDEV;
		known->attr.rdev = op->rdev;
	}
	if (op->scratch)
		return 0;
	err = attr_blob_init(&known->attr, &blob);
	if (err)
		return err;
	err = editors_yield(fs, txn, &ret_found->key);
	if (!err)
		err = kt_put_entry(txn, ret_found->key.bytes, ret_found->key.size, op->value, size,
			blob.bytes, blob.size, known->mtime_ns);
	attr_blob_fini(&blob);
	return err;
}

/* An editor locks a file by a symbolic link that leads nowhere. Such a link stays in memory. */
static int make_in_memory(
	struct fs *fs, const struct make_op *op, struct inode *node, const struct known *known)
{
	struct dirty_file *dirty;
	int err = dirty_begin(fs, node, &dirty);

	if (!err)
		err = dirty_make_whole(dirty, known);
	if (!err)
		err = dirty_write(dirty, 0, op->value, strlen(op->value));
	if (err)
		dirty_drop(node);
	else
		dirty->plan = DIRTY_SCRATCH;
	return err;
}

static int make_node(struct fs *fs, const struct fs_caller *caller, struct make_op *op,
	uint64_t parent, const char *name, struct fs_entry *ret_entry)
{
	struct target target;
	struct found found = {.recorded = false};
	struct kt_txn *txn;
	struct inode *node = NULL;
	int err = update_begin(fs, &txn);

	if (err)
		return err;
	err = query_free_name(fs, txn, parent, name, &target);
	if (!err)
		err = foreign_reviving(fs, target.directory);
	op->scratch = S_ISLNK(op->mode) && editors_plan(fs, name) == DIRTY_SCRATCH;
	if (!err && S_ISDIR(op->mode))
		err = make_directory(fs, txn, caller, &target, op->mode, &found);
	else if (!err)
		err = make_entry(fs, txn, caller, op, &target, &found);
	if (!err && target.place.kind == INODE_FILE)
		inodes_vacate(&fs->nodes, &target.place);
	if (!err)
		err = inodes_get(&fs->nodes, &target.place, &node);
	if (!err && op->scratch)
		err = make_in_memory(fs, op, node, &found.known);
	err = update_commit(fs, txn, err);
	if (err && op->scratch && node != NULL)
		dirty_drop(node);
	if (!err) {
		flusher_touch(fs, target.directory);
		new_node_give(fs, node, &found, ret_entry);
	} else {
		inodes_tidy(&fs->nodes, node);
	}
	new_node_attr_fini(&found.known);
	return update_end(fs, err);
}

int fs_mkdir(struct fs *fs, const struct fs_caller *caller, uint64_t parent, const char *name,
	mode_t mode, struct fs_entry *ret_entry)
{
	struct make_op op = {.mode = S_IFDIR | (mode & 07777)};

	return make_node(fs, caller, &op, parent, name, ret_entry);
}

int fs_symlink(struct fs *fs, const struct fs_caller *caller, const char *target, uint64_t parent,
	const char *name, struct fs_entry *ret_entry)
{
	struct make_op op = {.mode = S_IFLNK | 0777, .value = target};

	if (target[0] == '\0')
		return -ENOENT;
	if (strlen(target) > STAT_TARGET_MAX)
		return -ENAMETOOLONG;
	return make_node(fs, caller, &op, parent, name, ret_entry);
}

int fs_mknod(struct fs *fs, const struct fs_caller *caller, uint64_t parent, const char *name,
	mode_t mode, dev_t rdev, struct fs_entry *ret_entry)
{
	struct make_op op = {.mode = mode & (S_IFMT | 07777)};

	if (S_ISDIR(mode) || S_ISLNK(mode))
		return -EINVAL;
	if (S_ISCHR(mode) || S_ISBLK(mode))
		op.rdev = rdev;
	if ((mode & S_IFMT) == 0)
		op.mode |= S_IFREG;
	return make_node(fs, caller, &op, parent, name, ret_entry);
}
