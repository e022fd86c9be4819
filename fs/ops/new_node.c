/* Lookup, forget, and what else only asks: getattr, readlink, statfs. */
#include "fs/ops/new_node.h"

#include "fs/meta/acl.h"
#include "fs/dirty/dirty_file.h"
#include "fs/core.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* A node that was given out as something else than what is found there now loses its place. */
static void leave_if_other(struct fs *fs, struct inode *node, const struct found *found)
{
	if (node == NULL || !stat_is_other(node, &found->known.attr))
		return;
	if (node->shared != 0)
		inodes_unshare(&fs->nodes, node);
	inodes_detach(&fs->nodes, node);
	inodes_tidy(&fs->nodes, node);
}

int new_node_at(struct fs *fs, const struct place *place, const struct found *found,
	struct inode **ret_node)
{
	leave_if_other(fs, inodes_find(&fs->nodes, place), found);
	if (found->known.shared != 0)
		leave_if_other(fs, inodes_find_file(&fs->nodes, place, found->known.shared), found);
	return inodes_get_file(&fs->nodes, place, found->known.shared, ret_node);
}

void new_node_give(
	struct fs *fs, struct inode *node, const struct found *found, struct fs_entry *ret_entry)
{
	ret_entry->known = node->lookups++ > 0;
	if (fs->foreign.seen != NULL)
		node->given = kt_txn_id(fs->foreign.seen);
	node->gone = false;
	ret_entry->node = node->number;
	lookup_stat(fs, node, found, &ret_entry->stat);
	node->type = ret_entry->stat.st_mode & S_IFMT;
}

int new_node_give_at(struct fs *fs, const struct place *place, const struct found *found,
	struct fs_entry *ret_entry)
{
	struct inode *node;
	int err = new_node_at(fs, place, found, &node);

	if (err)
		return err;
	node->links = found->known.links;
	new_node_give(fs, node, found, ret_entry);
	return 0;
}

int new_node_attr(struct fs *fs, struct kt_txn *txn, const struct fs_caller *caller,
	struct inode *directory, mode_t mode, uint64_t ino, struct known *ret_known)
{
	int64_t now = core_now_ns();
	struct known known = {.mtime_ns = now,
		.attr = {.fields = ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_INO | ATTR_CTIME,
			.mode = mode,
			.uid = caller->uid,
			.gid = caller->gid,
			.ino = ino,
			.ctime_ns = now,
			.mtime_ns = now}};
	struct found found;
	struct stat stat;
	int err = lookup_at_node(fs, txn, directory, &found);

	if (err == -ENOENT)
		found.known = (struct known){0};
	else if (err)
		return err;
	else
		lookup_stat(fs, directory, &found, &stat);
	if (!err && (stat.st_mode & S_ISGID)) {
		known.attr.gid = stat.st_gid;
		known.attr.mode |= S_ISDIR(mode) ? S_ISGID : 0;
	}
	err = S_ISLNK(mode) ? 0 : acl_inherit(found.known.attr.xattrs, caller->umask, &known.attr);
	if (!err)
		*ret_known = known;
	return err;
}

void new_node_attr_fini(struct known *known)
{
	free((void *)known->attr.xattrs.data);
	attr_set_xattrs(&known->attr, (struct kt_slice){0});
}

/* Begin to read: the lock, and a transaction. */
static int node_read_begin(struct fs *fs, struct kt_txn **ret_txn)
{
	int err;

	pthread_mutex_lock(&fs->lock);
	err = timepoint_begin(fs, ret_txn);
	if (err)
		pthread_mutex_unlock(&fs->lock);
	return err;
}

static int node_read_end(struct fs *fs, struct kt_txn *txn, int err)
{
	kt_abort(txn);
	pthread_mutex_unlock(&fs->lock);
	return err;
}

