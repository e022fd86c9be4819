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

/* Of the table of functions in editors.c. editor_hooks.h says what each of them does. */
int aside_begin(struct fs *fs, struct inode *node, const struct known *known);
uint64_t aside_nameless(const struct dirty_file *dirty);
int aside_key(const struct dirty_file *dirty, struct key *ret_key);
bool aside_hides(const struct fs *fs, const struct key *key);
bool aside_waits(const struct dirty_file *dirty);
int aside_take(struct dirty_file *dirty, struct kt_txn *txn);
int aside_yield(struct fs *fs, struct kt_txn *txn, const struct key *key);
void aside_end(struct fs *fs, bool committed);
void aside_drop(struct dirty_file *dirty);

#endif
