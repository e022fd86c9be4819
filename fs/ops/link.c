/* Hard links. Another name of a file is another key of its entry. Content in memory is
 * published in the same transaction first. A file without a name gets its first one. */
#include "fs/ops/ops_internal.h"
#include "fs/dirty/conflict.h"
#include "fs/dirty/dirty_file.h"
#include "fs/access/publish.h"
#include "fs/core.h"
#include "fs/editor_hooks.h"
#include "fs/access/dir_record.h"
#include "fs/ops/new_node.h"
#include "fs/access/lookup.h"

#include <errno.h>
#include <stdlib.h>

struct link_op {
	struct fs *fs;
	struct kt_txn *txn;
	struct inode *node;
	struct target to;
	struct found found; /* the file, and then what is at the new name */
	struct key key_to;
	unsigned char *id; /* for inodes_attach(), if this is the first name */
};

/* Publish what is only in memory, under a key that the entry has. */
static int link_store_content(struct link_op *l, struct kt_txn *tree, const struct key *key)
{
	return l->node->dirty != NULL ? publish_file(l->node->dirty, tree, key) : 0;
}

/* Give a file without a name its first. */
static int link_first(struct link_op *l)
{
	int err = link_store_content(l, l->txn, &l->key_to);

	return err ? err : inodes_prepare_move(&l->to.place, &l->id);
}

/* Give a file another name. */
static int link_more(struct link_op *l)
{
	struct kt_txn *tree;
	struct key key;
	int err = inode_entry(l->fs->separator, l->node, l->txn, &tree, &key);

	if (!err)
		err = link_store_content(l, tree, &key);
	if (!err)
		err = kt_link(tree, key.bytes, key.size, l->txn, l->key_to.bytes, l->key_to.size);
	return err == -ENOENT ? -ESTALE : err;
}

/* Set the ctime, and count the names. */
static int link_touch(struct link_op *l)
{
	const struct key *key = &l->key_to;
	struct kt_entry_info stat;
	int err = update_touch_entry(l->txn, &l->found.key, key, &l->found.known);

	if (!err)
		err = kt_stat(l->txn, key->bytes, key->size, &stat);
	if (!err) {
		l->found.known.shared = stat.shared;
		l->found.known.links = stat.keys;
	}
	return err;
}

static int link_file(struct link_op *l)
{
	int err = editors_yield(l->fs, l->txn, &l->key_to);

	foreign_leaving(l->fs, l->node);
	foreign_name_shown(l->fs, &l->to.place);
	if (!err)
		err = foreign_reviving(l->fs, l->to.directory);
	if (!err)
		err = inode_has_name(l->node) ? link_more(l) : link_first(l);
	return err ? err : link_touch(l);
}

/* Find the file, and check that its new name is free. */
static int link_find(struct link_op *l, uint64_t number, uint64_t parent, const char *name)
{
	int err = lookup_node(l->fs, number, &l->node);

	if (!err && l->node->kind != INODE_FILE)
		err = -EPERM;
	if (!err)
		err = conflict_lost(l->fs, l->node);
	if (!err)
		err = lookup_at_node(l->fs, l->txn, l->node, &l->found);
	if (!err)
		err = update_keep_xattrs(l->fs, &l->found.known);
	if (!err)
		err = query_free_name(l->fs, l->txn, parent, name, &l->to);
	if (!err && l->to.part.kind == NAMES_PIECE)
		err = -EINVAL;
	return err ? err : place_key(l->fs->separator, &l->to.place, &l->key_to);
}

/* Change the nodes, after the commit. */
static int link_done(struct link_op *l, struct fs_entry *ret_entry)
{
	struct inodes *nodes = &l->fs->nodes;
	int err = 0;

	dirty_drop(l->node);
	inodes_vacate(nodes, &l->to.place);
	if (l->id != NULL)
		err = inodes_attach(nodes, l->node, &l->to.place, l->id);
	else if (l->node->shared == 0)
		inodes_share(nodes, l->node, l->found.known.shared);
	if (!err)
		l->id = NULL;
	l->node->links = l->found.known.links;
	flusher_touch(l->fs, l->to.directory);
	if (!err)
		new_node_give(l->fs, l->node, &l->found, ret_entry);
	return err;
}

int fs_link(struct fs *fs, uint64_t number, uint64_t parent, const char *name,
	struct fs_entry *ret_entry)
{
	struct link_op l = {.fs = fs};
	int err = update_begin(fs, &l.txn);

	if (err)
		return err;
	err = link_find(&l, number, parent, name);
	if (!err)
		err = link_file(&l);
	err = update_commit(fs, l.txn, err);
	if (!err)
		err = link_done(&l, ret_entry);
	free(l.id);
	return update_end(fs, err);
}
