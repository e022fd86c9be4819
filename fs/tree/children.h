/* The children of a directory, one after the other, as the store has them: from the keys below it
 * and the records of made directories below it, both in key order.
 *
 *     entries       a  a-  a/x  a/y/1  a/y/2  b        children of the root:
 *     directories   c/  c/d/                           a- (file), a (directory), b (file),
 *                                                      c (directory)
 *
 * A file is met at its key, a directory where its keys begin; "a-" sorts before "a/". The subtree
 * of a directory is skipped by a seek, so the cost is that of the children. A key that is a
 * directory too is met as a directory only: its value is a file in that directory.
 *
 * Pieces of long names (names.h) are met at their first key. Keys of a piece may have others
 * between them, so the iterator remembers the pieces it is in.
 */
#ifndef FS_TREE_CHILDREN_H
#define FS_TREE_CHILDREN_H

#include "keytree_fs.h"
#include "fs/tree/inode.h"
#include "fs/tree/position.h"

struct child {
	enum inode_kind kind;
	size_t size;
	unsigned char bytes[NAMES_MAX]; /* of its place */
	bool known;		   /* a file, or a directory with a record; else it is inferred */
	struct kt_entry_info stat; /* if known; else of it mtime_ns only, that of its first key */
};

struct children {
	struct kt_txn *txn;
	char separator;
	const struct key *prefix; /* of all keys in the directory; borrowed */
	bool in_root;		  /* the directory's names are the first of keys */
	size_t piece_size;	  /* of the prefix's end, if the directory is a piece; else 0 */
	struct kt_cursor *entries, *directories;
	struct kt_cursor *probe_entries, *probe_directories; /* opened when needed */
	bool entries_on, directories_on;		     /* the cursor stands on a key */
	struct position at;				     /* behind the last child */
};

/** Begin in front of the first child.
 *  @param txn         a transaction; borrowed until children_close()
 *  @param directory   the place of the directory; borrowed
 *  @param prefix      its key; borrowed until children_close()
 *  @param ret_children  end with children_close(), after a failure too */
int children_open(struct kt_txn *txn, char separator, const struct place *directory,
	const struct key *prefix, struct children *ret_children);

/** Go on at a position of the same directory. */
int children_seek(struct children *children, const struct position *position);

/** The next child. children->at is behind it then. Its attributes are valid until the call for the one
 *  after it.
 *  @return 0; -ENOENT no more */
int children_next(struct children *children, struct child *ret_child);

void children_close(struct children *children);

#endif
