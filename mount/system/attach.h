/* Putting a mount on a directory and taking it off: mount(2) and umount(2) for those who may,
 * fusermount3 for everybody else. */
#ifndef MOUNT_SYSTEM_ATTACH_H
#define MOUNT_SYSTEM_ATTACH_H

#include <stdbool.h>

/** Why something failed, in words. */
struct attach_why {
	char text[512];
};

/** File system type as mountinfo and mount(8) show it. */
#define ATTACH_TYPE "fuse.keytree"

struct attach_options {
	const char *dir;    /* absolute path of the directory to mount on */
	const char *source; /* shown as what is mounted there */
	bool read_only;
	bool allow_other; /* let other users in */
	bool no_exec;	  /* programs in it cannot be run */
};

/** Mount.
 *  @param ret_fd   descriptor for the kernel's requests, non-blocking
 *  @param ret_why  on failure the reason
 *  @return 0 or -errno */
int attach_mount(const struct attach_options *options, int *ret_fd, struct attach_why *ret_why);

/** Unmount.
 *  @param lazy     take the mount out of the tree even if files in it are open
 *  @param ret_why  on failure the reason
 *  @return 0; -EBUSY files in it are open; or another -errno */
int attach_unmount(const char *dir, bool lazy, struct attach_why *ret_why);

#endif
