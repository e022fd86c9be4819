/* What the handlers share: from libfuse's request to the file system, and back. */
#ifndef MOUNT_OPS_REPLY_H
#define MOUNT_OPS_REPLY_H

#include "ops.h"

#include "fs.h"

/** How long the kernel may keep what it is told, in seconds: for ever. */
#define OPS_FOREVER 1e9

static inline const struct ops_context *ops_context(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static inline struct fs *ops_fs(fuse_req_t req)
{
	return ops_context(req)->fs;
}

/** Answer with success or an error. @param err  0 or -errno */
static inline void ops_reply(fuse_req_t req, int err)
{
	fuse_reply_err(req, -err);
}

/** What the kernel is told of an entry. */
struct fuse_entry_param ops_entry(const struct fs_entry *entry);

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
void ops_release(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);

/* Handlers in ops_dir.c. */
void ops_opendir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void ops_readdir(
	fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *fi);
void ops_readdirplus(
	fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *fi);
void ops_releasedir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void ops_fsyncdir(fuse_req_t req, fuse_ino_t node, int data_only, struct fuse_file_info *fi);

#endif
