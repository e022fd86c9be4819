#include "mount/fuse/counts.h"

#include "fs/fs.h"

#include <assert.h>
#include <linux/fuse.h>
#include <stdio.h>

/* As they are called outside; those that the kernel sends once, to hear that they are not needed,
 * are not told apart. */
static const char *const request_names[COUNTS_REQUESTS] = {
	[0] = "other",
	[FUSE_INIT] = "init",
	[FUSE_LOOKUP] = "lookup",
	[FUSE_FORGET] = "forget",
	[FUSE_BATCH_FORGET] = "batch_forget",
	[FUSE_GETATTR] = "getattr",
	[FUSE_SETATTR] = "setattr",
	[FUSE_READLINK] = "readlink",
	[FUSE_SYMLINK] = "symlink",
	[FUSE_MKNOD] = "mknod",
	[FUSE_MKDIR] = "mkdir",
	[FUSE_UNLINK] = "unlink",
	[FUSE_RMDIR] = "rmdir",
	[FUSE_RENAME] = "rename",
	[FUSE_RENAME2] = "rename2",
	[FUSE_LINK] = "link",
	[FUSE_CREATE] = "create",
	[FUSE_TMPFILE] = "tmpfile",
	[FUSE_OPEN] = "open",
	[FUSE_READ] = "read",
	[FUSE_WRITE] = "write",
	[FUSE_FLUSH] = "flush",
	[FUSE_FSYNC] = "fsync",
	[FUSE_RELEASE] = "release",
	[FUSE_LSEEK] = "lseek",
	[FUSE_FALLOCATE] = "fallocate",
	[FUSE_COPY_FILE_RANGE] = "copy_file_range",
	[FUSE_OPENDIR] = "opendir",
	[FUSE_READDIR] = "readdir",
	[FUSE_READDIRPLUS] = "readdirplus",
	[FUSE_RELEASEDIR] = "releasedir",
	[FUSE_FSYNCDIR] = "fsyncdir",
	[FUSE_SETXATTR] = "setxattr",
	[FUSE_GETXATTR] = "getxattr",
	[FUSE_LISTXATTR] = "listxattr",
	[FUSE_REMOVEXATTR] = "removexattr",
	[FUSE_STATFS] = "statfs",
	[FUSE_INTERRUPT] = "interrupt",
};

static const char *const told_names[COUNTS_TOLD] = {
	[FS_INVALIDATE_NAME] = "name",
	[FS_INVALIDATE_LISTING] = "listing",
	[FS_INVALIDATE_ATTR] = "attributes",
	[FS_INVALIDATE_DATA] = "content",
	[FS_INVALIDATE_NAMES] = "all",
};

void counts_request(struct counts *counts, const void *mem, size_t size)
{
	const struct fuse_in_header *header = mem;
	uint32_t kind = size >= sizeof(*header) ? header->opcode : 0;

	if (kind >= COUNTS_REQUESTS || request_names[kind] == NULL)
		kind = 0;
	counts_add(&counts->requests[kind]);
}

/* A text in the making. */
struct text {
	char *buf;
	size_t used;
};

static void add_line(
	struct text *text, const char *group, const char *kind, const atomic_ullong *count)
{
	size_t room = COUNTS_TEXT_SIZE - text->used;
	int length = snprintf(text->buf + text->used, room, "%s %s %llu\n", group, kind,
		atomic_load_explicit(count, memory_order_relaxed));

	assert(length > 0 && (size_t)length < room);
	text->used += (size_t)length;
}

size_t counts_text(const struct counts *counts, char ret_text[COUNTS_TEXT_SIZE])
{
	struct text text = {.buf = ret_text};

	for (size_t i = 0; i < COUNTS_REQUESTS; i++) {
		if (request_names[i] != NULL)
			add_line(&text, "requests", request_names[i], &counts->requests[i]);
	}
	add_line(&text, "opens", "ahead", &counts->ahead);
	add_line(&text, "opens", "unread", &counts->unread);
	add_line(&text, "reads", "ahead", &counts->sent);
	for (size_t i = 0; i < COUNTS_TOLD; i++)
		add_line(&text, "told", told_names[i], &counts->told[i]);
	return text.used;
}
