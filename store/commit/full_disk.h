/* A full disk: a delete succeeds where nothing else does.
 *
 * A delete writes new pages before it frees old ones. Some free pages, the reserve, are therefore
 * kept for transactions that make the content smaller. Such a transaction lets the file grow while
 * that is possible, then gets the reserve, and is flushed: the pages that it frees are free for the
 * next transaction. After a transaction found no room, the next ones take any free page before they
 * let the file grow.
 */
#ifndef STORE_COMMIT_FULL_DISK_H
#define STORE_COMMIT_FULL_DISK_H

#include "store/commit/txn.h"

/** Pages of the reserve. */
#define RESERVE_PAGES 16

/** Does the store keep a reserve? One in memory has no disk that may be full, unless it has a size
 *  limit. */
bool full_disk_has_reserve(const struct kt_store *store);

/** Before a transaction begins: flush, if the disk is full and pages only wait for that.
 *  @return 0; an error of the flush */
int full_disk_begin(struct kt_store *store);

/** Before anything of a commit is written: offer it the reserve, or fill the reserve.
 *  @return 0; -ENOSPC and other errors of writing; -ENOMEM */
int full_disk_prepare(struct txn *txn);

/** When all pages of a commit are in memory: if the file has to grow for them, and cannot, let a
 *  transaction that makes the content smaller have the reserve.
 *  @return 0; an error of writing other than a full disk */
int full_disk_make_sure(struct txn *txn);

/** Note for kt_strerror() if a reader is why there is no room.
 *  @param err  of a change or commit @return err */
int full_disk_explain(const struct txn *txn, int err);

/** The transaction is written: is the disk still full? */
void full_disk_committed(struct txn *txn);

#endif
