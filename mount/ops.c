/* Features, names and attributes. */
#include "ops_reply.h"

#include <errno.h>
#include <stdlib.h>

/* ---- agreement on features ---- */

static void set_feature(struct fuse_conn_info *conn, unsigned feature, bool on)
{
	if (on && (conn->capable & feature))
		conn->want |= feature;
	else
		conn->want &= ~feature;
}

static void init(void *userdata, struct fuse_conn_info *conn)
{
	const struct ops_context *context = userdata;

	/* Cached pages stay until we say so; not until an mtime changes, as after each own write.
	 */
	set_feature(conn, FUSE_CAP_AUTO_INVAL_DATA, false);
	set_feature(conn, FUSE_CAP_EXPLICIT_INVAL_DATA, true);
	/* It would hide sizes from other writers. */
	set_feature(conn, FUSE_CAP_WRITEBACK_CACHE, false);
	set_feature(conn, FUSE_CAP_READDIRPLUS, true);
	set_feature(conn, FUSE_CAP_READDIRPLUS_AUTO, false);
	set_feature(conn, FUSE_CAP_PARALLEL_DIROPS, true);
	set_feature(conn, FUSE_CAP_CACHE_SYMLINKS, true);
	/* Where OPEN is not sent, it cannot carry the truncation either. */
	set_feature(conn, FUSE_CAP_ATOMIC_O_TRUNC, !context->read_only);
	/* The kernel clears set-user-id bits itself, with SETATTR. */
	set_feature(conn, FUSE_CAP_HANDLE_KILLPRIV, false);
	/* Splicing was measured slower everywhere. */
	set_feature(conn, FUSE_CAP_SPLICE_READ, false);
	set_feature(conn, FUSE_CAP_SPLICE_WRITE, false);
	set_feature(conn, FUSE_CAP_SPLICE_MOVE, false);
	conn->max_write = (unsigned)OPS_MAX_WRITE;
}

/* ---- replies ---- */

struct fuse_entry_param ops_entry(const struct fs_entry *entry)
{
	return (struct fuse_entry_param){
		.ino = entry->node,
		.attr = entry->stat,
		.attr_timeout = OPS_FOREVER,
		.entry_timeout = OPS_FOREVER,
	};
}

struct fs_caller ops_caller(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return (struct fs_caller){.uid = ctx->uid, .gid = ctx->gid, .umask = ctx->umask};
}

/* Answer with an entry; if nobody takes the answer, give its reference back. */
static void reply_entry(fuse_req_t req, int err, const struct fs_entry *entry)
{
	struct fs *fs = ops_fs(req);
	struct fuse_entry_param param;

	if (err != 0) {
		ops_reply(req, err);
		return;
	}
	param = ops_entry(entry);
	if (fuse_reply_entry(req, &param) != 0)
		fs_forget(fs, entry->node, 1);
}

static void reply_attr(fuse_req_t req, int err, const struct stat *stat)
{
	if (err != 0)
		ops_reply(req, err);
	else
		fuse_reply_attr(req, stat, OPS_FOREVER);
}

/* ---- names ---- */

static void lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	const struct fuse_entry_param missing = {.entry_timeout = OPS_FOREVER};
	struct fs_entry entry;
	int err = fs_lookup(ops_fs(req), parent, name, &entry);

	if (err == -ENOENT)
		fuse_reply_entry(req, &missing); /* that it does not exist may be kept too */
	else
		reply_entry(req, err, &entry);
}

static void forget(fuse_req_t req, fuse_ino_t node, uint64_t count)
{
	fs_forget(ops_fs(req), node, count);
	fuse_reply_none(req);
}

