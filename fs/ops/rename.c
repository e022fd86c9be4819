/* Rename, in one transaction. Of a file, its entry moves. Of a directory, all keys and records
 * below it move, and its own value, which is one of its files.
 *
 * A piece of a long name (names.h) cannot be renamed, and a directory cannot become a piece: the
 * files in it would get other names. Both are -EXDEV, and mv copies then.
 */
#include "fs/ops/ops_internal.h"
#include "fs/dirty/conflict.h"
#include "fs/dirty/dirty_file.h"
#include "fs/access/publish.h"
#include "fs/core.h"
#include "fs/editor_hooks.h"
#include "fs/access/dir_record.h"
#include "fs/ops/rename_exchange.h"
#include "fs/access/lookup.h"
#include "fs/ops/move_keys.h"
#include "fs/ops/remove.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rename_op {
	struct fs *fs;
	struct kt_txn *txn;
	struct target from, to;
	const char *to_name;
	struct found found;    /* at from */
	struct found found_to; /* at to, if anything is there: */
	bool replaces;
	bool keeps;		/* a file that stays in memory, under both names */
	bool puts_aside;	/* the file is put aside (editor_hooks.h) */
	bool same;		/* both names are the same, or of the same file: nothing is done */
	struct removal removal; /* of the file at to */
	struct key key_to;
	struct inode *node,
		*value; /* nodes that move: of what is at from, and of the value of a directory */
	struct place place_to, value_to;
	unsigned char *id, *value_id; /* for inodes_move() */
};

