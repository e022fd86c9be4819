/* The directory a store is mounted on.
 *
 * A mounting process locks the directory below its mount (flock, shared). The kernel drops that
 * lock when the process ends, however it ends. So who has unmounted a directory can wait, on that
 * lock, until the store is flushed and free.
 *
 * The main header of the folder, which in reading order has:
 *
 *     mount_options  the words behind mount -o
 *     mountpoint     the directory of a mount; mountinfo what the kernel says of it
 *     dying          a mount whose process was killed and cannot end; proc asks /proc
 *     attach         mount(2), umount(2) and fusermount3
 *     daemonize      going to the background; sd_notify tells the service manager
 *     stdio, target  standard descriptors; files that commands write
 */
#ifndef MOUNT_SYSTEM_MOUNTPOINT_H
#define MOUNT_SYSTEM_MOUNTPOINT_H

#include "mount/system/attach.h"

/** Told what the user should know meanwhile. */
typedef void mountpoint_tell_fn(const char *dir, const char *what);

/** Get a directory ready to be mounted on: take a dead mount of ours off, and lock it to the end of
 *  the process.
 *  @param dir       as the user named it
 *  @param tell      called if the process of the mount was killed and could not end (dying.h)
 *  @param ret_path  absolute, without symbolic links; returned, free with free()
 *  @param ret_why   on failure the reason
 *  @return 0; -ENOENT; -ENOTDIR; -EBUSY something is mounted there; or another -errno */
int mountpoint_take(
	const char *dir, mountpoint_tell_fn *tell, char **ret_path, struct attach_why *ret_why);

/** Unmount the store mounted on a directory and wait until its process has flushed and closed it.
 *  @param tell     called once after a second of waiting, and as by mountpoint_take()
 *  @param ret_why  on failure the reason
 *  @return 0; -EINVAL no store is mounted there; -EBUSY files in it are open, or it is unmounted
 *          here, but a process of another mount namespace keeps it; or another -errno */
int mountpoint_unmount(const char *dir, mountpoint_tell_fn *tell, struct attach_why *ret_why);

#endif
