/* Features, names and attributes. */
#include "mount/fuse/ops_reply.h"

#include "keytree.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <syslog.h>

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

	/* Cached pages do not go when an mtime changes, as after each own write: they stay until we
	 * say so. But they go with each new size that the kernel did not give the file itself. It
	 * first cuts them to that size, perhaps after a notice has dropped them and they were read
	 * again: if they stayed, they would have zeros where the value has data. */
	set_feature(conn, FUSE_CAP_AUTO_INVAL_DATA, false);
	set_feature(conn, FUSE_CAP_EXPLICIT_INVAL_DATA, false);
	/* Pages that were read during an asynchronous direct write would stay as they were before:
	 * the kernel drops pages before such a write, but not after it. */
	set_feature(conn, FUSE_CAP_ASYNC_DIO, false);
	/* It would hide sizes from other writers. */
	set_feature(conn, FUSE_CAP_WRITEBACK_CACHE, false);
	set_feature(conn, FUSE_CAP_READDIRPLUS, true);
	set_feature(conn, FUSE_CAP_READDIRPLUS_AUTO, false);
	set_feature(conn, FUSE_CAP_PARALLEL_DIROPS, true);
	set_feature(conn, FUSE_CAP_CACHE_SYMLINKS, true);
	/* Where OPEN is not sent, it cannot carry the truncation either. */
	set_feature(conn, FUSE_CAP_ATOMIC_O_TRUNC, !context->read_only);
	/* The newer form of this is agreed on in wire.h. */
	set_feature(conn, FUSE_CAP_HANDLE_KILLPRIV, false);
	/* The kernel decides by access control lists; then the umask is for us to apply. */
	set_feature(conn, FUSE_CAP_POSIX_ACL, true);
	set_feature(conn, FUSE_CAP_DONT_MASK, true);
	/* Splicing was measured slower everywhere. */
	set_feature(conn, FUSE_CAP_SPLICE_READ, false);
	set_feature(conn, FUSE_CAP_SPLICE_WRITE, false);
	set_feature(conn, FUSE_CAP_SPLICE_MOVE, false);
	conn->max_write = (unsigned)OPS_MAX_WRITE;
}

/* ---- replies ---- */

/* Lines about damage that one mount writes to the log: whoever reads a damaged file again and again
 * must not fill it. */
#define OPS_DAMAGE_LINES 32

void ops_log_damage(int err)
{
	static _Atomic unsigned lines;

	if (atomic_fetch_add(&lines, 1) < OPS_DAMAGE_LINES)
		syslog(LOG_ERR, "a request fails: %s", kt_strerror(NULL, err));
}

void ops_reply(fuse_req_t req, int err)
{
	if (err == -EUCLEAN || err == -EBADMSG || err == -EIO) {
		ops_log_damage(err);
		err = -EIO;
	}
	fuse_reply_err(req, -err);
}

struct fuse_entry_param ops_entry(const struct snapdir_node *in, const struct fs_entry *entry)
{
	/* A snapshot may be deleted, and another one get its name. */
	bool is_snapshot = in->node_bits != 0 && entry->node == FS_ROOT;

	return (struct fuse_entry_param){
		.ino = entry->node != 0 ? in->node_bits | entry->node : 0,
		.attr = entry->stat,
		.attr_timeout = OPS_FOREVER,
		.entry_timeout = is_snapshot ? 0 : OPS_FOREVER,
	};
}

struct fuse_entry_param ops_made(const struct snapdir_node *in, const struct fs_entry *entry)
{
	struct fuse_entry_param param = ops_entry(in, entry);

	if (entry->known)
		param.attr_timeout = OPS_NOT_KEPT;
	return param;
}

struct fs_caller ops_caller(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return (struct fs_caller){.uid = ctx->uid, .gid = ctx->gid, .umask = ctx->umask};
}

/* Answer with an entry; if nobody takes the answer, give its reference back. */
static void reply_entry(fuse_req_t req, const struct fuse_entry_param *param)
{
	struct snapdir *snapdir = ops_context(req)->snapdir;

	if (fuse_reply_entry(req, param) != 0)
		snapdir_forget(snapdir, param->ino, 1);
}

static void reply_made(
	fuse_req_t req, const struct snapdir_node *in, int err, const struct fs_entry *entry)
{
	struct fuse_entry_param param;

	if (err != 0) {
		ops_reply(req, err);
		return;
	}
	param = ops_made(in, entry);
	reply_entry(req, &param);
}

/* @param seconds  that they may be kept for */
static void reply_attr(fuse_req_t req, int err, const struct stat *stat, double seconds)
{
	if (err != 0)
		ops_reply(req, err);
	else
		fuse_reply_attr(req, stat, seconds);
}

/* ---- names ---- */

/* How long a name may be kept that no node stands for: when too much has changed for each name to be
 * told, such names cannot be listed. A kernel that can be told of all names at once keeps them for
 * ever; another asks again. */
static double ops_bare_timeout(fuse_req_t req)
{
	return wire_has_epoch(&ops_context(req)->wire) ? OPS_FOREVER : OPS_BARE_SECONDS;
}

