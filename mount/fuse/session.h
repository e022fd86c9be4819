/* A mount being served: from mount(2) to the last reply.
 *
 * Requests are received by the program's own loop, which was measured 2 to 4 times faster than the
 * library's: one thread per CPU (2 to 4), pinned, each with
 *
 *     epoll_wait(fuse, stop)
 *     read(fuse)  got one:  process it, which replies
 *                 EAGAIN:   another thread has it
 *                 ENODEV:   unmounted; stop the others too
 *
 * A request so is served on the CPU of the client that waits for it. All threads wake up for it,
 * but one that comes too late mostly finds out within the kernel, and sleeps on. The thread that
 * calls session_wait() serves none: it waits for a signal or for the end of the mount.
 *
 * The folder, in reading order:
 *
 *     session        receiving requests
 *     ops            an answer to each: ops_dir, ops_file, ops_xattr; ops_reply what they share
 *     wire           what libfuse does not pass on
 *     kernel_notify  invalidating what the kernel caches after foreign changes
 *     counts         requests that came, and that were avoided
 */
#ifndef MOUNT_FUSE_SESSION_H
#define MOUNT_FUSE_SESSION_H

#include "mount/system/attach.h"
#include "mount/fuse/ops.h"

struct kernel_notify;
struct session;

/** Hold back the signals that end a mount, for session_wait(). Call it while the process has one
 *  thread, before anything else is started. */
void session_block_signals(void);

/** Mount, and begin to serve.
 *  @param attach   where; borrowed until session_close()
 *  @param context  for the operations; borrowed likewise
 *  @param debug    print each request on standard error
 *  @param ret_session  end with session_close()
 *  @param ret_why  on failure the reason
 *  @return 0 or -errno; on failure nothing stays mounted */
int session_open(const struct attach_options *attach, struct ops_context *context, bool debug,
	struct session **ret_session, struct attach_why *ret_why);

/** What notices to the kernel are sent through. */
struct fuse_session *session_fuse(const struct session *session);

/** Serve until the directory is unmounted, or until SIGTERM, SIGINT or SIGHUP: then unmount it,
 *  if need be while files in it are open. When it returns, no request is being served.
 *  @param notify  stopped while requests are still served */
void session_wait(struct session *session, struct kernel_notify *notify);

/** End. @param session  taken; NULL is allowed */
void session_close(struct session *session);

#endif
