/* Changing attributes. Of a file whose content is in memory that is all in memory, too; else it is
 * one transaction. */
#include "change.h"
#include "content.h"
#include "core.h"
#include "directory.h"
#include "find.h"

#include <errno.h>
#include <fcntl.h>

static int64_t time_of(const struct timespec *time, int64_t now_ns)
{
	return time->tv_nsec == UTIME_NOW ? now_ns : core_ns(time);
}

/* Change what is known of a file or directory.
 * @param mode  as it shows, with the file type */
static void apply(const struct fs_setattr *set, mode_t mode, struct known *known)
{
	struct attr *attr = &known->attr;
	int64_t now = core_now_ns();

	if (set->what & FS_SET_MODE) {
		attr->fields |= ATTR_MODE;
		attr->mode = (mode & S_IFMT) | (set->mode & 07777);
	}
	if (set->what & FS_SET_UID) {
		attr->fields |= ATTR_UID;
		attr->uid = set->uid;
	}
	if (set->what & FS_SET_GID) {
		attr->fields |= ATTR_GID;
		attr->gid = set->gid;
	}
	if (set->what & FS_SET_ATIME) {
		attr->fields |= ATTR_ATIME;
		attr->atime_ns = time_of(&set->atime, now);
	}
	if (set->what & FS_SET_SIZE) {
		known->size = (uint64_t)set->size;
		known->mtime_ns = now;
	}
	if (set->what & FS_SET_MTIME)
		known->mtime_ns = time_of(&set->mtime, now);
	attr->fields |= ATTR_CTIME;
	attr->ctime_ns = now;
	attr->mtime_ns = known->mtime_ns;
}

static int check_size(const struct fs_setattr *set, mode_t mode)
{
	if (!(set->what & FS_SET_SIZE))
		return 0;
	if (S_ISDIR(mode))
		return -EISDIR;
	return !S_ISREG(mode) || set->size < 0 ? -EINVAL : 0;
}

/* Of a file that is in memory. */
static void set_content(struct content *content, const struct fs_setattr *set, struct known *known)
{
	if (set->what & FS_SET_SIZE)
		content_resize(content, (uint64_t)set->size);
	content->attr = known->attr;
	content->mtime_ns = known->mtime_ns;
	content_know(content, known);
}

/* What the store holds of a value that has changed. */
static int find_stored(struct kt_txn *txn, const struct key *key, struct known *known)
{
	struct kt_stat stat;
	int err = kt_stat(txn, key->bytes, key->size, &stat);

	if (!err)
		known->stored = stat.stored;
	return err;
}

/* Of an entry. What was gathered for its value goes first. */
static int set_entry(struct kt_txn *txn, const struct inode *node, const struct fs_setattr *set,
	struct found *found)
{
	const struct key *key = &found->key;
	struct attr_blob blob;
	int err = attr_blob_init(&found->known.attr, &blob);

	if (err)
		return err;
	if (node->content != NULL)
		err = content_store(node->content, txn, key);
	if (!err && (set->what & FS_SET_SIZE))
		err = kt_truncate(txn, key->bytes, key->size, (uint64_t)set->size);
	if (!err)
		err = kt_set_attr(txn, key->bytes, key->size, blob.bytes, blob.size);
	if (!err)
		err = kt_set_mtime(txn, key->bytes, key->size, found->known.mtime_ns);
	if (!err && (node->content != NULL || (set->what & FS_SET_SIZE)))
		err = find_stored(txn, key, &found->known);
	attr_blob_fini(&blob);
	return err;
}

/* Find a node and what it will be. */
static int find_changed(struct fs *fs, struct kt_txn *txn, uint64_t number,
	const struct fs_setattr *set, struct inode **ret_node, struct found *ret_found)
{
	struct inode *node;
	struct stat stat;
	int err = find_node(fs, number, &node);

	if (!err)
		err = find_at_node(fs, txn, node, ret_found);
	if (err)
		return err;
	find_stat(fs, node, ret_found, &stat);
	err = check_size(set, stat.st_mode);
	if (err)
		return err;
	ret_found->known.attr.fields |= ATTR_INO;
	ret_found->known.attr.ino = stat.st_ino;
	if (node->touched_ns != 0)
		ret_found->known.mtime_ns = node->touched_ns;
	apply(set, stat.st_mode, &ret_found->known);
	*ret_node = node;
	return 0;
}

/* Change it in memory, if it is there. @return 0; -EAGAIN it is in the store */
static int set_in_memory(
	struct fs *fs, uint64_t number, const struct fs_setattr *set, struct stat *ret_stat)
{
	struct found found;
	struct inode *node;
	int err = find_node(fs, number, &node);

	if (err)
		return err;
	if (node->content == NULL || !node->content->whole)
		return -EAGAIN;
	err = find_changed(fs, NULL, number, set, &node, &found);
	if (err)
		return err;
	set_content(node->content, set, &found.known);
	find_stat(fs, node, &found, ret_stat);
	return 0;
}

static int set_in_store(struct fs *fs, struct kt_txn *txn, uint64_t number,
	const struct fs_setattr *set, struct stat *ret_stat)
{
	struct found found;
	struct inode *node = NULL;
	int err = find_changed(fs, txn, number, set, &node, &found);

	if (!err && found.kind == INODE_FILE)
		err = set_entry(txn, node, set, &found);
	else if (!err)
		err = directory_put(txn, &found.key, &found.known);
	err = change_commit(fs, txn, err);
	if (err)
		return err;
	node->touched_ns = 0;
	content_drop(node);
	find_stat(fs, node, &found, ret_stat);
	return 0;
}

int fs_setattr(struct fs *fs, uint64_t number, struct fs_file *file, const struct fs_setattr *set,
	struct stat *ret_stat)
{
	struct kt_txn *txn;
	int err;

	(void)file; /* the node says it all */
	if (fs->options.read_only)
		return -EROFS;
	pthread_mutex_lock(&fs->lock);
	err = set_in_memory(fs, number, set, ret_stat);
	pthread_mutex_unlock(&fs->lock);
	if (err != -EAGAIN)
		return err;
	err = change_begin(fs, &txn);
	if (err)
		return err;
	/* it may have come to memory meanwhile */
	err = set_in_memory(fs, number, set, ret_stat);
	if (err == -EAGAIN)
		err = set_in_store(fs, txn, number, set, ret_stat);
	else
		kt_abort(txn);
	return change_end(fs, err);
}
