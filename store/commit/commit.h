/* Transactions and commits: how changes become visible to all processes, and reach the disk.
 *
 *     txn.h        beginning and ending a transaction
 *     savepoint.h  going back within a transaction
 *     placement.h  page numbers for the pages that a transaction made in memory
 *     full_disk.h  a delete succeeds where nothing else does
 *     commit.c     writing pages and slot, publishing the root, flushing
 *
 * slot/slot.h tells how a slot makes a commit count.
 */
#ifndef STORE_COMMIT_COMMIT_H
#define STORE_COMMIT_COMMIT_H

#include "store/commit/txn.h"

struct space_log_source;

/** What layers above this one add to a commit. store.c puts them into each handle. */
struct commit_hooks {
	/** Find the newest snapshot of the current commit. @param ret_txn  0: there is none */
	int (*newest_snapshot)(struct kt_store *store, uint64_t *ret_txn);
	/** Free some pages of dropped trees. */
	int (*free_dropped)(struct txn *txn);
	/** Record the pages that the transaction freed and that a snapshot still sees. */
	int (*record_dead)(struct txn *txn);
};

/** Describe where to load the free space of a slot from.
 *  @param slot   borrowed as long as the source is used
 *  @param pager  reads the log's pages; likewise */
void commit_log_source(
	const struct format_slot *slot, struct pager *pager, struct space_log_source *ret_source);

/** Load the free space, and sync the newest durable slot if it may be in memory only. Before each
 * write transaction. */
int commit_prepare_store(struct kt_store *store);

/** Write the pages that a large transaction has made so far to the file, to free their memory.
 * Nobody sees them before it commits. Views and paths into its trees end. */
int commit_spill(struct txn *txn);

/** Is it time to spill? Pages that were filled in key order are not met again: writing them while
 * they are in the processor's cache, and using their memory again, is cheaper than keeping them. */
bool commit_should_spill(const struct txn *txn);

/** Pages that a transaction may keep in memory: a sixteenth of the machine's memory, and at most
 * 512 MiB. With keys in random order, a page that was written is soon met again: a spilled page is
 * then copied, sealed and written twice, and leaves a hole in the file. */
#define SPILL_PAGES 131072
#define SPILL_PART 16

#define SPILL_APPENDED 512 /* leaves filled in order, if that is most of the pages in memory */

/** Make the changes of a write transaction permanent and visible.
 *  @param flush  on the disk too */
int commit_txn(struct txn *txn, bool flush);

/** Write a weak slot that names the newest durable commit, unless one does. The next opening then
 * need not verify that commit's digest. Before closing, after a flush. */
void commit_confirm(struct kt_store *store);

/** Bring the current root to the disk. The caller holds the writer lock. */
int commit_flush(struct kt_store *store);

/** The same for a caller that does not hold the writer lock: it waits for it. */
int commit_flush_waiting(struct kt_store *store);

/** Cut the file off behind the pages of the current root, once that is on the disk and no reader is
 * older than the commit that gave up the pages behind. The caller holds the writer lock.
 *  @param ret_early  there is such a reader: nothing was cut
 *  @return 0; an error of the flush or of the cut */
int commit_trim(struct kt_store *store, bool *ret_early);

#endif
