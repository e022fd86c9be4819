/* Changing the attributes of a file or directory, wherever they are: in memory, with the content of
 * a file that is not in the store yet, or in the store, in one transaction. */
#ifndef FS_OPS_CHANGE_ATTR_H
#define FS_OPS_CHANGE_ATTR_H

#include "fs/meta/stat.h"

struct fs;

/** What amend_fn says to leave all as it is. */
#define AMEND_NOTHING 1

/** Decides what is to change. Called once or twice, each time with what is there then.
 *  @param arg    what was given to amend()
 *  @param mode   as it shows, with the file type
 *  @param known  what is known; change attributes, mtime, or, of a regular file, the size. The
 *                xattrs that it gets are borrowed until amend() returns
 *  @return 0; AMEND_NOTHING; or an error, which amend() returns */
typedef int amend_fn(void *arg, mode_t mode, struct known *known);

/** Change attributes.
 *  @param number    of the node
 *  @param change    decides
 *  @param arg       given to change
 *  @param ret_stat  what shows afterwards
 *  @return 0; -EROFS; -ENOENT; -ESTALE; what change returned */
int amend(struct fs *fs, uint64_t number, amend_fn *change, void *arg, struct stat *ret_stat);

#endif
