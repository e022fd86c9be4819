/* What the handlers share: from libfuse's request to the file system, and back. */
#ifndef MOUNT_FUSE_OPS_REPLY_H
#define MOUNT_FUSE_OPS_REPLY_H

#include "mount/fuse/ops.h"

#include "fs/snapshots/snapdir.h"

/** How long the kernel may keep what it is told, in seconds: for ever. */
#define OPS_FOREVER 1e9

/** And a name that nothing can be told of by itself, where the kernel has no way to forget all. */
#define OPS_BARE_SECONDS 1.0

/** And attributes in the answer to a change of a file that it knows: it is to ask for them. Of
 * those that it has asked for, the kernel can tell whether it was told meanwhile that they are not
 * true any more. These it would take, and never ask again. */
#define OPS_NOT_KEPT 0.0

static inline struct ops_context *ops_context(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/** The node of a request, taken apart. The kernel names only nodes that it was given; of any other
 *  there is nothing to be found in the present. */
static inline struct snapdir_node ops_at(fuse_req_t req, fuse_ino_t number)
{
	struct snapdir_node at;

	if (snapdir_resolve(ops_context(req)->snapdir, number, &at) != 0)
		snapdir_resolve(ops_context(req)->snapdir, 0, &at);
	return at;
}

/** Write a line on damage of the store, or of its disk, to the system's log; not too many. */
void ops_log_damage(int err);

/** Answer with success or an error. Damage of the store is EIO, as a local file system has it, and is
 *  written to the system's log.
 *  @param err  0 or -errno */
void ops_reply(fuse_req_t req, int err);

/** What the kernel is told of an entry that it asked for. @param in  a node of the same file system
 */
struct fuse_entry_param ops_entry(const struct snapdir_node *in, const struct fs_entry *entry);

/** And of one that was made, or opened when it was to be made. */
struct fuse_entry_param ops_made(const struct snapdir_node *in, const struct fs_entry *entry);

/** Who sent the request. */
struct fs_caller ops_caller(fuse_req_t req);

/* Handlers in ops_file.c. */
void ops_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	struct fuse_file_info *fi);
void ops_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void ops_read(
	fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *fi);
void ops_write(fuse_req_t req, fuse_ino_t node, const char *data, size_t size, off_t offset,
	struct fuse_file_info *fi);
void ops_flush(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void ops_fsync(fuse_req_t req, fuse_ino_t node, int data_only, struct fuse_file_info *fi);
void ops_lseek(
	fuse_req_t req, fuse_ino_t node, off_t offset, int whence, struct fuse_file_info *fi);
void ops_fallocate(fuse_req_t req, fuse_ino_t node, int mode, off_t offset, off_t size,
	struct fuse_file_info *fi);
void ops_copy_file_range(fuse_req_t req, fuse_ino_t node, off_t offset, struct fuse_file_info *fi,
	fuse_ino_t to_node, off_t to_offset, struct fuse_file_info *to_fi, size_t size, int flags);
void ops_release(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);

/* Handlers in ops_xattr.c. */
void ops_setxattr(fuse_req_t req, fuse_ino_t node, const char *name, const char *value, size_t size,
	int flags);
void ops_getxattr(fuse_req_t req, fuse_ino_t node, const char *name, size_t size);
void ops_listxattr(fuse_req_t req, fuse_ino_t node, size_t size);
void ops_removexattr(fuse_req_t req, fuse_ino_t node, const char *name);

/* Handlers in ops_dir.c. */
void ops_opendir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void ops_readdir(
	fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *fi);
void ops_readdirplus(
	fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *fi);
void ops_releasedir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void ops_fsyncdir(fuse_req_t req, fuse_ino_t node, int data_only, struct fuse_file_info *fi);

#endif
