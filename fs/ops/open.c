/* Opening files, and truncating them to nothing. */
#include "fs/ops/file.h"
#include "fs/ops/ops_internal.h"
#include "fs/core.h"
#include "fs/dirty/conflict.h"
#include "fs/dirty/dirty_file.h"

#include <errno.h>

/* Truncate a file. Its next value is published as a whole. */
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

	if (!file_can_write(file) || query_begin(fs, &txn) != 0)
		return;
	if (!file->stale) {
		bool whole = node->dirty != NULL && node->dirty->whole;

		if (!whole && lookup_at_node(fs, txn, node, &found) == 0)
			whole = truncate_whole(fs, node, &found) == 0;
		file->unpublished = file->unpublished || whole;
		file->wrote = file->wrote || whole;
	}
	query_end(fs, txn, 0);
}

int file_find(struct fs *fs, struct kt_txn *txn, struct inode *node, struct found *ret_found)
{
	struct stat stat;
	int err = lookup_at_node(fs, txn, node, ret_found);

	if (!err && !inode_has_name(node) && node->dirty == NULL)
		err = -ENOENT; /* the file is gone, only its last attributes are known (lookup_keep) */
	if (err)
		return err;
	lookup_stat(fs, node, ret_found, &stat);
	if (S_ISREG(stat.st_mode))
		return 0;
	return S_ISLNK(stat.st_mode) ? -ELOOP : S_ISDIR(stat.st_mode) ? -EISDIR : -ENXIO;
}

/* As file_open_node(). @param ret_found  what was opened */
static int open_node(struct fs *fs, struct kt_txn *txn, struct inode *node, int flags,
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

bool fs_is_contested(const struct fs_file *file)
{
	return file->contested;
}

int file_open_node(
	struct fs *fs, struct kt_txn *txn, struct inode *node, int flags, struct fs_file **ret_file)
{
	struct found found;

	return open_node(fs, txn, node, flags, &found, ret_file);
}

/* Have other processes changed the file, so that they may do so again while it is read, or has a change
 * not been told yet? Who writes to it needs the client cache: a shared map may be made. */
static bool open_is_contested(
	const struct fs *fs, const struct fs_file *file, const struct found *found)
{
	const struct foreign *foreign = &fs->foreign;
	struct place place = inode_place(file->node);
	struct key key;

	if (file_can_write(file) || !inode_has_name(file->node) ||
		place_key(fs->separator, &place, &key) != 0)
		return false;
	return contested_has(&foreign->contested, key.bytes, key.size, flusher_clock_ms()) ||
	       (foreign_is_pending(fs) &&
		       (foreign->told == NULL || found->known.version > kt_txn_id(foreign->told)));
}

/* Send the value of a file that was just opened, as fs_open_prefetch() says. The client cache
 * may keep it: it has been told of all changes that this transaction sees, and a later change
 * waits for the lock, so the cache is told of that afterwards. */
static void open_send_value(struct fs *fs, struct kt_txn *txn, const struct fs_file *file,
	const struct found *found, fs_prefetch_value_fn *send, void *arg)
{
	struct inode *node = file->node;
	struct kt_slice value;

	if (send == NULL || !file_can_read(file) || node->opens > 1 || file->contested)
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
	err = query_begin(fs, &txn);
	if (err)
		return err;
	err = lookup_node(fs, number, &node);
	if (!err)
		err = open_node(fs, txn, node, flags, &found, ret_file);
	if (!err) {
		(*ret_file)->contested = open_is_contested(fs, *ret_file, &found);
		open_send_value(fs, txn, *ret_file, &found, send, arg);
	}
	err = query_end(fs, txn, err);
	/* The file was removed after its name was looked up, and another file may have the name
	 * now. After ESTALE the kernel looks the name up again and opens that file. */
	return err == -ENOENT ? -ESTALE : err;
}
