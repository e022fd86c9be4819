/* Open files: create, open, read, write, and how what was written comes to the store.
 *
 * A handle that has written owes it to the store: whoever closes it, or syncs, has the file's
 * content stored. A handle that only reads never does, so it does not publish what another one is
 * still writing.
 */
#include "fs/ops/update.h"
#include "fs/dirty/conflict.h"
#include "fs/dirty/dirty_file.h"
#include "fs/core.h"
#include "fs/ops/new_node.h"
#include "fs/ops/file.h"
#include "fs/tree/lookup.h"
#include "fs/editors/scratch.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

/** Writes from this size on go to the store directly: gathering them would only copy them. */
#define FILE_DIRECT_SIZE (512 * 1024)

/* ---- to the store ---------------------------------------------------------------------------- */

/* Is there content that belongs under the node's key? What was written into a value that others
 * have deleted belonged there, even if something else has the key by now. */
static bool is_unstored(const struct inode *node)
{
	return node->dirty != NULL && (inode_has_name(node) || !node->dirty->whole) &&
	       !scratch_is(node);
}

/* Store a node's content under its key, if it has some. A file that was removed has no key. */
static int file_publish(struct fs *fs, struct inode *node)
{
	struct kt_txn *txn, *tree;
	struct key key;
	int err;

	err = update_begin(fs, &txn);
	if (err)
		return err;
	if (!is_unstored(node)) {
		kt_abort(txn);
		pthread_mutex_unlock(&fs->lock);
		return 0;
	}
	err = inode_entry(fs->separator, node, txn, &tree, &key);
	if (!err)
		err = dirty_publish(node->dirty, tree, &key);
	err = update_commit(fs, txn, err);
	if (!err)
		dirty_drop(node);
	return update_end(fs, err == -ENOENT ? -ESTALE : err);
}

int file_settle_aside(struct fs *fs, struct inode *node)
{
	bool aside;

	pthread_mutex_lock(&fs->lock);
	aside = node->dirty != NULL && node->dirty->aside != NULL;
	if (aside)
		node->dirty->plan = DIRTY_PUBLISH;
	pthread_mutex_unlock(&fs->lock);
	return aside ? file_publish(fs, node) : 0;
}

/* Store what a handle owes. One that is stale owes for good. */
static int file_settle(struct fs *fs, struct fs_file *file)
{
	int err = 0;

	pthread_mutex_lock(&fs->lock);
	file->unpublished = file->unpublished && (file->stale || is_unstored(file->node));
	if (file->unpublished && !file->stale) {
		pthread_mutex_unlock(&fs->lock);
		err = file_publish(fs, file->node);
		pthread_mutex_lock(&fs->lock);
		file->unpublished = file->stale || is_unstored(file->node);
	}
	if (file->unpublished && file->stale)
		err = -ESTALE;
	pthread_mutex_unlock(&fs->lock);
	return err;
}

/* A shell that runs `command > file` opens the file, copies the descriptor and closes the first one
 * before the command has written anything. Storing that would show an empty value to everybody. */
int fs_flush(struct fs *fs, struct fs_file *file)
{
	bool wrote;

	pthread_mutex_lock(&fs->lock);
	wrote = file->wrote || file->stale;
	pthread_mutex_unlock(&fs->lock);
	return wrote ? file_settle(fs, file) : 0;
}

int fs_fsync(struct fs *fs, struct fs_file *file)
{
	int err = 0;

	if (fs->options.read_only)
		return 0;
	if (file == NULL) {
		err = flusher_publish_dirty(fs, true);
	} else {
		pthread_mutex_lock(&fs->lock);
		if (!file->stale) {
			file->unpublished = file->unpublished || file->node->dirty != NULL;
			if (file->node->dirty != NULL && file->node->dirty->plan == DIRTY_DELAYED)
				file->node->dirty->plan = DIRTY_PUBLISH;
		}
		pthread_mutex_unlock(&fs->lock);
		err = file_settle(fs, file);
	}
	return err ? err : kt_flush(fs->store);
}

/* ---- open ------------------------------------------------------------------------------------ */

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

static void file_free(struct fs_file *file)
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

