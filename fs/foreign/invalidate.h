/* From keys that differ between two commits to what whoever keeps names, attributes and contents
 * has to forget.
 *
 * From a key that differs the way goes down from the root, as far as nodes are known: below a
 * directory that nobody outside has asked for, nobody has kept anything. A name on the way means
 * something else if what it stood for, nothing, a file or a directory, is not what it stands for
 * now.
 */
#ifndef FS_FOREIGN_INVALIDATE_H
#define FS_FOREIGN_INVALIDATE_H

#include "fs/fs.h"

struct key;
struct kt_txn;

/** Tell what differs. No lock is held.
 *  @param from  the commit before, a read transaction; borrowed
 *  @param to    and the one after; likewise
 *  @param tell  called for each notice
 *  @param arg   given to tell
 *  @return 0 or an error: then not all was told */
int invalidate_diff(struct fs *fs, struct kt_txn *from, struct kt_txn *to,
	fs_invalidate_fn *invalidate, void *arg);

/** Tell that a directory is there, and all above it. No lock is held.
 *  @param key  of its record
 *  @return as invalidate_diff() */
int invalidate_revived(
	struct fs *fs, const struct key *key, fs_invalidate_fn *invalidate, void *arg);

#endif
