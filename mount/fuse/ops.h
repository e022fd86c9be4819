/* Each request of the kernel, answered by the file system: the only place where libfuse's types and
 * fs.h meet.
 *
 * The kernel may keep everything it is told for ever: names, names that do not exist, attributes,
 * file contents and listings. It invalidates by itself what its own requests change, and is told
 * what others do (kernel_notify.h). Every request is answered exactly once, by the handler that got it.
 *
 *     ops.c        agreement on features; names and attributes
 *     ops_xattr.c  extended attributes
 *     ops_file.c   open files
 *     ops_dir.c    open directories
 */
#ifndef MOUNT_FUSE_OPS_H
#define MOUNT_FUSE_OPS_H

#define FUSE_USE_VERSION 314
#include "mount/fuse/counts.h"
#include "mount/fuse/wire.h"

#include <fuse_lowlevel.h>
#include <stdbool.h>

struct kernel_notify;
struct snapdir;

/** Largest write the kernel sends in one request, and largest read it asks for. */
#define OPS_MAX_WRITE ((size_t)1024 * 1024)

/** What the handlers work on: the user data of the session. */
struct ops_context {
	struct snapdir *snapdir;
	dev_t dev;	/* of the mount */
	bool read_only; /* the kernel then opens files and directories without asking */
	struct kernel_notify *kernel_notify;
	struct wire wire;
	struct counts counts;
};

/** The handlers, for fuse_session_new(). */
const struct fuse_lowlevel_ops *ops_table(void);

/** Free what the handlers keep for the calling thread, which serves no more. */
void ops_end_thread(void);

#endif
