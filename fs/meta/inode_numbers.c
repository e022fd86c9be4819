/* Numbers for files that are made in memory. See inode_numbers.h. */
#include "fs/meta/inode_numbers.h"

#include "fs/fs.h"
#include "keytree.h"

#include <assert.h>
#include <errno.h>

int ids_new(struct kt_txn *txn, uint64_t *ret_id)
{
	int err;

	do {
		err = kt_new_id(txn, ret_id);
	} while (!err && *ret_id <= FS_ROOT);
	return err;
}

int ids_refill(struct ids *ids, struct kt_txn *txn)
{
	int err = 0;

	if (ids->count >= IDS_BATCH / 2)
		return 0;
	while (!err && ids->fresh < IDS_BATCH) {
		err = ids_new(txn, &ids->id[ids->count + ids->fresh]);
		if (!err)
			ids->fresh++;
	}
	return err;
}

void ids_settle(struct ids *ids, bool committed)
{
	if (committed)
		ids->count += ids->fresh;
	ids->fresh = 0;
	assert(ids->count <= sizeof(ids->id) / sizeof(ids->id[0]));
}

int ids_take(struct ids *ids, uint64_t *ret_id)
{
	if (ids->count == 0)
		return -EAGAIN;
	*ret_id = ids->id[--ids->count];
	return 0;
}
