/* A mount whose process was killed and cannot end.
 *
 * A thread that tells the kernel about changes may wait, in the kernel, for a page that a client
 * holds, while the client waits for an answer of the same process. Not even SIGKILL ends that wait,
 * and the kernel ends the connection only with the last thread. So somebody else has to: whoever
 * touches the mount before that waits for ever as well.
 */
#ifndef MOUNT_SYSTEM_DYING_H
#define MOUNT_SYSTEM_DYING_H

#include "mount/system/mountinfo.h"

#include <stdbool.h>

/** Was the process of a mount killed, and has a thread that did not end? It is known by
 *  /proc/PID/fdinfo (Linux 6.17); false where that may not be read. No file in the mount is touched.
 *  @param info  a FUSE mount; borrowed */
bool dying_is(const struct mountinfo *info);

/** End the connection of a mount: whoever waits for it gets an error, and the process ends. It may
 *  be unmounted by that as well.
 *  @param info  a FUSE mount; borrowed
 *  @return 0; -EPERM only root may, where fusectl is not mounted; or another -errno */
int dying_abort(const struct mountinfo *info);

#endif
