/* The directory a store is mounted on.
 *
 * A mounting process locks the directory below its mount (flock, shared). The kernel drops that
 * lock when the process ends, however it ends. So who has unmounted a directory can wait, on that
 * lock, until the store is flushed and free.
 */
#ifndef MOUNT_MOUNTPOINT_H
#define MOUNT_MOUNTPOINT_H

#include "attach.h"

struct mountpoint {
	char *path; /* absolute, without symbolic links */
};

/** Get a directory ready to be mounted on. A dead mount of ours there is taken off.
 *  @param dir      as the user named it
 *  @param ret_why  on failure the reason
 *  @return 0; -ENOENT; -ENOTDIR; -EBUSY something is mounted there; or another -errno */
int mountpoint_open(const char *dir, struct mountpoint *ret_point, struct attach_why *ret_why);

/** Free what is known of the directory. It stays locked to the end of the process. */
void mountpoint_close(struct mountpoint *point);

/** Unmount the store mounted on a directory and wait until its process has flushed and closed it.
 *  @param ret_why  on failure the reason
 *  @return 0; -EINVAL no store is mounted there; -EBUSY files in it are open; or another -errno */
int mountpoint_unmount(const char *dir, struct attach_why *ret_why);

#endif
