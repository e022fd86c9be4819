/* Open files. A writable mount answers OPEN, so that FLUSH and RELEASE arrive: a FLUSH publishes
 * what was written in time for close(2) to report an error. In a read-only mount ENOSYS makes the
 * kernel stop asking for OPEN and FLUSH, and a read names no handle. */
#include "mount/fuse/kernel_notify.h"
#include "mount/fuse/ops_reply.h"
#include "mount/system/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

static struct fs_file *file_of(const struct fuse_file_info *fi)
{
	return (struct fs_file *)(uintptr_t)fi->fh;
}

/* Without the kernel's cache each read(2) is one request, up to OPS_MAX_WRITE. */
static void set_file(fuse_req_t req, struct fuse_file_info *fi, struct fs_file *file)
{
	fi->fh = (uintptr_t)file;
	fi->keep_cache = 1;
	fi->direct_io = ops_context(req)->wire.maps_direct && fs_is_contested(file);
	fi->noflush = (fi->flags & O_ACCMODE) == O_RDONLY;
}

void ops_create(
	fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct snapdir_node at = ops_at(req, parent);
	struct fs_caller caller = ops_caller(req);
	struct fuse_entry_param param;
	struct fs_entry entry;
	struct fs_file *file;
	int err =
		wire_now()->tmpfile
			? fs_tmpfile(at.fs, &caller, at.node, mode, fi->flags, &entry, &file)
			: fs_create(at.fs, &caller, at.node, name, mode, fi->flags, &entry, &file);

	if (err != 0) {
		ops_reply(req, err);
		return;
	}
	set_file(req, fi, file);
	param = ops_made(&at, &entry);
	if (fuse_reply_create(req, &param, fi) != 0) { /* nobody waits for it any more */
		fs_release(at.fs, file);
		fs_forget(at.fs, entry.node, 1);
	}
}

struct ahead {
	struct ops_context *context;
	fuse_ino_t node;
};

static void ops_prefetch(void *arg, const void *value, size_t size)
{
	const struct ahead *ahead = arg;

	counts_add(&ahead->context->counts.ahead);
	wire_store(&ahead->context->wire, ahead->node, value, size);
}

/* A small value goes to the kernel before the answer: then there is nothing to read, and no access
 * after which the kernel would ask for the time of it. */
void ops_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct ahead ahead = {ops_context(req), node};
	struct snapdir_node at = ops_at(req, node);
	struct fs_file *file;
	int err = -ENOSYS;

	if (!ops_context(req)->read_only)
		err = fs_open_prefetch(at.fs, at.node, fi->flags, ops_prefetch, &ahead, &file);
	if (!err && (fi->flags & O_TRUNC))
		fs_drop_privileges(at.fs, at.node, wire_now()->drop_suid);
	if (err != 0) {
		ops_reply(req, err);
		return;
	}
	set_file(req, fi, file);
	if (fuse_reply_open(req, fi) != 0)
		fs_release(at.fs, file);
}

/* For one read; made when a thread serves its first one. */
static _Thread_local char *read_buffer;

void ops_end_thread(void)
{
	free(read_buffer);
	read_buffer = NULL;
}

/* Values are sent ahead in what is mounted, not in the snapshots that are looked at beside it. */
void ops_read(fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct kernel_notify *notify = ops_context(req)->kernel_notify;
	struct snapdir_node at = ops_at(req, node);
	struct fs_file *file = file_of(fi);
	bool due = false;
	size_t got = 0;
	int err;

	if (read_buffer == NULL)
		read_buffer = malloc(OPS_MAX_WRITE);
	err = read_buffer != NULL ? 0 : -ENOMEM;
	if (size > OPS_MAX_WRITE)
		size = OPS_MAX_WRITE;
	if (!err)
		err = file != NULL
			      ? fs_read(at.fs, file, offset, read_buffer, size, &got)
			      : fs_read_node(at.fs, at.node, offset, read_buffer, size, &got, &due);
	if (err != 0)
		ops_reply(req, err);
	else
		fuse_reply_buf(req, read_buffer, got);
	if (due && at.node_bits == 0)
		kernel_notify_prefetch(notify);
}