/* Truncate a file, so that its next value is stored as a whole. */
static int truncate_whole(struct fs *fs, struct inode *node, const struct found *found)
{
	struct known known = found->known;
	bool had = node->dirty != NULL;
	int err = had ? 0 : dirty_begin(fs, node, &node->dirty);

	stat_keep_ino(INODE_FILE, &found->key, &known);
	if (!err)
		err = dirty_make_whole(node->dirty, &known);
	if (!err && !found->unstored)
		node->dirty->replaces = true;
	if (err && !had)
		dirty_drop(node);
	return err;
}

void file_empty(struct fs *fs, struct fs_file *file)
{
	struct inode *node = file->node;
	struct found found;
	struct kt_txn *txn;

	pthread_mutex_lock(&fs->lock);
	if (file_can_write(file) && !file->stale && timepoint_begin(fs, &txn) == 0) {
		bool whole = node->dirty != NULL && node->dirty->whole;

		if (!whole && lookup_at_node(fs, txn, node, &found) == 0)
			whole = truncate_whole(fs, node, &found) == 0;
		file->unpublished = file->unpublished || whole;
		file->wrote = file->wrote || whole;
		kt_abort(txn);
	}
	pthread_mutex_unlock(&fs->lock);
}

int file_find(struct fs *fs, struct kt_txn *txn, struct inode *node, struct found *ret_found)
{
	struct stat stat;
	int err = lookup_at_node(fs, txn, node, ret_found);

	if (!err && !inode_has_name(node) && node->dirty == NULL)
		err = -ENOENT; /* only what it was is known (find_keep) */
	if (err)
		return err;
	lookup_stat(fs, node, ret_found, &stat);
	if (S_ISREG(stat.st_mode))
		return 0;
	return S_ISLNK(stat.st_mode) ? -ELOOP : S_ISDIR(stat.st_mode) ? -EISDIR : -ENXIO;
}

/* As file_open_node(). @param ret_found  what was opened */
static int open_found(struct fs *fs, struct kt_txn *txn, struct inode *node, int flags,
	struct found *ret_found, struct fs_file **ret_file)
{
	bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
	int err = writes ? conflict_open(fs, txn, node) : 0;

	if (!err)
		err = file_find(fs, txn, node, ret_found);
	if (!err)
		err = file_new(fs, node, flags, ret_file);
	if (err || !(flags & O_TRUNC))
		return err;
	err = truncate_whole(fs, node, ret_found);
	(*ret_file)->unpublished = true;
	if (err)
		file_free(*ret_file);
	return err;
}

int file_open_node(
	struct fs *fs, struct kt_txn *txn, struct inode *node, int flags, struct fs_file **ret_file)
{
	struct found found;

	return open_found(fs, txn, node, flags, &found, ret_file);
}

/* Send the value of a file that was just opened, as fs_open_prefetch() says. Whoever keeps it knows
 * all that this transaction shows, and changes of the file wait for the lock: so what is kept is
 * true, and others will be told when it is not any more. */
static void file_send_value(struct fs *fs, struct kt_txn *txn, const struct fs_file *file,
	const struct found *found, fs_prefetch_value_fn *send, void *arg)
{
	struct inode *node = file->node;
	struct kt_slice value;

	if (send == NULL || !file_can_read(file) || node->opens > 1)
		return;
	if (found->known.version == node->sent || !prefetch_is_small(node, &found->known) ||
		!foreign_is_told(fs, txn))
		return;
	if (kt_get(kt_tree(txn, found->tree), found->key.bytes, found->key.size, &value) != 0)
		return;
	send(arg, value.data, value.size);
	node->sent = found->known.version;
}

int fs_open_file(struct fs *fs, uint64_t number, int flags, struct fs_file **ret_file)
{
	return fs_open_prefetch(fs, number, flags, NULL, NULL, ret_file);
}

int fs_open_prefetch(struct fs *fs, uint64_t number, int flags, fs_prefetch_value_fn *send,
	void *arg, struct fs_file **ret_file)
{
	struct kt_txn *txn;
	struct found found;
	struct inode *node;
	int err;

	if (((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC)) && fs->options.read_only)
		return -EROFS;
	pthread_mutex_lock(&fs->lock);
	err = lookup_node(fs, number, &node);
	if (!err)
		err = timepoint_begin(fs, &txn);
	if (!err) {
		err = open_found(fs, txn, node, flags, &found, ret_file);
		if (!err)
			file_send_value(fs, txn, *ret_file, &found, send, arg);
		kt_abort(txn);
	}
	pthread_mutex_unlock(&fs->lock);
	/* It has gone since its name was looked up. The name may be another file's by now: after
	 * ESTALE the kernel looks it up again, and opens that. */
	return err == -ENOENT ? -ESTALE : err;
}

