/* Inode numbers for files that are made in memory. They are taken from the store in advance,
 * because a file gets its inode number before it gets a write transaction. Numbers that are
 * left at the end are never used. */
#ifndef FS_META_INODE_NUMBERS_H
#define FS_META_INODE_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

#define INODE_NUMBERS_BATCH 256

struct kt_txn;

struct inode_numbers {
	uint64_t id[2 * INODE_NUMBERS_BATCH];
	unsigned count;
	unsigned fresh; /* at the end of id: valid when the transaction commits */
};

/** Take the next inode number from the store. It is never that of the root.
 *  @param txn  a write transaction */
int inode_numbers_new(struct kt_txn *txn, uint64_t *ret_id);

/** Take more numbers from the store, if few are left, in a write transaction. */
int inode_numbers_refill(struct inode_numbers *numbers, struct kt_txn *txn);

/** The transaction has ended. */
void inode_numbers_settle(struct inode_numbers *numbers, bool committed);

/** Take a number. @return 0; -EAGAIN none is left: refill */
int inode_numbers_take(struct inode_numbers *numbers, uint64_t *ret_id);

#endif
