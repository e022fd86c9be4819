/* Changing the attributes of a file or directory. They are in memory, with content that is not
 * published yet, or in the store, where they change in one transaction. */
#ifndef FS_OPS_CHANGE_ATTR_H
#define FS_OPS_CHANGE_ATTR_H

#include "fs/meta/stat.h"

struct fs;

/** Returned by a change_attr_fn that changes nothing. */
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
