/* Extended attributes. */
#include "mount/fuse/ops_reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Is it the one that the file system does not know (counts.h)? */
static bool is_counts(fuse_ino_t node, const char *name)
{
	return node == FUSE_ROOT_ID && strcmp(name, COUNTS_XATTR) == 0;
}

void ops_setxattr(fuse_req_t req, fuse_ino_t node, const char *name, const char *value, size_t size,
	int flags)
{
	struct snapdir_node at = ops_at(req, node);
	unsigned drop = wire_now()->drop_suid ? FS_XATTR_DROP_SGID : 0;

	if (is_counts(node, name))
		ops_reply(req, -EPERM);
	else
		ops_reply(req,
			fs_setxattr(at.fs, at.node, name, value, size, (unsigned)flags | drop));
}

void ops_removexattr(fuse_req_t req, fuse_ino_t node, const char *name)
{
	struct snapdir_node at = ops_at(req, node);

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

/* The counts, for whom the mount is and for root. */
static void reply_counts(fuse_req_t req, size_t size)
{
	uid_t uid = ops_caller(req).uid;
	char text[COUNTS_TEXT_SIZE];
	size_t got = counts_text(&ops_context(req)->counts, text);
	int err = size > 0 && size < got ? -ERANGE : 0;

	reply_bytes(req, uid == 0 || uid == geteuid() ? err : -ENODATA, text, size, got);
}

void ops_getxattr(fuse_req_t req, fuse_ino_t node, const char *name, size_t size)
{
	struct snapdir_node at = ops_at(req, node);
	char *buf;
	size_t got = 0;
	int err;

	if (is_counts(node, name)) {
		reply_counts(req, size);
		return;
	}
	buf = size > 0 ? malloc(size) : NULL;
	err = size > 0 && buf == NULL ? -ENOMEM
				      : fs_getxattr(at.fs, at.node, name, buf, size, &got);

	reply_bytes(req, err, buf, size, got);
	free(buf);
}

void ops_listxattr(fuse_req_t req, fuse_ino_t node, size_t size)
{
	struct snapdir_node at = ops_at(req, node);
	struct fs_caller caller = ops_caller(req);
	char *buf = size > 0 ? malloc(size) : NULL;
	size_t got = 0;
	int err = size > 0 && buf == NULL ? -ENOMEM
					  : fs_listxattr(at.fs, &caller, at.node, buf, size, &got);

	reply_bytes(req, err, buf, size, got);
	free(buf);
}