int fs_lookup(struct fs *fs, uint64_t parent, const char *name, struct fs_entry *ret_entry)
{
	struct target target;
	struct kt_txn *txn;
	struct found found;
	int err = node_read_begin(fs, &txn);

	if (err)
		return err;
	err = lookup_target(fs, parent, name, &target);
	if (err == -EINVAL)
		err = -ENOENT;
	if (!err)
		err = lookup_at_target(fs, txn, &target, &found);
	if (!err)
		err = new_node_give_at(fs, &target.place, &found, ret_entry);
	return node_read_end(fs, txn, err);
}

int fs_root(struct fs *fs, struct fs_entry *ret_entry)
{
	struct kt_txn *txn;
	struct found found;
	int err = node_read_begin(fs, &txn);

	if (err)
		return err;
	err = lookup_at_node(fs, txn, fs->nodes.root, &found);
	if (!err)
		new_node_give(fs, fs->nodes.root, &found, ret_entry);
	return node_read_end(fs, txn, err);
}

/* A walk through millions of files takes hundreds of bytes each; once they are forgotten, the
 * system has the memory back, and not only the allocator. */
void fs_forget(struct fs *fs, uint64_t number, uint64_t count)
{
	struct inode *node;
	bool trim;

	pthread_mutex_lock(&fs->lock);
	node = inodes_by_number(&fs->nodes, number);
	if (node != NULL) {
		node->lookups -= count < node->lookups ? count : node->lookups;
		inodes_tidy(&fs->nodes, node);
	}
	trim = inodes_are_few(&fs->nodes);
	pthread_mutex_unlock(&fs->lock);
	if (trim)
		malloc_trim(0);
}

int fs_getattr(struct fs *fs, uint64_t number, struct stat *ret_stat)
{
	struct kt_txn *txn;
	struct found found;
	struct inode *node;
	int err = node_read_begin(fs, &txn);

	if (err)
		return err;
	err = lookup_node(fs, number, &node);
	if (!err)
		err = lookup_at_node(fs, txn, node, &found);
	if (!err)
		lookup_stat(fs, node, &found, ret_stat);
	return node_read_end(fs, txn, err);
}

/* Read the value of a symbolic link. */
static int read_target(
	struct kt_txn *txn, const struct inode *node, const struct found *found, char **ret_target)
{
	size_t size = found->known.size, got = 0;
	char *target = calloc(1, size + 1);
	int err;

	if (target == NULL)
		return -ENOMEM;
	if (found->unstored && node->dirty != NULL)
		err = dirty_read(node->dirty, txn, &found->key, 0, target, size, &got);
	else
		err = kt_read(kt_tree(txn, found->tree), found->key.bytes, found->key.size, 0,
			target, size, &got);
	if (err)
		free(target);
	else
		*ret_target = target;
	return err;
}

int fs_readlink(struct fs *fs, uint64_t number, char **ret_target)
{
	struct kt_txn *txn;
	struct found found;
	struct stat stat;
	struct inode *node;
	int err = node_read_begin(fs, &txn);

	if (err)
		return err;
	err = lookup_node(fs, number, &node);
	if (!err)
		err = lookup_at_node(fs, txn, node, &found);
	if (!err) {
		lookup_stat(fs, node, &found, &stat);
		err = S_ISLNK(stat.st_mode) ? read_target(txn, node, &found, ret_target) : -EINVAL;
	}
	return node_read_end(fs, txn, err);
}

int fs_statfs(struct fs *fs, struct statvfs *ret_statvfs)
{
	struct kt_info info;
	int err = kt_info(fs->store, &info);
	uint64_t free_pages;

	if (err)
		return err;
	free_pages = info.disk_free / info.page_size + info.free_pages + info.pending_pages;
	*ret_statvfs = (struct statvfs){
		.f_bsize = info.page_size,
		.f_frsize = info.page_size,
		.f_blocks = info.disk_size / info.page_size,
		.f_bfree = free_pages,
		.f_bavail = free_pages,
		.f_files = info.entries + free_pages, /* each page could hold one more at least */
		.f_ffree = free_pages,
		.f_favail = free_pages,
		.f_namemax = NAMES_MAX,
	};
	return 0;
}
