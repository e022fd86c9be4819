/* A write transaction as one call. */
#include "keytree.h"
#include "store/error.h"

#include <errno.h>

/* One attempt. @return as kt_transact() */
static int transact_once(struct kt_store *store, kt_transact_fn *change, void *arg, unsigned flags)
{
	struct kt_txn *txn;
	int err = kt_begin(store, KT_WRITE, &txn);

	if (err != 0)
		return err;
	err = change(arg, txn);
	if (!err)
		return kt_commit(txn, flags);
	kt_abort(txn);
	return err;
}

int kt_transact(struct kt_store *store, kt_transact_fn *change, void *arg, unsigned flags)
{
	int err = error_unknown_flags(flags, KT_FLUSH);

	if (err)
		return err;
	err = -EAGAIN;
	for (unsigned i = 0; i < KT_TRANSACT_TRIES && err == -EAGAIN; i++)
		err = transact_once(store, change, arg, flags);
	return err;
}
