/* Extended attributes. */
#include "mount/fuse/ops_reply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Is it one that the file system does not know (counts.h)? */
static bool is_own(fuse_ino_t node, const char *name)
{
	return node == FUSE_ROOT_ID &&
	       (strcmp(name, COUNTS_XATTR) == 0 || strcmp(name, COUNTS_TOLD_XATTR) == 0);
}

void ops_setxattr(fuse_req_t req, fuse_ino_t node, const char *name, const char *value, size_t size,
	int flags)
{
	struct snapdir_node at = ops_at(req, node);
	unsigned drop = wire_now()->drop_suid ? FS_XATTR_DROP_SGID : 0;

	if (is_own(node, name))
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

static int counts_value(fuse_req_t req, char *ret_text, size_t *ret_size)
{
	uid_t uid = ops_caller(req).uid;

	if (uid != 0 && uid != geteuid())
		return -ENODATA;
	*ret_size = counts_text(&ops_context(req)->counts, ret_text);
	return 0;
}

static int told_value(fuse_req_t req, char *ret_text, size_t *ret_size)
{
	const struct ops_context *context = ops_context(req);

	if (context->kernel_notify == NULL)
		return -ENODATA;
	*ret_size = (size_t)snprintf(ret_text, COUNTS_TEXT_SIZE, "%llu",
		(unsigned long long)fs_told(ops_at(req, FUSE_ROOT_ID).fs));
	return 0;
}

static void reply_own(fuse_req_t req, const char *name, size_t size)
{
	bool counts = strcmp(name, COUNTS_XATTR) == 0;
	char text[COUNTS_TEXT_SIZE];
	size_t got = 0;
	int err = (counts ? counts_value : told_value)(req, text, &got);

	if (!err && size > 0 && size < got)
		err = -ERANGE;
	reply_bytes(req, err, text, size, got);
}

void ops_getxattr(fuse_req_t req, fuse_ino_t node, const char *name, size_t size)
{
	struct snapdir_node at = ops_at(req, node);
	char *buf;
	size_t got = 0;
	int err;

	if (is_own(node, name)) {
		reply_own(req, name, size);
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
