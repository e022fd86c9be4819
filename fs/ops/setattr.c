/* setattr: mode, owner, times and size; and the privileges that a file loses when it changes. */
#include "fs/meta/acl.h"
#include "fs/ops/change_attr.h"
#include "fs/ops/ops_internal.h"
#include "fs/core.h"
#include "fs/ops/file.h"
#include "fs/access/lookup.h"
#include "fs/access/timepoint.h"
#include "fs/meta/xattr_list.h"

#include <errno.h>
#include <stdlib.h>

#define CAPABILITY "security.capability"

/* ---- privileges ------------------------------------------------------------------------------ */

static mode_t without_suid(mode_t mode)
{
	return mode & ~(mode_t)(S_ISUID | S_ISGID);
}

static bool has_capability(const struct attr *attr)
{
	struct kt_slice value;

	return xattr_list_find(attr->xattrs, CAPABILITY, &value);
}

/* End the privileges of a file.
 * @param bare      its mode without them
 * @param ret_list  malloc'd, or NULL: the xattrs that attr has then */
static int drop_privileges(struct attr *attr, mode_t bare, void **ret_list)
{
	struct kt_slice list;
	int err;

	*ret_list = NULL;
	if (attr->fields & ATTR_MODE) /* a default mode has no such bits */
		attr->mode = bare;
	if (!has_capability(attr))
		return 0;
	err = xattr_list_set(attr->xattrs, CAPABILITY, NULL, &list);
	if (err)
		return err;
	attr_set_xattrs(attr, list);
	*ret_list = (void *)list.data;
	return 0;
}

struct drop_op {
	bool suid;
	void *list;
};

static int decide_drop(void *arg, mode_t mode, struct known *known)
{
	struct drop_op *op = arg;
	mode_t bare = op->suid ? without_suid(mode) : mode;

	if (bare == mode && !has_capability(&known->attr))
		return CHANGE_ATTR_NOTHING;
	free(op->list);
	stat_touch(known);
	return drop_privileges(&known->attr, bare, &op->list);
}

/* Did the last change of a file find no privileges in it? Most writes ask no more than that. */
static bool is_known_plain(struct fs *fs, uint64_t number)
{
	struct inode *node;
	bool plain;

	pthread_mutex_lock(&fs->lock);
	plain = lookup_node(fs, number, &node) == 0 && node->plain;
	pthread_mutex_unlock(&fs->lock);
	return plain;
}

/* Has a file privileges to lose? */
static int look_for_privileges(struct fs *fs, uint64_t number, bool *ret_any)
{
	struct query query;
	struct stat stat;
	int err;

	*ret_any = false;
	if (is_known_plain(fs, number))
		return 0;
	err = query_node(fs, number, &query);
	if (err)
		return err;
	lookup_stat(fs, query.node, &query.found, &stat);
	*ret_any = without_suid(stat.st_mode) != stat.st_mode ||
		   has_capability(&query.found.known.attr);
	query.node->plain = !*ret_any;
	return query_end(fs, query.txn, 0);
}

int fs_drop_privileges(struct fs *fs, uint64_t number, bool suid)
{
	struct drop_op op = {.suid = suid};
	struct stat stat;
	bool any;
	int err = look_for_privileges(fs, number, &any);

	if (!err && any) {
		err = change_attr(fs, number, decide_drop, &op, &stat);
		free(op.list);
	}
	/* if the file is gone, the write that follows fails */
	return err == -ENOENT ? 0 : err;
}

/* ---- attributes ------------------------------------------------------------------------------ */

struct setattr_op {
	const struct fs_setattr *set;
	const struct fs_file *file; /* or NULL */
	void *lists[2];		    /* malloc'd xattrs that known borrows */
};

static void setattr_op_fini(struct setattr_op *op)
{
	for (int i = 0; i < 2; i++) {
		free(op->lists[i]);
		op->lists[i] = NULL;
	}
}

static int64_t time_of(const struct timespec *time, int64_t now_ns)
{
	return time->tv_nsec == UTIME_NOW ? now_ns : clock_timespec_ns(time);
}

static int check_size(const struct fs_setattr *set, const struct fs_file *file, mode_t mode)
{
	if (!(set->what & FS_SET_SIZE))
		return 0;
	if (file != NULL && file->stale)
		return -ESTALE;
	if (S_ISDIR(mode))
		return -EISDIR;
	return !S_ISREG(mode) || set->size < 0 ? -EINVAL : 0;
}

static void set_fields(const struct fs_setattr *set, mode_t mode, struct known *known)
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
}

/* Is only FS_DROP_SUID asked for? Then a write follows. */
static bool is_write(const struct fs_setattr *set)
{
	return (set->what & ~(unsigned)FS_DROP_SUID) == 0;
}

/* A new owner or size ends privileges, too, even if the caller may keep the bits. */
static bool ends_privileges(const struct fs_setattr *set)
{
	return is_write(set) || (set->what & (FS_SET_UID | FS_SET_GID | FS_SET_SIZE));
}

/* The mode without privileges. Without permission to execute, set-group-id only marks mandatory
 * locking and is no privilege: a new owner does not end it. A write does, because the group of
 * the writer is not known here. */
static mode_t bare_mode(const struct fs_setattr *set, mode_t mode)
{
	if (!(set->what & FS_DROP_SUID))
		return mode;
	if ((set->what & (FS_SET_UID | FS_SET_GID)) && !(mode & S_IXGRP))
		return mode & ~(mode_t)S_ISUID;
	return without_suid(mode);
}

static int decide_set(void *arg, mode_t mode, struct known *known)
{
	struct setattr_op *op = arg;
	const struct fs_setattr *set = op->set;
	int err = check_size(set, op->file, mode);

	if (err)
		return err;
	setattr_op_fini(op);
	if (is_write(set) && without_suid(mode) == mode && !has_capability(&known->attr))
		return CHANGE_ATTR_NOTHING;
	set_fields(set, mode, known);
	if (set->what & FS_SET_MODE)
		err = acl_follow_mode(&known->attr, &op->lists[0]);
	if (!err && !S_ISDIR(mode) && ends_privileges(set))
		err = drop_privileges(&known->attr,
			bare_mode(set, set->what & FS_SET_MODE ? known->attr.mode : mode),
			&op->lists[1]);
	stat_touch(known);
	return err;
}

static bool is_storable(const struct timespec *time)
{
	return time->tv_nsec == UTIME_NOW || clock_is_exact(clock_timespec_ns(time));
}

int fs_setattr(struct fs *fs, uint64_t number, struct fs_file *file, const struct fs_setattr *set,
	struct stat *ret_stat)
{
	struct setattr_op op = {.set = set, .file = file};
	int err;

	if ((set->what & FS_SET_ATIME && !is_storable(&set->atime)) ||
		(set->what & FS_SET_MTIME && !is_storable(&set->mtime)))
		return -EINVAL;
	if (file != NULL && (set->what & FS_SET_SIZE) && set->size == 0 && !fs->options.read_only)
		file_empty(fs, file);
	err = change_attr(fs, number, decide_set, &op, ret_stat);
	setattr_op_fini(&op);
	return err;
}
