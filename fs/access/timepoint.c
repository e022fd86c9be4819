/* The point in time that is shown. See timepoint.h. */
#include "fs/core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int timepoint_init(struct fs *fs, const char *snapshot)
{
	struct kt_txn *txn;
	int err;

	if (snapshot == NULL)
		return 0;
	fs->timepoint.snapshot = strdup(snapshot);
	if (fs->timepoint.snapshot == NULL)
		return -ENOMEM;
	err = kt_snapshot_open(fs->store, snapshot, &txn);
	if (err)
		return err;
	fs->timepoint.txn = kt_txn_id(txn);
	kt_abort(txn);
	return 0;
}

void timepoint_fini(struct fs *fs)
{
	free(fs->timepoint.snapshot);
	fs->timepoint.snapshot = NULL;
}

/* What is read may be kept: commits of others that it sees are noticed. */
static int timepoint_begin_present(struct fs *fs, struct kt_txn **ret_txn)
{
	struct kt_txn *txn;
	int err = kt_begin(fs->store, KT_READ, &txn);

	if (err)
		return err;
	err = foreign_notice(fs, txn, kt_txn_id(txn));
	if (err)
		kt_abort(txn);
	else
		*ret_txn = txn;
	return err;
}

int timepoint_begin(struct fs *fs, struct kt_txn **ret_txn)
{
	struct kt_txn *txn;
	int err;

	if (fs->timepoint.snapshot == NULL)
		return timepoint_begin_present(fs, ret_txn);
	err = kt_snapshot_open(fs->store, fs->timepoint.snapshot, &txn);
	if (err)
		return err == -ENOENT ? -ESTALE : err;
	if (kt_txn_id(txn) != fs->timepoint.txn) {
		kt_abort(txn);
		return -ESTALE;
	}
	*ret_txn = txn;
	return 0;
}
