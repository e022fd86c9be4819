/* Files that are being written while other processes change their entries: with
 * fs_options.conflict_fail the writer gets ESTALE, and the value of the other process stays.
 *
 * Each entry knows the transaction that last wrote it. The node of a file that is open for writing
 * remembers this version. Whenever commits of others are noticed (foreign.h), before anything
 * else is changed or told, the entries of all such nodes are looked at:
 *
 *     commits    4    5*   6    7*   8*   9         * made by this file system
 *     looks                ^              ^
 *                      at 6         at 9: noticed is 6, and then 8
 *
 * All commits behind the one that was noticed last are foreign. An entry with such a version, or one that is gone, was
 * changed by another process, unless the file was opened after that. An entry with another version
 * that is not behind it was changed by this file system since the last look.
 *
 * All handles that can write to the file are stale then, for good, and its dirty content is dropped
 * at once. So publishing needs no check: nothing is left that could overwrite the foreign value.
 */
#ifndef FS_DIRTY_CONFLICT_H
#define FS_DIRTY_CONFLICT_H

struct fs;
struct inode;
struct kt_txn;

/** A node is about to be opened for writing, with its entry as it is now.
 *  @param txn  a read transaction, begun under the lock
 *  @return 0; -ENOMEM */
int conflict_open(struct fs *fs, struct kt_txn *txn, struct inode *node);

/** Look at the entries of all files that are being written.
 *  @param txn  sees the commits of others that are noticed now
 *  @return 0; -ENOMEM */
int conflict_check_all(struct fs *fs, struct kt_txn *txn);

/** Was something dropped that a handle of the file still owes? Then there is nothing to be saved
 *  under another name.
 *  @param node  of a file; or NULL
 *  @return 0; -ESTALE */
int conflict_lost(const struct fs *fs, const struct inode *node);

/** Delete what dropped content has left in nameless entries. */
int conflict_clean(struct fs *fs, struct kt_txn *txn);

/** The transaction has committed; or the file system ends. */
void conflict_cleaned(struct fs *fs);

#endif
