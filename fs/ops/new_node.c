/* Giving out nodes, and the attributes of new ones. See new_node.h. */
#include "fs/ops/new_node.h"

#include "fs/core.h"
#include "fs/dirty/dirty_file.h"
#include "fs/meta/acl.h"

#include <errno.h>
#include <stdlib.h>

/* If others have replaced a file by one of another type, its node loses its place. */
static void leave_if_other(struct fs *fs, struct inode *node, const struct found *found)
{
	if (node == NULL || !inode_is_other(node, &found->known.attr))
		return;
	if (node->shared != 0)
		inodes_unshare(&fs->nodes, node);
	dirty_unclaim(node);
	inodes_detach(&fs->nodes, node);
	inodes_tidy(&fs->nodes, node);
}

int new_node_at(struct fs *fs, const struct place *place, const struct found *found,
	struct inode **ret_node)
{
	leave_if_other(fs, inodes_find(&fs->nodes, place), found);
	if (found->known.shared != 0)
		foreign_name_shown(fs, place);
	if (found->known.shared != 0)
		leave_if_other(fs, inodes_find_file(&fs->nodes, place, found->known.shared), found);
	return inodes_get_file(&fs->nodes, place, found->known.shared, ret_node);
}

void new_node_give(
	struct fs *fs, struct inode *node, const struct found *found, struct fs_entry *ret_entry)
{
	ret_entry->known = node->lookups++ > 0;
	foreign_shown(fs, node);
	node->given = fs->foreign.noticed;
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
