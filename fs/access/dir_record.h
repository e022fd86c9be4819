/* Records of made directories. A directory that an application's keys imply has none, and shows the
 * mount's defaults; it gets one when something of it is set, when it is renamed, or when its last
 * file goes through the mount, since it stays then. */
#ifndef FS_ACCESS_DIR_RECORD_H
#define FS_ACCESS_DIR_RECORD_H

#include "fs/tree/inode.h"
#include "fs/meta/stat.h"

struct fs;

/** Write a record.
 *  @param key    of the directory's place
 *  @param known  what the record is to say: attributes and mtime
 *  @return 0; -ENAMETOOLONG */
int dir_record_put(struct kt_txn *txn, const struct key *key, const struct known *known);

/** Record the times of a directory whose names have changed. One that is only implied has nothing
 *  to record them in, unless it is the root: it shows them as long as its node lives. */
int dir_record_times(struct fs *fs, struct kt_txn *txn, struct inode *directory);

/** A name has gone from a directory: give it a record if nothing else says that it is there. */
int dir_record_keep(struct fs *fs, struct kt_txn *txn, struct inode *directory);

#endif
