/* create, and files without a name. A new file is in memory until it is published. */
#include "fs/ops/ops_internal.h"
#include "fs/dirty/conflict.h"
#include "fs/dirty/dirty_file.h"
#include "fs/core.h"
#include "fs/editor_hooks.h"
#include "fs/ops/new_node.h"
#include "fs/ops/file.h"
#include "fs/access/lookup.h"
#include "fs/access/timepoint.h"

#include <errno.h>

/* Open a file that exists already, as O_CREAT without O_EXCL does. */
static int open_existing(struct fs *fs, struct kt_txn *txn, const struct target *target,
	struct found *found, int flags, struct fs_entry *ret_entry, struct fs_file **ret_file)
{
	struct inode *node;
	int err;

	if (flags & O_EXCL)
		return -EEXIST;
	if (found->kind != INODE_FILE)
		return -EISDIR;
	err = new_node_at(fs, &target->place, found, &node);
	if (err)
		return err;
	err = file_open_node(fs, txn, node, flags, ret_file);
	if (err) {
		inodes_tidy(&fs->nodes, node);
		return err;
	}
	if (node->dirty != NULL)
		dirty_known(node->dirty, &found->known);
	new_node_give(fs, node, found, ret_entry);
	return 0;
}

/* Give a new node content and a handle. */
static int start_file(struct fs *fs, struct kt_txn *txn, struct inode *node,
	const struct known *known, int flags, struct fs_file **ret_file)
{
	int err = conflict_open(fs, txn, node);

	if (!err)
		err = dirty_begin(fs, node, &node->dirty);
	if (!err)
		err = dirty_make_whole(node->dirty, known);
	if (!err)
		err = file_new(fs, node, flags, ret_file);
	if (err)
		dirty_drop(node);
	else
		(*ret_file)->unpublished = true;
	return err;
}

/* A request to create a file. */
struct create_op {
	const struct fs_caller *caller;
	mode_t mode;
	int flags;
};

/* Make a file in memory.
 * @param place  is free; NULL: the file has no name */
static int create_in_memory(struct fs *fs, struct kt_txn *txn, const struct create_op *op,
	struct inode *directory, const struct place *place, struct fs_entry *ret_entry,
	struct fs_file **ret_file)
{
	struct found found = {.kind = INODE_FILE, .unstored = true};
	struct inode *node;
	uint64_t ino;
	int err = 0;

	if (place != NULL)
		err = place_key(fs->separator, place, &found.key);
	if (!err)
		err = inode_numbers_take(&fs->inode_numbers, &ino);
	if (!err)
		err = new_node_attr(fs, txn, op->caller, directory, S_IFREG | (op->mode & 07777),
			ino, &found.known);
	if (err)
		return err;
	if (place != NULL)
		inodes_vacate(&fs->nodes, place);
	err = place != NULL ? inodes_get(&fs->nodes, place, &node) : inodes_new(&fs->nodes, &node);
	if (!err) {
		err = start_file(fs, txn, node, &found.known, op->flags, ret_file);
		if (err)
			inodes_tidy(&fs->nodes, node);
	}
	if (!err)
		new_node_give(fs, node, &found, ret_entry);
	new_node_attr_fini(&found.known);
	return err;
}

/* Claim a free name, so that a new file is the only one of that name in all mounts. Another mount may
 * have stored such a file since the transaction began, as its claim ended then.
 * @param ret_claim  to be ended if the file cannot be made
 * @return 0; -EEXIST */
static int create_claim(struct fs *fs, struct target *target, uint64_t *ret_claim)
{
	struct found found;
	struct kt_txn *txn;
	struct key key;
	int err = place_key(fs->separator, &target->place, &key);

	if (!err) {
		*ret_claim = kt_claim_of(key.bytes, key.size);
		err = kt_claim(fs->store, *ret_claim);
	}
	if (err)
		return err == -EBUSY ? -EEXIST : err;
	err = kt_begin(fs->store, KT_READ, &txn);
	if (!err) {
		err = lookup_at_target(fs, txn, target, &found);
		err = err == -ENOENT ? 0 : err ? err : -EEXIST;
		kt_abort(txn);
	}
	if (err)
		kt_unclaim(fs->store, *ret_claim);
	return err;
}

/* @param name  NULL: a file without a name */
static int create_at(struct fs *fs, struct kt_txn *txn, const struct create_op *op, uint64_t parent,
	const char *name, struct fs_entry *ret_entry, struct fs_file **ret_file)
{
	struct inode *directory;
	struct target target;
	struct found found;
	uint64_t claim = 0;
	unsigned plan;
	int err;

	if (name == NULL) {
		err = lookup_dir_node(fs, parent, &directory);
		return err ? err
			   : create_in_memory(fs, txn, op, directory, NULL, ret_entry, ret_file);
	}
	err = lookup_target(fs, parent, name, &target);
	if (err)
		return err;
	if (target.part.kind == NAMES_PIECE)
		return -EINVAL;
	err = lookup_at_target(fs, txn, &target, &found);
	if (!err)
		return open_existing(fs, txn, &target, &found, op->flags, ret_entry, ret_file);
	if (err != -ENOENT)
		return err;
	plan = editors_plan(fs, name);
	err = (op->flags & O_EXCL) && plan == DIRTY_PUBLISH ? create_claim(fs, &target, &claim) : 0;
	if (err)
		return err;
	err = create_in_memory(fs, txn, op, target.directory, &target.place, ret_entry, ret_file);
	if (!err) {
		(*ret_file)->node->dirty->plan = plan;
		(*ret_file)->node->dirty->claim = claim;
		flusher_touch(fs, target.directory);
	} else if (claim != 0) {
		kt_unclaim(fs->store, claim);
	}
	return err;
}

/* Take more inode numbers from the store. */
static int refill_inode_numbers(struct fs *fs)
{
	struct kt_txn *txn;
	int err = update_begin(fs, &txn);

	if (err)
		return err;
	err = update_commit(fs, txn, 0);
	return update_end(fs, err);
}

static int create_file(struct fs *fs, const struct create_op *op, uint64_t parent, const char *name,
	struct fs_entry *ret_entry, struct fs_file **ret_file)
{
	struct kt_txn *txn;
	int err;

	if (fs->options.read_only)
		return -EROFS;
	do {
		err = query_begin(fs, &txn);
		if (!err) {
			err = create_at(fs, txn, op, parent, name, ret_entry, ret_file);
			query_end(fs, txn, 0);
		}
	} while (err == -EAGAIN && (err = refill_inode_numbers(fs)) == 0);
	return err;
}

int fs_create(struct fs *fs, const struct fs_caller *caller, uint64_t parent, const char *name,
	mode_t mode, int flags, struct fs_entry *ret_entry, struct fs_file **ret_file)
{
	struct create_op op = {.caller = caller, .mode = mode, .flags = flags};

	return create_file(fs, &op, parent, name, ret_entry, ret_file);
}

int fs_tmpfile(struct fs *fs, const struct fs_caller *caller, uint64_t parent, mode_t mode,
	int flags, struct fs_entry *ret_entry, struct fs_file **ret_file)
{
	struct create_op op = {.caller = caller, .mode = mode, .flags = flags & ~O_TRUNC};

	return create_file(fs, &op, parent, NULL, ret_entry, ret_file);
}