static bool same_place(const struct place *a, const struct place *b)
{
	return a->parent == b->parent && a->kind == b->kind && a->size == b->size &&
	       (a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
}

/* ---- attributes ------------------------------------------------------------------------------ */

/* Move the entry of a file: it keeps its inode number, and its ctime is now. */
static int move_renamed(
	struct kt_txn *txn, const struct key *from, const struct key *to, struct known known)
{
	int err = kt_move(txn, from->bytes, from->size, txn, to->bytes, to->size);

	return err ? err : update_touch_entry(txn, from, to, &known);
}

/* ---- a file ---------------------------------------------------------------------------------- */

/* A file that stays in memory gets another name: what the store has under either key goes. */
static int rename_scratch(struct rename_op *r)
{
	int err = editors_clear(r->fs, r->txn, &r->found.key);

	return err ? err : editors_clear(r->fs, r->txn, &r->key_to);
}

/* Is this an editor that puts a saved file aside? */
static bool puts_aside(struct rename_op *r)
{
	const struct inode *there = inodes_find(&r->fs->nodes, &r->to.place);
	struct stat stat;

	if (r->fs->options.conflict_fail)
		return false; /* a value that others put under the old key would be lost */
	if (r->from.part.kind != NAMES_COMPONENT || r->to.part.kind != NAMES_COMPONENT ||
		r->from.directory != r->to.directory || r->found.known.shared != 0)
		return false;
	if (r->node != NULL && (r->node->dirty != NULL || r->node->opens > 0))
		return false;
	if (r->replaces && (there == NULL || !dirty_stays(there)))
		return false; /* the name is that of an entry in the store */
	lookup_stat(r->fs, r->node, &r->found, &stat);
	return S_ISREG(stat.st_mode) && editors_plan(r->fs, r->to_name) == DIRTY_SCRATCH;
}

static int put_aside(struct rename_op *r)
{
	struct known known = r->found.known;
	int err = 0;

	stat_keep_ino(INODE_FILE, &r->found.key, &known);
	if (r->node == NULL)
		err = inodes_get(&r->fs->nodes, &r->from.place, &r->node);
	return err ? err : editors_put_aside(r->fs, r->node, &known);
}

/* Move the entry. Content in memory that replaces it is published under the new key instead. */
static int move_file(struct rename_op *r)
{
	const struct dirty_file *dirty = r->node != NULL ? r->node->dirty : NULL;
	const struct key *from = &r->found.key;
	struct kt_txn *tree;
	struct key key;
	int err = 0;

	if (r->keeps)
		return rename_scratch(r);
	if (r->puts_aside)
		return put_aside(r);
	err = editors_yield(r->fs, r->txn, &r->key_to);
	if (err)
		return err;
	if (dirty != NULL && dirty->whole && r->node->shared == 0) {
		err = publish_file(dirty, r->txn, &r->key_to);
		return err ? err : editors_clear(r->fs, r->txn, from);
	}
	if (dirty != NULL) {
		err = inode_entry(r->fs->separator, r->node, r->txn, &tree, &key);
		if (!err)
			err = publish_file(dirty, tree, &key);
	}
	if (!err)
		err = move_renamed(r->txn, from, &r->key_to, r->found.known);
	return err;
}

static int rename_file(struct rename_op *r)
{
	int err = 0;

	if (r->replaces && r->found_to.kind != INODE_FILE)
		return -EISDIR;
	if (r->to.part.kind == NAMES_PIECE)
		return -EINVAL;
	r->place_to = r->to.place;
	r->node = inodes_find_file(&r->fs->nodes, &r->from.place, r->found.known.shared);
	r->keeps = r->node != NULL && dirty_stays(r->node) &&
		   r->node->dirty->plan == DIRTY_SCRATCH &&
		   editors_plan(r->fs, r->to_name) == DIRTY_SCRATCH;
	r->puts_aside = puts_aside(r);
	err = conflict_lost(r->fs, r->node);
	if (!err)
		err = place_key(r->fs->separator, &r->place_to, &r->key_to);
	foreign_moving(r->fs, r->node, &r->place_to);
	if (!err && r->replaces)
		err = remove_file(r->fs, r->txn, &r->place_to, &r->found_to, true, &r->removal);
	if (!err)
		err = move_file(r);
	return err;
}

/* ---- a directory ----------------------------------------------------------------------------- */

/* Move the value of a directory, if it has one. */
static int move_value(struct rename_op *r)
{
	struct key from = r->found.key, to = r->key_to;
	struct kt_entry_info stat;
	int err;

	from.size--;
	to.size--;
	err = editors_yield(r->fs, r->txn, &to);
	if (err || editors_hide(r->fs, &from))
		return err;
	foreign_moving(r->fs, r->value, &r->value_to);
	err = kt_stat(r->txn, from.bytes, from.size, &stat);
	if (err)
		return err == -ENOENT ? 0 : err;
	return move_keys_entry(r->txn, &stat, &from, &to);
}

static int rename_directory(struct rename_op *r)
{
	struct place value = r->from.place;
	int err;

	if (r->found.kind == INODE_PIECE || r->to.part.kind == NAMES_PIECE)
		return -EXDEV;
	if (r->to.part.kind == NAMES_VALUE)
		return -EINVAL;
	r->node = inodes_find(&r->fs->nodes, &r->from.place);
	if (r->node != NULL && inode_is_below(r->to.directory, r->node))
		return -EINVAL;
	if (r->replaces && r->found_to.kind == INODE_FILE)
		return -ENOTDIR;
	r->place_to = r->value_to = target_dir(&r->to);
	value.kind = r->value_to.kind = INODE_FILE;
	r->value = inodes_find(&r->fs->nodes, &value);
	err = place_key(r->fs->separator, &r->place_to, &r->key_to);
	foreign_moving(r->fs, r->node, &r->place_to);
	if (!err && r->replaces)
		err = remove_directory(r->fs, r->txn, &r->place_to, &r->key_to);
	if (!err)
		err = move_keys_below(r->txn, KT_ENTRIES, &r->found.key, &r->key_to);
	if (!err)
		err = move_keys_below(r->txn, KT_DIRECTORIES, &r->found.key, &r->key_to);
	if (!err)
		err = move_value(r);
	if (!err)
		err = move_keys_record(r->txn, &r->found, r->node, &r->key_to);
	return err;
}

/* ---- either ---------------------------------------------------------------------------------- */

/* Get the memory that moving the nodes needs. */
static int prepare_moves(struct rename_op *r)
{
	int err = 0;

	if (r->node != NULL && r->node->shared == 0)
		err = inodes_prepare_move(&r->place_to, &r->id);
	if (!err && r->value != NULL)
		err = inodes_prepare_move(&r->value_to, &r->value_id);
	return err;
}

/* Move the nodes, after the keys. */
static void move_nodes(struct rename_op *r)
{
	struct inode *file = r->found.kind == INODE_FILE ? r->node : NULL;

	if (r->node != NULL && r->node->shared == 0)
		inodes_move(&r->fs->nodes, r->node, &r->place_to, r->id);
	else
		inodes_vacate(&r->fs->nodes, &r->place_to);
	if (r->value != NULL)
		inodes_move(&r->fs->nodes, r->value, &r->value_to, r->value_id);
	r->id = r->value_id = NULL;
	if (r->keeps || r->puts_aside) {
		dirty_touch(file->dirty);
	} else if (file != NULL) {
		dirty_drop(file);
		inodes_tidy(&r->fs->nodes, file);
	}
	flusher_touch(r->fs, r->from.directory);
	flusher_touch(r->fs, r->to.directory);
}

static int rename_found(struct rename_op *r, unsigned flags)
{
	int err = lookup_at_target(r->fs, r->txn, &r->to, &r->found_to);

	if (err && err != -ENOENT)
		return err;
	r->replaces = !err;
	if (r->replaces && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	err = flags & RENAME_NOREPLACE ? query_unclaimed(r->fs, &r->to) : 0;
	if (err)
		return err;
	r->same =
		r->replaces && (same_place(&r->from.place, &r->to.place) ||
				       (r->found.known.shared != 0 &&
					       r->found.known.shared == r->found_to.known.shared));
	if (r->same)
		return 0;
	err = r->found.kind == INODE_FILE ? rename_file(r) : rename_directory(r);
	if (!err)
		err = prepare_moves(r);
	if (!err)
		err = foreign_reviving(r->fs, r->to.directory);
	if (!err)
		err = dir_record_keep(r->fs, r->txn, r->from.directory);
	return err;
}

int fs_rename(struct fs *fs, uint64_t parent, const char *name, uint64_t new_parent,
	const char *new_name, unsigned flags)
{
	struct rename_op r = {.fs = fs, .to_name = new_name};
	int err;

	if (flags == RENAME_EXCHANGE)
		return rename_exchange(fs, parent, name, new_parent, new_name);
	if (flags & ~(unsigned)RENAME_NOREPLACE)
		return -EINVAL;
	err = update_begin(fs, &r.txn);
	if (err)
		return err;
	err = lookup_target(fs, parent, name, &r.from);
	if (err == -EINVAL)
		err = -ENOENT;
	if (!err) /* an error of this name comes before ENOENT of the other */
		err = lookup_target(fs, new_parent, new_name, &r.to);
	if (!err)
		err = lookup_at_target(fs, r.txn, &r.from, &r.found);
	if (!err)
		err = update_keep_xattrs(fs, &r.found.known);
	if (!err)
		err = rename_found(&r, flags);
	err = update_commit(fs, r.txn, err);
	remove_end(fs, &r.removal, err);
	if (!err && !r.same) {
		move_nodes(&r);
	} else if (r.puts_aside && r.node != NULL) {
		dirty_drop(r.node);
		inodes_tidy(&fs->nodes, r.node);
	}
	free(r.id);
	free(r.value_id);
	return update_end(fs, err);
}
