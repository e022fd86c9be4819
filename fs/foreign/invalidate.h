/* From keys that differ between two commits to the names, attributes and contents that a cache has
 * to drop.
 *
 * From the root a path is followed along each differing key, as far as nodes are known: below a
 * directory that nobody has looked up, nothing is cached. A name on the path has changed its
 * meaning if it stands for another thing now: nothing, a file or a directory.
 */
#ifndef FS_FOREIGN_INVALIDATE_H
#define FS_FOREIGN_INVALIDATE_H

#include "fs/fs.h"

struct key;
struct kt_txn;
struct notices;

/** Find out what is to be invalidated. No lock is held.
 *  @param from     the commit before, a read transaction; borrowed
 *  @param to       and the one after; likewise
 *  @param notices  where notices are added
 *  @return 0; 1 it took too much time or room; or an error: then all is to be told */
int invalidate_diff(struct fs *fs, struct kt_txn *from, struct kt_txn *to, struct notices *notices);

/** Tell that a directory is there, and all above it. No lock is held.
 *  @param key         of its record
 *  @param invalidate  called for each notice
 *  @param arg         given to invalidate
 *  @return 0 or an error: then not all was told */
int invalidate_revived(
	struct fs *fs, const struct key *key, fs_invalidate_fn *invalidate, void *arg);

#endif
