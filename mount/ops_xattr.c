/* Extended attributes. */
#include "ops_reply.h"

#include <errno.h>
#include <stdlib.h>

void ops_setxattr(fuse_req_t req, fuse_ino_t node, const char *name, const char *value, size_t size,
	int flags)
{
	struct view_node at = ops_at(req, node);
	unsigned drop = wire_now()->drop_suid ? FS_XATTR_DROP_SGID : 0;

	ops_reply(req, fs_setxattr(at.fs, at.node, name, value, size, (unsigned)flags | drop));
}

void ops_removexattr(fuse_req_t req, fuse_ino_t node, const char *name)
{
	struct view_node at = ops_at(req, node);

	ops_reply(req, fs_removexattr(at.fs, at.node, name));
}

/* Answer with bytes, or, if none were asked for, with how many there are. */
static void reply_bytes(fuse_req_t req, int err, const char *buf, size_t size, size_t got)
{
	if (err != 0)
		ops_reply(req, err);
	else if (size == 0)
		fuse_reply_xattr(req, got);
	else
		fuse_reply_buf(req, buf, got);
}

void ops_getxattr(fuse_req_t req, fuse_ino_t node, const char *name, size_t size)
{
	struct view_node at = ops_at(req, node);
	char *buf = size > 0 ? malloc(size) : NULL;
	size_t got = 0;
	int err = size > 0 && buf == NULL ? -ENOMEM
					  : fs_getxattr(at.fs, at.node, name, buf, size, &got);

	reply_bytes(req, err, buf, size, got);
	free(buf);
}

void ops_listxattr(fuse_req_t req, fuse_ino_t node, size_t size)
{
	struct view_node at = ops_at(req, node);
	struct fs_caller caller = ops_caller(req);
	char *buf = size > 0 ? malloc(size) : NULL;
	size_t got = 0;
	int err = size > 0 && buf == NULL ? -ENOMEM
					  : fs_listxattr(at.fs, &caller, at.node, buf, size, &got);

	reply_bytes(req, err, buf, size, got);
	free(buf);
}
