/* Files that are being written while others change their entries. See conflict.h. */
#include "fs/dirty/conflict.h"

#include "fs/dirty/dirty_file.h"
#include "fs/core.h"
#include "fs/ops/file.h"

#include <errno.h>
#include <stdlib.h>

/* The version of a node's entry; 0: there is none that can be read. */
static int find_version(
	const struct fs *fs, struct kt_txn *txn, const struct inode *node, uint64_t *ret_version)
{
	struct kt_txn *tree;
	struct kt_stat stat;
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
static bool is_known(const struct fs *fs, uint64_t version)
{
	return version != 0 && version <= kt_txn_id(fs->changes.seen);
}

/* Has a node no entry to be compared: no name, or one that never becomes a key? */
static bool is_apart(const struct inode *node)
{
	return !inode_has_name(node) ||
	       (node->content != NULL && node->content->fate == CONTENT_SCRATCH);
}

/* Others have written the entry. Who owes nothing by then has lost nothing. */
static void lose(struct fs *fs, struct inode *node)
{
	struct fs_file *file;

	LIST_FOREACH(file, &fs->files, list)
	{
		if (file->node != node)
			continue;
		file->unpublished = file->unpublished && node->content != NULL;
		file->stale = file->stale || file->unpublished || file_can_write(file);
	}
	if (node->content != NULL && node->content->nameless != 0)
		flusher_expect_store(fs); /* which deletes it */
	content_abandon(fs, node);
}

static int look_at(struct fs *fs, struct kt_txn *txn, struct inode *node)
{
	uint64_t version;
	int err;

	if (is_apart(node))
		return 0;
	err = find_version(fs, txn, node, &version);
	if (err)
		return err;
	if (version != node->version && !is_known(fs, version))
		lose(fs, node);
	node->version = version;
	return 0;
}

int conflict_open(struct fs *fs, struct kt_txn *txn, struct inode *node)
{
	return fs->options.conflict_fail ? look_at(fs, txn, node) : 0;
}

int conflict_look(struct fs *fs, struct kt_txn *txn)
{
	struct content *content, *next;
	struct fs_file *file;
	int err = 0;

	if (!fs->options.conflict_fail)
		return 0;
	LIST_FOREACH(file, &fs->files, list)
	{
		if (!err && file_can_write(file))
			err = look_at(fs, txn, file->node);
	}
	for (content = fs->contents; content != NULL && !err; content = next) {
		struct inode *node = content->node;

		next = content->next;
		err = look_at(fs, txn, node);
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

	for (const struct content *c = fs->abandoned; c != NULL && !err; c = c->next)
		err = content_delete_nameless(c, txn);
	return err;
}

void conflict_cleaned(struct fs *fs)
{
	while (fs->abandoned != NULL) {
		struct content *content = fs->abandoned;

		fs->abandoned = content->next;
		free(content);
	}
}
