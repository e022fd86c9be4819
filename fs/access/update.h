/* A change of the store together with what it changes in memory.
 *
 * The folder is how operations read and change the store, in reading order: timepoint.h begins a
 * read transaction, update.h a write transaction, lookup.h finds what is at a place, dir_record.h
 * writes records of directories, publish.h writes dirty files to the store, flusher.h does so in the
 * background.
 *
 *     err = update_begin(fs, &txn);         the write transaction, and then the lock
 *     ... look, and change the store ...
 *     err = update_commit(fs, txn, err);    commits, or aborts if err
 *     if (!err)
 *             ... change memory: this cannot fail ...
 *     err = update_end(fs, err);            gives back the lock
 *
 * Between update_begin() and update_end() no other thread sees a part of the change.
 */
#ifndef FS_ACCESS_UPDATE_H
#define FS_ACCESS_UPDATE_H

struct fs;
struct key;
struct known;
struct kt_txn;

/** Begin a write transaction and take the lock. On failure nothing is held.
 *  @return 0; -EROFS the file system is read-only */
int update_begin(struct fs *fs, struct kt_txn **ret_txn);

/** Copy the extended attributes of what was found: they lie in the store, and are valid only until
 *  something is changed. The copy is valid until update_end().
 *  @return 0; -ENOMEM */
int update_keep_xattrs(struct fs *fs, struct known *known);

/** The names of a file have changed: write its attributes, with the inode number that it shows and
 *  its ctime, which is now.
 *  @param txn    the tree that the entry is in
 *  @param from   key that it had, for the inode number
 *  @param key    key that it has; may be the same
 *  @param known  what is known of it; becomes what is written
 *  @return 0; -ENOENT; -ENOMEM */
int update_touch_entry(
	struct kt_txn *txn, const struct key *from, const struct key *key, struct known *known);

/** Commit or abort. The lock stays.
 *  @param txn  taken
 *  @param err  an error so far: then the transaction is aborted
 *  @return err, or why the commit failed */
int update_commit(struct fs *fs, struct kt_txn *txn, int err);

/** Give back the lock, and flush if options.commit_seconds is 0.
 *  @return err, or why the flush failed */
int update_end(struct fs *fs, int err);

#endif
