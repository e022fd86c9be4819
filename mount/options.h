/* The words behind mount -o. */
#ifndef MOUNT_OPTIONS_H
#define MOUNT_OPTIONS_H

#include <stdbool.h>
#include <sys/types.h>

struct options {
	bool read_only;
	bool allow_other;
	uid_t uid; /* of entries without an owner of their own */
	gid_t gid;
	mode_t umask;		 /* bits missing in modes of entries without a mode of their own */
	unsigned commit_seconds; /* changes reach the disk within so many seconds */
};

/** The options of a mount that names none. */
void options_init(struct options *options);

/** Take a list like "ro,uid=1000". Later words win.
 *  @param list       cut up
 *  @param ret_wrong  on failure the word that is wrong; points into list
 *  @return 0; -EINVAL */
int options_parse(struct options *options, char *list, const char **ret_wrong);

#endif
