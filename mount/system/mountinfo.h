/* What the kernel says is mounted at a directory (/proc/self/mountinfo). */
#ifndef MOUNT_SYSTEM_MOUNTINFO_H
#define MOUNT_SYSTEM_MOUNTINFO_H

#include <sys/types.h>

/** One mount. */
struct mountinfo {
	long id;      /* of this mount at this place; no other one of any namespace has it */
	dev_t dev;    /* device number of its files */
	char *dir;    /* where it is; absolute, without symbolic links; owned */
	char *type;   /* file system type, for instance fuse.keytree; owned */
	char *source; /* what is mounted; owned */
};

/** Receives a mount. @param info  borrowed during the call @return 0; another value ends the list
 */
typedef int mountinfo_fn(void *arg, const struct mountinfo *info);

/** List all mounts, those on top of others after these.
 *  @return 0; what fn has returned; or why the list could not be read */
int mountinfo_each(mountinfo_fn *fn, void *arg);

/** Find a process of another mount namespace that still has a mount which was taken off in ours, or
 *  an earlier one of the same type on the same directory. Processes that may not be asked are passed
 *  over.
 *  @param gone     the mount, which is not in our namespace any more; borrowed
 *  @param ret_pid  the process
 *  @return 0; -ENOENT there is none */
int mountinfo_find_elsewhere(const struct mountinfo *gone, pid_t *ret_pid);

/** Find what is mounted at a directory; of several, the one on top.
 *  @param dir       absolute, without symbolic links
 *  @param ret_info  end with mountinfo_fini()
 *  @return 0; -ENOENT nothing is; or why the list could not be read */
int mountinfo_find(const char *dir, struct mountinfo *ret_info);

void mountinfo_fini(struct mountinfo *info);

#endif
