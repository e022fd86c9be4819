/* Inode numbers for files that are made in memory. See inode_numbers.h. */
#include "fs/meta/inode_numbers.h"

#include "fs/fs.h"
#include "keytree.h"

#include <assert.h>
#include <errno.h>

int inode_numbers_new(struct kt_txn *txn, uint64_t *ret_id)
{
	int err;

	do {
		err = kt_new_id(txn, ret_id);
	} while (!err && *ret_id <= FS_ROOT);
	return err;
}

int inode_numbers_refill(struct inode_numbers *numbers, struct kt_txn *txn)
{
	int err = 0;

	if (numbers->count >= INODE_NUMBERS_BATCH / 2)
		return 0;
	while (!err && numbers->fresh < INODE_NUMBERS_BATCH) {
		err = inode_numbers_new(txn, &numbers->id[numbers->count + numbers->fresh]);
		if (!err)
			numbers->fresh++;
	}
	return err;
}

void inode_numbers_settle(struct inode_numbers *numbers, bool committed)
{
	if (committed)
		numbers->count += numbers->fresh;
	numbers->fresh = 0;
	assert(numbers->count <= sizeof(numbers->id) / sizeof(numbers->id[0]));
}

int inode_numbers_take(struct inode_numbers *numbers, uint64_t *ret_id)
{
	if (numbers->count == 0)
		return -EAGAIN;
	*ret_id = numbers->id[--numbers->count];
	return 0;
}
