/* The kernel keeps what it is told for ever; this tells it what other writers have changed, and
 * what it is about to ask for.
 *
 *     another process commits -> waiter (keytree.h) -> fs_invalidate() -> fuse_lowlevel_notify_...()
 *     a file is read -> kernel_notify_prefetch() -> fs_prefetch() -> wire_store()
 *
 * One thread does it, which serves no request and holds no lock: a notice may wait for the kernel,
 * and the kernel for a request to be answered. Both are for one thread: a value must not arrive
 * behind the notice that it is not true any more. Own commits wake nobody. Names are only made to
 * expire: the next use asks again, and nobody loses a working directory.
 */
#ifndef MOUNT_FUSE_KERNEL_NOTIFY_H
#define MOUNT_FUSE_KERNEL_NOTIFY_H

struct kernel_notify;
struct fs;
struct fuse_session;
struct kt_store;
struct ops_context;

/** Begin to remember what others change. To be called before the kernel asks for anything.
 *  @param store  borrowed until kernel_notify_close(); NULL: nobody changes what is shown
 *  @param fs     the same; its nodes are those of the kernel
 *  @param ret_notify  end with kernel_notify_close()
 *  @return 0 or -errno */
int kernel_notify_open(struct kt_store *store, struct fs *fs, struct kernel_notify **ret_notify);

/** Begin to tell the kernel.
 *  @param fuse     borrowed until kernel_notify_stop()
 *  @param context  the same; where to write and to count
 *  @return 0 or -errno */
int kernel_notify_start(
	struct kernel_notify *notify, struct fuse_session *fuse, struct ops_context *context);

/** Have values sent ahead that have become due. Waits for nothing. */
void kernel_notify_prefetch(struct kernel_notify *notify);

/** Tell the kernel no more. The mount has ended, or its requests are still served. */
void kernel_notify_stop(struct kernel_notify *notify);

/** @param notify  taken; NULL is allowed */
void kernel_notify_close(struct kernel_notify *notify);

#endif
