/* Taking a file or an empty directory from its place: by unlink and rmdir, and by a rename onto it.
 *
 * A file that has other names goes on with these. One that is open goes on without a name: what is
 * under its key moves to a nameless entry, which ends with the last handle. */
#ifndef FS_OPS_REMOVE_H
#define FS_OPS_REMOVE_H

#include "fs/tree/lookup.h"

struct dirty_file;

/** A file that goes, between the store and memory. */
struct removal {
	struct inode *node; /* NULL: nobody refers to it, or nothing goes */
	bool begun;	    /* its content is new, and nothing yet */
	uint64_t nameless;  /* where its value has moved; 0: nowhere */
	unsigned links;	    /* names it has left */
	struct known known;
	struct found found; /* what it was */
};

/** Remove a file from the store. Whatever happens then, remove_end() is to be called.
 *  @param found     the file at the place; borrowed
 *  @param replaced  another entry is going to take the key, so there is no need to delete it */
int remove_file(struct fs *fs, struct kt_txn *txn, const struct place *place,
	const struct found *found, bool replaced, struct removal *ret_removal);

/** Take the node's place, too, if the transaction has committed; else leave all as it was.
 *  @param err  what came of the transaction */
void remove_end(struct fs *fs, struct removal *removal, int err);

/** Remove the record of an empty directory, and those below it that no directory has here.
 *  @return 0; -ENOTEMPTY */
int remove_directory(
	struct fs *fs, struct kt_txn *txn, const struct place *place, const struct key *key);

#endif
