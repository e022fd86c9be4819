/* Saved files that got the name of a scratch file: an editor puts the old version aside while it
 * saves the new one. The store learns of that rename late:
 *
 *                      the mount shows     the store has
 *     rename f f~      f~=old              f=old
 *     create f         f~=old f            f=old
 *     close f          f~=old f=new        f=new, and old in a nameless entry
 *     unlink f~        f=new               f=new
 *
 * So whoever reads the store sees the one value and then the other, never that there is none, nor
 * the name f~; and if the process dies meanwhile, f is there. What was put aside and then replaced
 * is a scratch file like others (scratch.h). Where nothing is written under the old name within a
 * moment, the rename is done in the store as any other (DIRTY_DELAYED). What others put under the
 * key meanwhile was put there before the rename, then.
 *
 * Both names are in one directory, so it can be renamed meanwhile. fs->lock is held throughout.
 */
#ifndef FS_EDITORS_ASIDE_H
#define FS_EDITORS_ASIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dirty_file;
struct fs;
struct inode;
struct key;
struct known;
struct kt_txn;

struct aside {
	uint64_t taken; /* nameless entry that has the value if the transaction commits; 0: none */
	bool gone;	/* an application has deleted it: that entry is empty */
	size_t size;
	unsigned char bytes[]; /* of the place whose key has the value */
};

/** Give a node content that is what its key has. The node is to be moved to another place in its
 * directory then.
 *  @param known  of the file; its attributes are copied
 *  @return 0; -ENOMEM */
int aside_begin(struct fs *fs, struct inode *node, const struct known *known);

/** The nameless entry that has the value of content that was put aside; 0: its key has it. */
uint64_t aside_nameless(const struct dirty_file *dirty);

/** The key that has the value of content that was put aside. @return as place_key() */
int aside_key(const struct dirty_file *dirty, struct key *ret_key);

/** Is what the store has under a key shown under another name? */
bool aside_hides(const struct fs *fs, const struct key *key);

/** Is a new version being written, which will take the key? The rename waits for that. */
bool aside_waits(const struct dirty_file *dirty);

/** Move the value of content that was put aside to a nameless entry. */
int aside_take(struct dirty_file *dirty, struct kt_txn *txn);

/** Something else is going to be put under a key: whatever was put aside and is still there moves
 *  to a nameless entry. */
int aside_yield(struct fs *fs, struct kt_txn *txn, const struct key *key);

/** The transaction of aside_take() and aside_yield() has ended. */
void aside_end(struct fs *fs, bool committed);

/** Forget that content was put aside. */
void aside_drop(struct dirty_file *dirty);

#endif
