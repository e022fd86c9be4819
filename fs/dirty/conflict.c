/* Files that are being written while others change their entries. See conflict.h. */
#include "fs/dirty/conflict.h"

#include "fs/dirty/dirty_file.h"
#include "fs/core.h"
#include "fs/tree/open_file.h"

#include <errno.h>
#include <stdlib.h>

/* The version of a node's entry; 0: there is none that can be read. */
static int conflict_version(
	const struct fs *fs, struct kt_txn *txn, const struct inode *node, uint64_t *ret_version)
{
	struct kt_txn *tree;
	struct kt_entry_info stat;
	struct key key;
	int err = inode_entry(fs->separator, node, txn, &tree, &key);

	if (!err)
		err = kt_stat(tree, key.bytes, key.size, &stat);
	if (err == -ENOMEM)
		return err;
	*ret_version = err ? 0 : stat.version;
	return 0;
}

/* Is it of a commit that was known before? */
static bool conflict_is_own(const struct fs *fs, uint64_t version)
{
	return version != 0 && version <= fs->foreign.noticed;
}

/* Has a node no entry to be compared: no name, or one that never becomes a key? */
static bool conflict_is_exempt(const struct inode *node)
{
	return !inode_has_name(node) || (node->dirty != NULL && node->dirty->plan == DIRTY_SCRATCH);
}

/* Others have written the entry. Who owes nothing by then has lost nothing. */
static void conflict_lose(struct fs *fs, struct inode *node)
{
	struct fs_file *file;

	LIST_FOREACH(file, &fs->files, list)
	{
		if (file->node != node)
			continue;
		file->unpublished = file->unpublished && node->dirty != NULL;
		file->stale = file->stale || file->unpublished || file_can_write(file);
	}
	if (node->dirty != NULL && node->dirty->nameless != 0)
		flusher_expect_publish(fs); /* which deletes it */
	dirty_abandon(fs, node);
}

static int conflict_check(struct fs *fs, struct kt_txn *txn, struct inode *node)
{
	uint64_t version;
	int err;

	if (conflict_is_exempt(node))
		return 0;
	err = conflict_version(fs, txn, node, &version);
	if (err)
		return err;
	if (version != node->version && !conflict_is_own(fs, version))
		conflict_lose(fs, node);
	node->version = version;
	return 0;
}

int conflict_open(struct fs *fs, struct kt_txn *txn, struct inode *node)
{
	return fs->options.conflict_fail ? conflict_check(fs, txn, node) : 0;
}

int conflict_check_all(struct fs *fs, struct kt_txn *txn)
{
	struct dirty_file *dirty, *next;
	struct fs_file *file;
	int err = 0;

	if (!fs->options.conflict_fail)
		return 0;
	LIST_FOREACH(file, &fs->files, list)
	{
		if (!err && file_can_write(file))
			err = conflict_check(fs, txn, file->node);
	}
	for (dirty = fs->dirty_files; dirty != NULL && !err; dirty = next) {
		struct inode *node = dirty->node;

		next = dirty->next;
		err = conflict_check(fs, txn, node);
		inodes_tidy(&fs->nodes, node);
	}
	return err;
}

int conflict_lost(const struct fs *fs, const struct inode *node)
{
	const struct fs_file *file;

	if (node == NULL || !fs->options.conflict_fail)
		return 0;
	LIST_FOREACH(file, &fs->files, list)
	{
		if (file->node == node && file->stale && file->unpublished)
			return -ESTALE;
	}
	return 0;
}

int conflict_clean(struct fs *fs, struct kt_txn *txn)
{
	int err = 0;

	for (const struct dirty_file *c = fs->abandoned; c != NULL && !err; c = c->next)
		err = dirty_delete_nameless(c, txn);
	return err;
}

void conflict_cleaned(struct fs *fs)
{
	while (fs->abandoned != NULL) {
		struct dirty_file *dirty = fs->abandoned;

		fs->abandoned = dirty->next;
		free(dirty);
	}
}
