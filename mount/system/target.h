/* A file that a command writes under a name that the user gave, as users expect of a name.
 *
 * A regular file is replaced when its new content is complete and on the disk, and keeps owner and
 * mode. A symbolic link is followed, not replaced. What is no regular file (a device, a pipe) is
 * written to as it is.
 */
#ifndef MOUNT_SYSTEM_TARGET_H
#define MOUNT_SYSTEM_TARGET_H

#include <stdbool.h>
#include <sys/types.h>

/** A file that is being written. */
struct target {
	char *path;	 /* without symbolic links at its end; owned */
	char *temporary; /* what is written to until it is complete; NULL: path itself; owned */
	int fd;
	bool replaces; /* there is a regular file of that name */
	uid_t uid;     /* of the file that is replaced, as are the next two */
	gid_t gid;
	mode_t mode;
};

/** Begin to write.
 *  @param path        as the user named it; borrowed
 *  @param ret_target  end with target_commit() or target_discard()
 *  @return 0; any errno of open(2) */
int target_open(const char *path, struct target *ret_target);

/** The content is complete: bring it to the disk and give it its name.
 *  @param target  taken, whatever is returned
 *  @return 0; or why the content is not there, and what had the name still has it */
int target_commit(struct target *target);

/** Drop what was written. @param target  taken */
void target_discard(struct target *target);

/** Where does a name lead?
 *  @param path      borrowed
 *  @param ret_path  the same file, without a symbolic link at its end; free with free()
 *  @param ret_special  it is a device or a pipe
 *  @return 0, also where there is no file of that name; any errno of stat(2) */
int target_resolve(const char *path, char **ret_path, bool *ret_special);

#endif
