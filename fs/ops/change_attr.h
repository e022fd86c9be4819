/* Changing the attributes of a file or directory, wherever they are: in memory, with the content of
 * a file that is not in the store yet, or in the store, in one transaction. */
#ifndef FS_OPS_CHANGE_ATTR_H
#define FS_OPS_CHANGE_ATTR_H

#include "fs/meta/stat.h"

struct fs;

/** What change_attr_fn says to leave all as it is. */
#define CHANGE_ATTR_NOTHING 1

/** Decides what is to change. Called once or twice, each time with what is there then.
 *  @param arg    what was given to change_attr()
 *  @param mode   as it shows, with the file type
 *  @param known  what is known; change attributes, mtime, or, of a regular file, the size. The
 *                xattrs that it gets are borrowed until change_attr() returns
 *  @return 0; CHANGE_ATTR_NOTHING; or an error, which change_attr() returns */
typedef int change_attr_fn(void *arg, mode_t mode, struct known *known);

/** Change attributes.
 *  @param number    of the node
 *  @param change    decides
 *  @param arg       given to change
 *  @param ret_stat  what shows afterwards
 *  @return 0; -EROFS; -ENOENT; -ESTALE; what change returned */
int change_attr(
	struct fs *fs, uint64_t number, change_attr_fn *change, void *arg, struct stat *ret_stat);

#endif
