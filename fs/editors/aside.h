/* Saved files that are put aside: an editor renames the old version to the name of a scratch file
 * while it saves the new one. The rename reaches the store late:
 *
 *                      the mount shows     the store has
 *     rename f f~      f~=old              f=old
 *     create f         f~=old f            f=old
 *     close f          f~=old f=new        f=new, and old in a nameless entry
 *     unlink f~        f=new               f=new
 *
 * So a reader of the store sees one value and then the other, never a missing key, and never the
 * name f~. If the process dies meanwhile, the store has f. Once its old key is replaced, a file
 * put aside is a scratch file like any other (scratch.h). If nothing is written under the old name
 * within a moment, the rename is done in the store (DIRTY_DELAYED). A value that others put under
 * the old key before that moves with the rename, as if it had been there before.
 *
 * Both names are in one directory, which can be renamed meanwhile. fs->lock is held throughout.
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
	bool gone;	/* an application has deleted the value: the nameless entry is empty */
	size_t size;
	unsigned char bytes[]; /* name bytes of the place whose key has the value */
};

/** Give a node content that is what its key has. The caller moves the node to another name in its
 *  directory then.
 *  @param known  of the file; its attributes are copied
 *  @return 0; -ENOMEM */
int aside_begin(struct fs *fs, struct inode *node, const struct known *known);

/** The nameless entry that has the value of content that was put aside; 0: its key has it. */
uint64_t aside_nameless(const struct dirty_file *dirty);

/** The key that has the value of content that was put aside. @return as place_key() */
int aside_key(const struct dirty_file *dirty, struct key *ret_key);

/** Is what the store has under a key shown under another name? */
bool aside_hides(const struct fs *fs, const struct key *key);

/** Is a new version being written, which will take the key? The rename in the store waits for
 *  it. */
bool aside_waits(const struct dirty_file *dirty);

/** Move the value of content that was put aside to a nameless entry. */
int aside_take(struct dirty_file *dirty, struct kt_txn *txn);

/** Something else is going to be put under a key: if the value there is of a file that was put
 *  aside, it moves to a nameless entry. */
int aside_yield(struct fs *fs, struct kt_txn *txn, const struct key *key);

/** The transaction of aside_take() and aside_yield() has ended. */
void aside_end(struct fs *fs, bool committed);

/** Forget that content was put aside. */
void aside_drop(struct dirty_file *dirty);

#endif
