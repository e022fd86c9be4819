/* The point in time that is shown. See timepoint.h. */
#include "fs/core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int point_init(struct fs *fs, const char *snapshot)
{
	struct kt_txn *txn;
	int err;

	if (snapshot == NULL)
		return 0;
	fs->point.snapshot = strdup(snapshot);
	if (fs->point.snapshot == NULL)
		return -ENOMEM;
	err = kt_snapshot_open(fs->store, snapshot, &txn);
	if (err)
		return err;
	fs->point.txn = kt_txn_id(txn);
	kt_abort(txn);
	return 0;
}

void point_fini(struct fs *fs)
{
	free(fs->point.snapshot);
	fs->point.snapshot = NULL;
}

/* What is read may be kept: what others commit later is compared with just this. */
static int begin_present(struct fs *fs, struct kt_txn **ret_txn)
{
	struct kt_txn *txn;
	int err = kt_begin(fs->store, KT_READ, &txn);

	while (!err && !changes_know(fs, txn)) {
		kt_abort(txn);
		err = changes_notice(fs);
		if (!err)
			err = kt_begin(fs->store, KT_READ, &txn);
	}
	if (!err)
		*ret_txn = txn;
	return err;
}

int point_begin(struct fs *fs, struct kt_txn **ret_txn)
{
	struct kt_txn *txn;
	int err;

	if (fs->point.snapshot == NULL)
		return begin_present(fs, ret_txn);
	err = kt_snapshot_open(fs->store, fs->point.snapshot, &txn);
	if (err)
		return err == -ENOENT ? -ESTALE : err;
	if (kt_txn_id(txn) != fs->point.txn) {
		kt_abort(txn);
		return -ESTALE;
	}
	*ret_txn = txn;
	return 0;
}
