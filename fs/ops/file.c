/* Handles of open files, and how they publish what was written. See file.h. */
#include "fs/ops/file.h"

#include "fs/ops/ops_internal.h"
#include "fs/access/publish.h"
#include "fs/core.h"
#include "fs/dirty/dirty_file.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int file_new(struct fs *fs, struct inode *node, int flags, struct fs_file **ret_file)
{
	struct fs_file *file = calloc(1, sizeof(*file));

	if (file == NULL)
		return -ENOMEM;
	file->node = node;
	file->flags = flags;
	assert(node->kind == INODE_FILE);
	node->opens++;
	LIST_INSERT_HEAD(&fs->files, file, list);
	*ret_file = file;
	return 0;
}

void file_free(struct fs_file *file)
{
	assert(file->node->opens > 0);
	file->node->opens--;
	LIST_REMOVE(file, list);
	free(file);
}

void file_free_all(struct fs *fs)
{
	while (!LIST_EMPTY(&fs->files))
		file_free(LIST_FIRST(&fs->files));
}

/* Does a node have content that is to be published under its key? Writes into a value that others
 * have deleted count, too, even if something else has the key by now: they are an error then. */
static bool is_unpublished(const struct inode *node)
{
	return node->dirty != NULL && (inode_has_name(node) || !node->dirty->whole) &&
	       !dirty_stays(node);
}

/* Publish a node's content under its key, if it has some. A file that was removed has no key. */
static int publish_node(struct fs *fs, struct inode *node)
{
	struct kt_txn *txn, *tree;
	struct key key;
	int err;

	err = update_begin(fs, &txn);
	if (err)
		return err;
	if (!is_unpublished(node)) {
		kt_abort(txn);
		pthread_mutex_unlock(&fs->lock);
		return 0;
	}
	err = inode_entry(fs->separator, node, txn, &tree, &key);
	if (!err)
		err = publish_file(node->dirty, tree, &key);
	err = update_commit(fs, txn, err);
	if (!err)
		dirty_drop(node);
	return update_end(fs, err == -ENOENT ? -ESTALE : err);
}

int file_publish(struct fs *fs, struct fs_file *file)
{
	int err = 0;

	pthread_mutex_lock(&fs->lock);
	file->unpublished = file->unpublished && (file->stale || is_unpublished(file->node));
	if (file->unpublished && !file->stale) {
		pthread_mutex_unlock(&fs->lock);
		err = publish_node(fs, file->node);
		pthread_mutex_lock(&fs->lock);
		file->unpublished = file->stale || is_unpublished(file->node);
	}
	if (file->unpublished && file->stale)
		err = -ESTALE;
	pthread_mutex_unlock(&fs->lock);
	return err;
}

int file_publish_aside(struct fs *fs, struct inode *node)
{
	bool aside;

	pthread_mutex_lock(&fs->lock);
	aside = node->dirty != NULL && node->dirty->aside != NULL;
	if (aside)
		node->dirty->plan = DIRTY_PUBLISH;
	pthread_mutex_unlock(&fs->lock);
	return aside ? publish_node(fs, node) : 0;
}
