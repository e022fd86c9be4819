/* Removing a file or an empty directory: by unlink and rmdir, and by a rename onto its name.
 *
 * A file that has other names keeps them. A file that is open goes on without a name: its value
 * moves to a nameless entry, which goes with the last handle. */
#ifndef FS_OPS_REMOVE_H
#define FS_OPS_REMOVE_H

#include "fs/access/lookup.h"

struct dirty_file;

/** A file that is removed from the store and not yet from memory. */
struct removal {
	struct inode *node; /* NULL: the file has no node, or nothing is removed */
	bool begun;	    /* its content was made for this, and is dropped if the commit fails */
	uint64_t nameless;  /* nameless entry that has the value; 0: none */
	unsigned links;	    /* names it has left */
	struct known known;
	struct found found; /* what was at the place */
};

/** Remove a file from the store. Whatever happens then, remove_end() is to be called.
 *  @param found     the file at the place; borrowed
 *  @param replaced  another entry is going to take the key, so there is no need to delete it */
int remove_file(struct fs *fs, struct kt_txn *txn, const struct place *place,
	const struct found *found, bool replaced, struct removal *ret_removal);

/** Take the place from the node, if the transaction has committed. Else leave the node as it was.
 *  @param err  result of the transaction */
void remove_end(struct fs *fs, struct removal *removal, int err);

/** Remove the record of an empty directory, and records below it that show no directory.
 *  @return 0; -ENOTEMPTY */
int remove_directory(
	struct fs *fs, struct kt_txn *txn, const struct place *place, const struct key *key);

#endif
