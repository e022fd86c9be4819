/* Open and close a file system. core.h tells where the rest is. */
#include "fs/access/flusher.h"
#include "fs/access/update.h"
#include "fs/dirty/conflict.h"
#include "fs/dirty/dirty_file.h"
#include "fs/access/publish.h"
#include "fs/core.h"
#include "fs/editors/editors.h"
#include "fs/access/lookup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The key of the directory that is to be the root. */
static int fs_subtree_key(const struct fs *fs, const char *path, struct key *ret_key)
{
	bool value;
	int err;

	ret_key->size = 0;
	if (path == NULL || *path == '\0')
		return 0;
	err = names_key_of_path(fs->separator, path, ret_key->bytes, &ret_key->size, &value);
	if (!err && value)
		err = -EINVAL;
	if (!err && ret_key->size == KT_KEY_MAX)
		err = -ENAMETOOLONG;
	if (!err)
		ret_key->bytes[ret_key->size++] = (unsigned char)fs->separator;
	return err;
}

/* Is there a directory at the key of the root? */
static int fs_check_subtree(struct fs *fs, const struct key *key)
{
	/* any place but the root: that is always there */
	const struct place place = {.kind = INODE_DIR, .parent = fs->nodes.root};
	struct found found;
	struct kt_txn *txn;
	int err;

	if (key->size == 0)
		return 0;
	err = timepoint_begin(fs, &txn);
	if (err)
		return err;
	err = lookup_dir(fs, txn, &place, key, &found);
	kt_abort(txn);
	return err == -ENOENT ? -ENOTDIR : err;
}

static int fs_start(struct fs *fs)
{
	struct key root;
	int err = fs_subtree_key(fs, fs->options.subtree, &root);

	if (!err)
		err = inodes_init(&fs->nodes, &root);
	if (!err)
		err = timepoint_init(fs, fs->options.snapshot);
	if (!err)
		err = fs_check_subtree(fs, &root);
	if (!err && fs->options.conflict_fail && !fs->options.read_only)
		err = fs_watch(fs, NULL);
	if (!err && !fs->options.read_only)
		err = flusher_start(fs);
	fs->options.snapshot = fs->options.subtree = NULL; /* the caller's */
	return err;
}

static void fs_free(struct fs *fs)
{
	foreign_fini(&fs->foreign);
	conflict_cleaned(fs);
	inodes_fini(&fs->nodes);
	timepoint_fini(fs);
	pthread_mutex_destroy(&fs->lock);
	free(fs);
}

int fs_open(struct kt_store *store, const struct fs_options *options, struct fs **ret_fs)
{
	struct fs *fs;
	int err;

	if (options->separator == '\xff')
		return -EINVAL;
	fs = calloc(1, sizeof(*fs));
	if (fs == NULL)
		return -ENOMEM;
	fs->store = store;
	fs->editors = &editors_hooks;
	fs->options = *options;
	fs->options.read_only = options->read_only || options->snapshot != NULL;
	fs->separator = options->separator ? options->separator : KT_SEPARATOR;
	pthread_mutex_init(&fs->lock, NULL);
	err = fs_start(fs);
	if (err)
		fs_free(fs);
	else
		*ret_fs = fs;
	return err;
}

bool fs_is_idle(struct fs *fs)
{
	bool idle;

	pthread_mutex_lock(&fs->lock);
	idle = fs->nodes.root->lookups == 0 && fs->nodes.root->children == 0 &&
	       !inodes_any_shared(&fs->nodes) && LIST_EMPTY(&fs->files) && LIST_EMPTY(&fs->dirs);
	pthread_mutex_unlock(&fs->lock);
	return idle;
}

/* What an application has put under the name of a scratch file stays.
 * @return 0; -EEXIST there is such a key */
static int fs_check_free(struct kt_txn *tree, const struct key *key)
{
	bool exists;
	int err = kt_contains(tree, key->bytes, key->size, &exists);

	return !err && exists ? -EEXIST : err;
}

/* Bring the content of a file to its key; of a removed one there is none. */
static int fs_publish_last(struct fs *fs, struct dirty_file *dirty)
{
	struct kt_txn *txn, *tree;
	struct key key;
	int err = update_begin(fs, &txn);

	if (err)
		return err;
	if (inode_has_name(dirty->node))
		err = inode_entry(fs->separator, dirty->node, txn, &tree, &key);
	else
		err = -ENOENT;
	if (!err && dirty->plan == DIRTY_SCRATCH && dirty->aside == NULL)
		err = fs_check_free(tree, &key);
	if (!err)
		err = publish_file(dirty, tree, &key);
	/* no key to store it under, or no value any more to write into */
	if (err == -ENOENT || err == -ESTALE)
		err = dirty_delete_nameless(dirty, txn);
	err = update_commit(fs, txn, err);
	if (err)
		flusher_tell_unsaved(fs, dirty, err);
	return update_end(fs, err);
}

/* Publish all that is in memory, each file by itself. @return the first error */
static int fs_publish_all(struct fs *fs)
{
	int first = 0;

	while (fs->dirty_files != NULL) {
		int err = fs_publish_last(fs, fs->dirty_files);

		first = first ? first : err;
		dirty_drop(fs->dirty_files->node);
	}
	return first;
}

int fs_close(struct fs *fs)
{
	int err = 0, flushed = 0;

	if (fs == NULL)
		return 0;
	flusher_stop(fs);
	if (!fs->options.read_only) {
		err = fs_publish_all(fs);
		flushed = flusher_publish_dirty(fs, true);
		err = err ? err : flushed;
		flushed = kt_flush(fs->store);
	}
	file_free_all(fs);
	dir_free_all(fs);
	while (fs->dirty_files != NULL)
		dirty_drop(fs->dirty_files->node);
	fs_free(fs);
	return err ? err : flushed;
}