/* ---- read ------------------------------------------------------------------------------------ */

int fs_read(
	struct fs *fs, struct fs_file *file, off_t offset, void *buf, size_t size, size_t *ret_read)
{
	const struct dirty_file *dirty;
	struct kt_txn *txn, *tree;
	struct key key;
	int err;

	if (!file_can_read(file))
		return -EBADF;
	if (offset < 0)
		return -EINVAL;
	pthread_mutex_lock(&fs->lock);
	file->read = true;
	file->node->sent = 0; /* it is not kept any more */
	err = timepoint_begin(fs, &txn);
	if (err) {
		pthread_mutex_unlock(&fs->lock);
		return err;
	}
	dirty = file->node->dirty;
	tree = txn;
	if (dirty == NULL || !dirty->whole)
		err = inode_entry(fs->separator, file->node, txn, &tree, &key);
	if (!err && dirty != NULL)
		err = dirty_read(dirty, tree, &key, (uint64_t)offset, buf, size, ret_read);
	pthread_mutex_unlock(&fs->lock);
	/* the transaction has the value as it was under the lock, whatever becomes of its key */
	if (!err && dirty == NULL)
		err = kt_read(tree, key.bytes, key.size, (uint64_t)offset, buf, size, ret_read);
	kt_abort(txn);
	return err == -ENOENT ? -ESTALE : err;
}

bool fs_was_read(struct fs *fs, const struct fs_file *file)
{
	bool read;

	pthread_mutex_lock(&fs->lock);
	read = file->read;
	pthread_mutex_unlock(&fs->lock);
	return read;
}

/* ---- write ----------------------------------------------------------------------------------- */

/** An offset: the end of the file, when it is written. */
#define AT_END UINT64_MAX

/* The offset that a write goes to. @return 0; -EFBIG */
static int write_offset(struct fs *fs, struct kt_txn *txn, const struct fs_file *file, size_t size,
	uint64_t *offset)
{
	if (*offset == AT_END) {
		struct kt_txn *own = NULL;
		struct found found;
		int err = txn ? 0 : timepoint_begin(fs, &own);

		if (!err)
			err = lookup_at_node(fs, txn ? txn : own, file->node, &found);
		kt_abort(own);
		if (err)
			return err == -ENOENT ? -ESTALE : err;
		*offset = found.known.size;
	}
	return *offset > INT64_MAX - size ? -EFBIG : 0;
}

/* Gather a write. @return 0; -EAGAIN it has to go to the store directly, or room must be made */
static int write_gathered(
	struct fs *fs, struct fs_file *file, uint64_t offset, const void *data, size_t size)
{
	struct inode *node = file->node;
	int err = write_offset(fs, NULL, file, size, &offset);
	bool begun = node->dirty == NULL;

	if (file->stale)
		return -ESTALE;
	if (err)
		return err;
	if (size >= FILE_DIRECT_SIZE || (!begun && write_buffer_is_full(&node->dirty->buffer)))
		return -EAGAIN;
	if (begun)
		err = dirty_begin(fs, node, &node->dirty);
	if (!err)
		err = dirty_write(node->dirty, offset, data, size);
	if (err) {
		if (begun)
			dirty_drop(node);
		return err;
	}
	file->unpublished = true;
	file->wrote = true;
	if (!node->dirty->whole)
		flusher_expect_publish(fs);
	return 0;
}

/* Write what was gathered, and the data, to what is below. */
static int write_through(
	struct fs *fs, struct fs_file *file, uint64_t offset, const void *data, size_t size)
{
	struct inode *node = file->node;
	uint64_t nameless = 0;
	struct kt_txn *txn, *tree;
	struct key key;
	int err = update_begin(fs, &txn);