static void lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	const struct fuse_entry_param missing = {.entry_timeout = ops_bare_timeout(req)};
	struct fuse_entry_param param;
	struct fs_entry entry;
	struct snapdir_node in;
	int err = snapdir_lookup(ops_context(req)->snapdir, parent, name, &in, &entry);

	/* That it does not exist may be kept too; not of a snapshot, which may be taken any time.
	 */
	if (err == -ENOENT && !ops_at(req, parent).is_list) {
		fuse_reply_entry(req, &missing);
	} else if (err != 0) {
		ops_reply(req, err);
	} else {
		param = ops_entry(&in, &entry);
		if (entry.stat.st_nlink > 1 && !S_ISDIR(entry.stat.st_mode))
			param.entry_timeout = ops_bare_timeout(req);
		reply_entry(req, &param);
	}
}

static void ops_forget(fuse_req_t req, fuse_ino_t node, uint64_t count)
{
	snapdir_forget(ops_context(req)->snapdir, node, count);
	fuse_reply_none(req);
}

static void forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		snapdir_forget(ops_context(req)->snapdir, forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void mknod_(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	struct fs_caller caller = ops_caller(req);
	struct snapdir_node at = ops_at(req, parent);
	struct fs_entry entry;
	int err = fs_mknod(at.fs, &caller, at.node, name, mode, rdev, &entry);

	reply_made(req, &at, err, &entry);
}

static void mkdir_(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct fs_caller caller = ops_caller(req);
	struct snapdir_node at = ops_at(req, parent);
	struct fs_entry entry;
	int err = fs_mkdir(at.fs, &caller, at.node, name, mode, &entry);

	reply_made(req, &at, err, &entry);
}

static void symlink_(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	struct fs_caller caller = ops_caller(req);
	struct snapdir_node at = ops_at(req, parent);
	struct fs_entry entry;
	int err = fs_symlink(at.fs, &caller, target, at.node, name, &entry);

	reply_made(req, &at, err, &entry);
}

static void readlink_(fuse_req_t req, fuse_ino_t node)
{
	char *target;
	struct snapdir_node at = ops_at(req, node);
	int err = fs_readlink(at.fs, at.node, &target);

	if (err != 0) {
		ops_reply(req, err);
		return;
	}
	fuse_reply_readlink(req, target);
	free(target);
}

static void unlink_(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct snapdir_node at = ops_at(req, parent);

	ops_reply(req, fs_unlink(at.fs, at.node, name));
}

static void rmdir_(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct snapdir_node at = ops_at(req, parent);

	ops_reply(req, fs_rmdir(at.fs, at.node, name));
}

static void rename_(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
	const char *new_name, unsigned flags)
{
	struct snapdir_node from = ops_at(req, parent), to = ops_at(req, new_parent);

	if (from.fs != to.fs)
		ops_reply(req, -EXDEV);
	else
		ops_reply(req, fs_rename(from.fs, from.node, name, to.node, new_name, flags));
}

static void link_(fuse_req_t req, fuse_ino_t node, fuse_ino_t new_parent, const char *new_name)
{
	struct snapdir_node from = ops_at(req, node), at = ops_at(req, new_parent);
	struct fs_entry entry;
	int err = -EXDEV;

	if (from.fs == at.fs)
		err = fs_link(at.fs, from.node, at.node, new_name, &entry);
	reply_made(req, &at, err, &entry);
}

/* ---- attributes ---- */

static void getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct snapdir_node at = ops_at(req, node);
	struct stat stat;

	(void)fi;
	reply_attr(req, fs_getattr(at.fs, at.node, &stat), &stat, OPS_FOREVER);
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

/* When the kernel is about to write to a file that has privileges, it sends this with nothing to
 * set, and the mode in the answer is what it shows from then on. */
static void setattr(
	fuse_req_t req, fuse_ino_t node, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	struct fs_setattr set = translate_setattr(attr, to_set);
	bool drop = set.what == 0 ? ops_caller(req).uid != 0 : wire_now()->drop_suid;
	struct fs_file *file = fi != NULL ? (struct fs_file *)(uintptr_t)fi->fh : NULL;
	struct snapdir_node at = ops_at(req, node);
	struct stat stat;
	int err;

	set.what |= drop ? FS_DROP_SUID : 0;
	err = fs_setattr(at.fs, at.node, file, &set, &stat);

	reply_attr(req, err, &stat, OPS_NOT_KEPT);
}

static void statfs_(fuse_req_t req, fuse_ino_t node)
{
	struct statvfs stat;
	int err = fs_statfs(ops_at(req, 0).fs, &stat);

	(void)node;
	if (err != 0)
		ops_reply(req, err);
	else
		fuse_reply_statfs(req, &stat);
}

/* What is missing here is answered with ENOSYS by libfuse, and the kernel asks once: access (it
 * checks permissions itself), locks (it keeps them itself). */
static const struct fuse_lowlevel_ops table = {
	.init = init,
	.lookup = lookup,
	.forget = ops_forget,
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
	.setxattr = ops_setxattr,
	.getxattr = ops_getxattr,
	.listxattr = ops_listxattr,
	.removexattr = ops_removexattr,
	.create = ops_create,
	.open = ops_open,
	.read = ops_read,
	.write = ops_write,
	.flush = ops_flush,
	.fsync = ops_fsync,
	.release = ops_release,
	.lseek = ops_lseek,
	.fallocate = ops_fallocate,
	.copy_file_range = ops_copy_file_range,
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
