/* Open and close a file system. core.h tells where the rest is. */
#include "change.h"
#include "content.h"
#include "core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Delete what files that were open when the last one ended have left. */
static int delete_nameless(struct kt_txn *txn)
{
	struct kt_txn *tree = kt_tree(txn, KT_NAMELESS);
	struct kt_cursor *cursor = NULL;
	int err = kt_cursor_open(tree, &cursor);

	while (!err && (err = kt_cursor_next(cursor)) == 0) {
		unsigned char key[CONTENT_NAMELESS_KEY_SIZE];
		struct kt_slice slice = kt_cursor_key(cursor);

		if (slice.size != sizeof(key)) {
			err = -EUCLEAN;
			break;
		}
		memcpy(key, slice.data, sizeof(key));
		err = kt_delete(tree, key, sizeof(key), 0);
	}
	kt_cursor_close(cursor);
	return err == -ENOENT ? 0 : err;
}

static bool has_nameless(struct fs *fs, int *ret_err)
{
	struct kt_cursor *cursor = NULL;
	struct kt_txn *txn;
	int err = kt_begin(fs->store, KT_READ, &txn);

	if (!err) {
		err = kt_cursor_open(kt_tree(txn, KT_NAMELESS), &cursor);
		if (!err)
			err = kt_cursor_first(cursor);
		kt_cursor_close(cursor);
		kt_abort(txn);
	}
	*ret_err = err == -ENOENT ? 0 : err;
	return err == 0;
}

/* Clean up after an earlier mount. */
static int clean_up(struct fs *fs)
{
	struct kt_txn *txn;
	int err;

	if (!has_nameless(fs, &err) || fs->options.read_only)
		return err;
	err = change_begin(fs, &txn);
	if (err)
		return err;
	err = delete_nameless(txn);
	err = change_commit(fs, txn, err);
	return change_end(fs, err);
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
	fs->options = *options;
	fs->separator = options->separator ? options->separator : '/';
	pthread_mutex_init(&fs->lock, NULL);
	err = inodes_init(&fs->nodes);
	if (!err)
		err = clean_up(fs);
	if (!err && !options->read_only)
		err = flusher_start(fs);
	if (!err) {
		*ret_fs = fs;
		return 0;
	}
	inodes_fini(&fs->nodes);
	pthread_mutex_destroy(&fs->lock);
	free(fs);
	return err;
}

/* Bring the content of open files to their keys; of removed ones there is none. */
static int publish_all(struct fs *fs)
{
	struct kt_txn *txn;
	int err = change_begin(fs, &txn);

	if (err)
		return err;
	for (struct content *c = fs->contents; c != NULL && !err; c = c->next) {
		struct key key;

		if (inode_has_place(c->node))
			err = inode_key(fs->separator, c->node, &key);
		else
			err = -ENOENT;
		if (!err)
			err = content_store(c, txn, &key);
		/* no key to store it under, or no value any more to write into */
		if (err == -ENOENT || err == -ESTALE)
			err = content_delete_nameless(c, txn);
	}
	err = change_commit(fs, txn, err);
	return change_end(fs, err);
}

int fs_close(struct fs *fs)
{
	int err = 0, flushed = 0;

	if (fs == NULL)
		return 0;
	flusher_stop(fs);
	if (!fs->options.read_only) {
		err = publish_all(fs);
		if (!err)
			err = flusher_store(fs);
		flushed = kt_flush(fs->store);
	}
	file_free_all(fs);
	dir_free_all(fs);
	while (fs->contents != NULL)
		content_drop(fs->contents->node);
	inodes_fini(&fs->nodes);
	pthread_mutex_destroy(&fs->lock);
	free(fs);
	return err ? err : flushed;
}