	if (err)
		return err;
	tree = txn;
	err = file->stale ? -ESTALE : write_offset(fs, txn, file, size, &offset);
	if (!err && node->dirty == NULL)
		err = dirty_begin(fs, node, &node->dirty);
	if (!err && !node->dirty->whole)
		err = inode_entry(fs->separator, node, txn, &tree, &key);
	if (!err) {
		dirty_stamp(node->dirty);
		err = dirty_spill(node->dirty, tree, &key, offset, data, size, &nameless);
	}
	err = update_commit(fs, txn, err);
	if (!err && node->dirty->whole)
		dirty_spilled(node->dirty, nameless, offset, size);
	else if (node->dirty != NULL && !node->dirty->whole &&
		 (!err || node->dirty->buffer.count == 0))
		dirty_drop(node);
	if (!err) {
		file->unpublished = node->dirty != NULL;
		file->wrote = true;
	}
	return update_end(fs, err == -ENOENT ? -ESTALE : err);
}

static int write_at(
	struct fs *fs, struct fs_file *file, uint64_t offset, const void *data, size_t size)
{
	int err;

	if (!file_can_write(file))
		return -EBADF;
	if (size == 0)
		return 0;
	pthread_mutex_lock(&fs->lock);
	err = write_gathered(fs, file, offset, data, size);
	pthread_mutex_unlock(&fs->lock);
	if (err != -EAGAIN)
		return err;
	err = file_settle_aside(fs, file->node);
	return err ? err : write_through(fs, file, offset, data, size);
}

int fs_write(struct fs *fs, struct fs_file *file, off_t offset, const void *data, size_t size)
{
	return offset < 0 ? -EINVAL : write_at(fs, file, (uint64_t)offset, data, size);
}

int fs_append(struct fs *fs, struct fs_file *file, const void *data, size_t size)
{
	return write_at(fs, file, AT_END, data, size);
}

/* ---- release --------------------------------------------------------------------------------- */

/* One handle less. The last one takes along what nobody can reach any more: the file was removed,
 * or it could not be stored, which its last flush has reported. */
static void drop_file(struct fs *fs, struct fs_file *file)
{
	struct inode *node = file->node;

	file_free(file);
	if (node->opens == 0 && !scratch_is(node))
		dirty_drop(node);
	inodes_tidy(&fs->nodes, node);
}

/* As drop_file(), and delete what the last handle leaves in a nameless entry. If that fails, it is
 * done when the store is closed. */
static void drop_nameless(struct fs *fs, struct fs_file *file)
{
	struct kt_txn *txn;
	int err = update_begin(fs, &txn);

	if (err) {
		pthread_mutex_lock(&fs->lock);
	} else {
		if (file->node->opens == 1)
			err = dirty_delete_nameless(file->node->dirty, txn);
		err = update_commit(fs, txn, err);
	}
	drop_file(fs, file);
	update_end(fs, err);
}

/* A scratch file stays. @return whether it is one */
static bool release_scratch(struct fs *fs, struct fs_file *file)
{
	struct inode *node = file->node;
	bool scratch, large = false;

	pthread_mutex_lock(&fs->lock);
	scratch = scratch_is(node);
	if (scratch) {
		large = node->dirty->buffer.bytes > SCRATCH_BYTES_MAX && node->dirty->aside == NULL;
		if (node->dirty->plan == DIRTY_DELAYED)
			flusher_expect_delayed(fs, node->dirty);
		if (!large)
			drop_file(fs, file);
	}
	pthread_mutex_unlock(&fs->lock);
	if (large) {
		scratch_spill(fs, node);
		pthread_mutex_lock(&fs->lock);
		drop_file(fs, file);
		pthread_mutex_unlock(&fs->lock);
	}
	return scratch;
}

void fs_release(struct fs *fs, struct fs_file *file)
{
	const struct dirty_file *dirty;

	file_settle(fs, file);
	if (release_scratch(fs, file))
		return;
	pthread_mutex_lock(&fs->lock);
	dirty = file->node->dirty;
	if (file->node->opens == 1 && dirty != NULL && dirty->nameless != 0) {
		pthread_mutex_unlock(&fs->lock);
		drop_nameless(fs, file);
		return;
	}
	drop_file(fs, file);
	pthread_mutex_unlock(&fs->lock);
}
