/* How the rest of fs/ treats the files of editors: through one table of functions. The functions
 * here call it; with no table (fs->editors is NULL) no file is special.
 *
 * Two things are special. A file whose name says so stays in memory (editors/scratch.h). And a saved
 * file that an editor renames to such a name is *put aside*: the mount shows the new name, while the
 * store has the value under the old key, until something else takes that key (editors/aside.h).
 *
 * fs->lock is held throughout.
 */
#ifndef FS_EDITOR_HOOKS_H
#define FS_EDITOR_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

struct dirty_file;
struct fs;
struct inode;
struct key;
struct known;
struct kt_txn;

struct fs_editor_hooks {
	unsigned (*plan)(const struct fs *fs, const char *name);
	int (*put_aside)(struct fs *fs, struct inode *node, const struct known *known);
	uint64_t (*nameless)(const struct dirty_file *dirty);
	int (*key)(const struct dirty_file *dirty, struct key *ret_key);
	bool (*hide)(const struct fs *fs, const struct key *key);
	bool (*wait)(const struct dirty_file *dirty);
	int (*take)(struct dirty_file *dirty, struct kt_txn *txn);
	int (*yield)(struct fs *fs, struct kt_txn *txn, const struct key *key);
	void (*ended)(struct fs *fs, bool committed);
	void (*drop)(struct dirty_file *dirty);
};

/** What is to become of a new file of a name? @return enum dirty_plan (dirty_file.h) */
unsigned editors_plan(const struct fs *fs, const char *name);

/** Put a file aside: its node gets content that is what its key has. The caller moves the node to
 *  another name in the directory then. Only for names whose editors_plan() is DIRTY_SCRATCH.
 *  @param known  of the file; its attributes are copied
 *  @return 0; -ENOMEM */
int editors_put_aside(struct fs *fs, struct inode *node, const struct known *known);

/** Where the value of a file that was put aside is: in a nameless entry, or under a key.
 *  @return id of the nameless entry; 0: under editors_key() */
uint64_t editors_nameless(const struct dirty_file *dirty);
int editors_key(const struct dirty_file *dirty, struct key *ret_key);

/** Is what the store has under a key shown under another name, or not at all? */
bool editors_hide(const struct fs *fs, const struct key *key);

/** Is a new version of a file that was put aside being written? Then it keeps its old key until that
 *  is published. */
bool editors_wait(const struct dirty_file *dirty);

/** Move the value of a file to a nameless entry, if it was put aside. */
int editors_take(struct dirty_file *dirty, struct kt_txn *txn);

/** Something else is going to be put under a key: the value of a file that was put aside and is
 *  there moves to a nameless entry. */
int editors_yield(struct fs *fs, struct kt_txn *txn, const struct key *key);

/** A file that was in memory gives up a key: delete what the store has there, if anything, unless it
 *  is the value of a file that was put aside. */
int editors_clear(const struct fs *fs, struct kt_txn *txn, const struct key *key);

/** The transaction of editors_take() and editors_yield() has ended. */
void editors_ended(struct fs *fs, bool committed);

/** The content of a file is dropped: forget that it was put aside, if it was. */
void editors_drop(struct dirty_file *dirty);

#endif