/* The flags are those of the descriptor now. But pages of a map come with any descriptor of the
 * file, and belong where they are. */
void ops_write(fuse_req_t req, fuse_ino_t node, const char *data, size_t size, off_t offset,
	struct fuse_file_info *fi)
{
	bool append = (fi->flags & O_APPEND) && !fi->writepage;
	struct snapdir_node at = ops_at(req, node);
	int err = fs_drop_privileges(at.fs, at.node, wire_now()->drop_suid);

	if (!err)
		err = append ? fs_append(at.fs, file_of(fi), data, size)
			     : fs_write(at.fs, file_of(fi), offset, data, size);
	if (err != 0)
		ops_reply(req, err);
	else
		fuse_reply_write(req, size);
}

/* Has the process that closes a descriptor another one of the file? It has copied the one that is
 * closed, as a shell does for `command > file`. */
static bool has_copy(fuse_req_t req, const struct snapdir_node *at)
{
	struct stat stat;

	return fs_getattr(at->fs, at->node, &stat) == 0 &&
	       proc_has_open(fuse_req_ctx(req)->pid, ops_context(req)->dev, stat.st_ino);
}

void ops_flush(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct snapdir_node at = ops_at(req, node);
	struct fs_file *file = file_of(fi);

	if (ops_context(req)->read_only)
		ops_reply(req, -ENOSYS);
	else if (fs_is_unwritten(at.fs, file) && !has_copy(req, &at))
		ops_reply(req, fs_flush_unwritten(at.fs, file));
	else
		ops_reply(req, fs_flush(at.fs, file));
}

void ops_fsync(fuse_req_t req, fuse_ino_t node, int data_only, struct fuse_file_info *fi)
{
	(void)data_only;
	ops_reply(req, fs_fsync(ops_at(req, node).fs, file_of(fi)));
}

void ops_lseek(fuse_req_t req, fuse_ino_t node, off_t offset, int whence, struct fuse_file_info *fi)
{
	struct snapdir_node at = ops_at(req, node);
	struct fs_file *file = file_of(fi);
	off_t found;
	int err = 0;

	if (file == NULL)
		err = fs_open_file(at.fs, at.node, O_RDONLY, &file);
	if (!err)
		err = fs_lseek(at.fs, file, offset, whence, &found);
	if (err != 0)
		ops_reply(req, err);
	else
		fuse_reply_lseek(req, found);
	if (file_of(fi) == NULL && file != NULL)
		fs_release(at.fs, file);
}

void ops_fallocate(fuse_req_t req, fuse_ino_t node, int mode, off_t offset, off_t size,
	struct fuse_file_info *fi)
{
	ops_reply(req, fs_fallocate(ops_at(req, node).fs, file_of(fi), mode, offset, size));
}

/* Between the present and a snapshot the kernel copies by itself. */
void ops_copy_file_range(fuse_req_t req, fuse_ino_t node, off_t offset, struct fuse_file_info *fi,
	fuse_ino_t to_node, off_t to_offset, struct fuse_file_info *to_fi, size_t size, int flags)
{
	struct snapdir_node from = ops_at(req, node), to = ops_at(req, to_node);
	size_t copied;
	int err = -EXDEV;

	(void)flags;
	if (from.fs == to.fs)
		err = fs_copy(
			from.fs, file_of(fi), offset, file_of(to_fi), to_offset, size, &copied);
	if (err != 0)
		ops_reply(req, err);
	else
		fuse_reply_write(req, copied);
}

void ops_release(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct fs *fs = ops_at(req, node).fs;

	if (file_of(fi) != NULL) {
		if ((fi->flags & O_ACCMODE) == O_RDONLY && !fs_was_read(fs, file_of(fi)))
			counts_add(&ops_context(req)->counts.unread);
		fs_release(fs, file_of(fi));
	}
	ops_reply(req, 0);
}
