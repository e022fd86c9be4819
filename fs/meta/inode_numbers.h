/* Numbers for files that are made in memory: taken from the store ahead of time, since a file gets
 * its inode number before it gets its transaction. What is left over at the end is never used. */
#ifndef FS_META_INODE_NUMBERS_H
#define FS_META_INODE_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

#define INODE_NUMBERS_BATCH 256

struct kt_txn;

struct inode_numbers {
	uint64_t id[2 * INODE_NUMBERS_BATCH];
	unsigned count;
	unsigned fresh; /* at the end of id: good when the transaction commits */
};

/** The next number for an inode: one that is not the root's.
 *  @param txn  a write transaction */
int inode_numbers_new(struct kt_txn *txn, uint64_t *ret_id);

/** Get more numbers, if few are left, in a write transaction. */
int inode_numbers_refill(struct inode_numbers *numbers, struct kt_txn *txn);

/** The transaction has ended. */
void inode_numbers_settle(struct inode_numbers *numbers, bool committed);

/** Take a number. @return 0; -EAGAIN none is left, refill */
int inode_numbers_take(struct inode_numbers *numbers, uint64_t *ret_id);

#endif
