/* All that a mount shows, as text with a line for each name: to be compared with what another mount
 * of the store shows. */
#ifndef TESTS_MOUNT_VIEW_H
#define TESTS_MOUNT_VIEW_H

#include "support.h"

#include <stdio.h>
#include <sys/stat.h>

#define VIEW_INODES_MAX 50000

struct view {
	FILE *stream;
	char *text; /* free with free() */
	size_t size;
	bool made; /* all directories and files were, by one mount: that is all in their records */
	struct view_inode {
		ino_t ino;
		nlink_t names, links;
	} inodes[VIEW_INODES_MAX]; /* of files */
	size_t inode_count;
};

/** Look at a whole mount. Fails if a file has not as many links as names.
 *  @param made  nobody but this mount has written the store: numbers and times of directories
 * count, and no two files have one number */
void view_look(struct view *view, const char *mount, bool made);

/** Fail if two views differ. */
void view_assert_same(const struct view *view, const struct view *fresh);

#endif