static void forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		fs_forget(ops_fs(req), forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void mknod_(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	struct fs_caller caller = ops_caller(req);
	struct fs_entry entry;
	int err = fs_mknod(ops_fs(req), &caller, parent, name, mode, rdev, &entry);

	reply_entry(req, err, &entry);
}

static void mkdir_(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct fs_caller caller = ops_caller(req);
	struct fs_entry entry;
	int err = fs_mkdir(ops_fs(req), &caller, parent, name, mode, &entry);

	reply_entry(req, err, &entry);
}

static void symlink_(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	struct fs_caller caller = ops_caller(req);
	struct fs_entry entry;
	int err = fs_symlink(ops_fs(req), &caller, target, parent, name, &entry);

	reply_entry(req, err, &entry);
}

static void readlink_(fuse_req_t req, fuse_ino_t node)
{
	char *target;
	int err = fs_readlink(ops_fs(req), node, &target);

	if (err != 0) {
		ops_reply(req, err);
		return;
	}
	fuse_reply_readlink(req, target);
	free(target);
}

static void unlink_(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	ops_reply(req, fs_unlink(ops_fs(req), parent, name));
}

static void rmdir_(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	ops_reply(req, fs_rmdir(ops_fs(req), parent, name));
}

static void rename_(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
	const char *new_name, unsigned flags)
{
	ops_reply(req, fs_rename(ops_fs(req), parent, name, new_parent, new_name, flags));
}

/* One value, one key: there are no hard links. */
static void link_(fuse_req_t req, fuse_ino_t node, fuse_ino_t new_parent, const char *new_name)
{
	(void)node;
	(void)new_parent;
	(void)new_name;
	ops_reply(req, -EPERM);
}

/* ---- attributes ---- */

static void getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct stat stat;

	(void)fi;
	reply_attr(req, fs_getattr(ops_fs(req), node, &stat), &stat);
}

static struct fs_setattr translate_setattr(const struct stat *attr, int to_set)
{
	static const struct {
		int fuse;
		unsigned fs;
	} bits[] = {
		{FUSE_SET_ATTR_MODE, FS_SET_MODE},
		{FUSE_SET_ATTR_UID, FS_SET_UID},
		{FUSE_SET_ATTR_GID, FS_SET_GID},
		{FUSE_SET_ATTR_SIZE, FS_SET_SIZE},
		{FUSE_SET_ATTR_ATIME, FS_SET_ATIME},
		{FUSE_SET_ATTR_MTIME, FS_SET_MTIME},
	};
	struct fs_setattr set = {
		.mode = attr->st_mode,
		.uid = attr->st_uid,
		.gid = attr->st_gid,
		.size = attr->st_size,
		.atime = attr->st_atim,
		.mtime = attr->st_mtim,
	};

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		if (to_set & bits[i].fuse)
			set.what |= bits[i].fs;
	}
	if (to_set & FUSE_SET_ATTR_ATIME_NOW)
		set.atime.tv_nsec = UTIME_NOW;
	if (to_set & FUSE_SET_ATTR_MTIME_NOW)
		set.mtime.tv_nsec = UTIME_NOW;
	return set;
}

static void setattr(
	fuse_req_t req, fuse_ino_t node, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	struct fs_setattr set = translate_setattr(attr, to_set);
	struct fs_file *file = fi != NULL ? (struct fs_file *)(uintptr_t)fi->fh : NULL;
	struct stat stat;
	int err = fs_setattr(ops_fs(req), node, file, &set, &stat);

	reply_attr(req, err, &stat);
}

static void statfs_(fuse_req_t req, fuse_ino_t node)
{
	struct statvfs stat;
	int err = fs_statfs(ops_fs(req), &stat);

	(void)node;
	if (err != 0)
		ops_reply(req, err);
	else
		fuse_reply_statfs(req, &stat);
}

/* What is missing here is answered with ENOSYS by libfuse, and the kernel asks once: access (it
 * checks permissions itself), extended attributes, locks (it keeps them itself), fallocate. */
static const struct fuse_lowlevel_ops table = {
	.init = init,
	.lookup = lookup,
	.forget = forget,
	.forget_multi = forget_multi,
	.getattr = getattr,
	.setattr = setattr,
	.readlink = readlink_,
	.mknod = mknod_,
	.mkdir = mkdir_,
	.symlink = symlink_,
	.unlink = unlink_,
	.rmdir = rmdir_,
	.rename = rename_,
	.link = link_,
	.statfs = statfs_,
	.create = ops_create,
	.open = ops_open,
	.read = ops_read,
	.write = ops_write,
	.flush = ops_flush,
	.fsync = ops_fsync,
	.release = ops_release,
	.opendir = ops_opendir,
	.readdir = ops_readdir,
	.readdirplus = ops_readdirplus,
	.releasedir = ops_releasedir,
	.fsyncdir = ops_fsyncdir,
};

const struct fuse_lowlevel_ops *ops_table(void)
{
	return &table;
}
