/* Free space: which pages of the file may be written, and where the next ones come from.
 *
 * Every page from PAGE_FIRST to the end of the file is in one of four states:
 *
 *              space_alloc()            space_commit()
 *        free ---------------> taken ------------------> in use
 *         ^   <---------------   |                         |
 *         |    space_release()   | (file)                  | space_release(), space_commit()
 *         |                                                v
 *         +------------------------------------------- pending
 *                          space_begin()
 *
 * Pending pages wait until nobody can reach them any more (I2). Those that a durable slot might
 * reach wait in the old queue for the disk and for readers; those that were born after the last
 * durable slot, which is most of them where commits are many and flushes few, wait in the young
 * queue for readers only. Both are first in, first out by the transaction that freed them.
 *
 * Allocation goes forward through the file with a cursor and looks for long runs, because one write
 * of 110 pages is many times faster than 110 writes of one. The work of a call is bounded: it looks
 * at a window. Only where the file cannot grow does it look at the summaries of the whole file. The
 * state lives in memory; space_log.h keeps it in the file.
 *
 * Not thread-safe: all of it belongs to the one writer.
 *
 * The folder, in reading order:
 *
 *     space             taking and releasing pages; space_mark goes back within a transaction
 *     space_map         the state of every page; run_list holds runs
 *     space_queue       pending pages, in the order they were freed
 *     space_log         the log in the file: writing it
 *     space_log_record  what a commit appends to it; space_log_code encodes
 *     space_log_load    reading it; space_log_replay applies its records
 *     space_shrink      cutting off the free end of the file
 */
#ifndef STORE_SPACE_SPACE_H
#define STORE_SPACE_SPACE_H

#include "store/tree/page.h"

#include <stdbool.h>
#include <stdint.h>

struct pager_source;
struct space;

/** What a transaction may reuse; see I2. */
struct space_bounds {
	uint64_t slot_txn; /* the last transaction for which a durable slot was written, or is being
			      written: pages born later are young when they are freed */
	uint64_t old;	   /* old pages freed up to this transaction are free: the smaller of the
			      last durable transaction and the oldest reader's */
	uint64_t young;	   /* young pages freed up to this transaction are free: the oldest
			      reader's, or the last transaction if there is no reader */
};

/** Pages by state. */
struct space_counts {
	uint64_t total;	  /* pages of the file, up to the last one in use */
	uint64_t free;	  /* may be allocated now */
	uint64_t pending; /* freed, but still seen by a reader or the disk */
	uint64_t taken;	  /* by the transaction that is open */
};

/** @param space  taken, also in the middle of a transaction; NULL is allowed */
void space_close(struct space *space);

/** Let the file grow to so many pages at most; PAGE_MAX to begin with. A store that is larger
 * already keeps its size.
 *  @param max_with_reserve  the same for a transaction that has the reserve */
void space_set_limit(struct space *space, uint64_t pages, uint64_t max_with_reserve);

/** Set free pages aside that ordinary transactions leave alone, so that there is room to delete
 * when there is none to grow. 0 to begin with. */
void space_set_reserve(struct space *space, uint64_t pages);

/** Let the open transaction take any free page of the file before the file grows. Free pages at
 *  the end, by which it grew for this transaction, are given up.
 *  @return false: it did so already */
bool space_avoid_growth(struct space *space);

/** Let the open transaction have the reserve too, and avoid growth. */
void space_use_reserve(struct space *space);

/** Let the open transaction have the reserve once nothing else is free and the limit is reached. */
void space_offer_reserve(struct space *space);

/** May the open transaction still get the reserve? */
bool space_offers_reserve(const struct space *space);

/** Has the open transaction got the reserve? */
bool space_uses_reserve(const struct space *space);

/** Let the open transaction take the lowest free pages, in runs of any length, and the reserve too;
 *  the file grows only when nothing is free. All pending pages within its bounds become free. */
void space_use_lowest(struct space *space);

/** Take a run of pages as low as possible, never by letting the file grow. Only after
 *  space_use_lowest().
 *  @param count    its length
 *  @param below    the page that it may reach up to
 *  @param ret_run  the pages; they belong to the transaction
 *  @return 0; -ENOSPC there is no such run; -ENOMEM */
int space_alloc_low(struct space *space, uint64_t count, uint64_t below, struct run *ret_run);

/** Free pages below a page. */
uint64_t space_free_below(const struct space *space, uint64_t page);

/** Free pages at the end of the file that space_cut() would give up now. */
uint64_t space_spare(const struct space *space);

/** Let the open transaction give up the free pages at the end of the file, but for the reserve, and
 *  write the free-space log anew, whole: its old pages become free, and none tells of a file that
 *  was longer. Nobody can reach what was free, so that the file may be cut to space_page_count()
 *  pages once no slot tells of more. */
void space_cut(struct space *space);

/** Begin a transaction: pending pages within the bounds become free. A large number of them is
 *  taken over step by step, in later calls and as allocation needs them.
 *  @param txn  number of the transaction: one more than that of the last commit */
void space_begin(struct space *space, uint64_t txn, const struct space_bounds *bounds);

/** Take pages: one run of 1 to want, as near to want as a bounded search finds. What is short is
 *  had by further calls. The file grows only where no decent run is found.
 *  @param want     at least 1
 *  @param ret_run  the pages; they belong to the transaction
 *  @return 0; -ENOSPC the limit is reached and nothing is free; -ENOMEM */
int space_alloc(struct space *space, uint64_t want, struct run *ret_run);

/** Give pages back. Those that this transaction took are free again at once, others when it has
 *  been committed and nobody sees them any more. Run and birth come from the file and are checked.
 *  @param run    pages of one birth
 *  @param birth  the transaction that wrote them; this one, for pages it took
 *  @return 0; -EUCLEAN they are not in use, outside the file, or born later; -ENOMEM */
int space_release(struct space *space, struct run run, uint64_t birth);

/** What a pager takes. */
extern const struct pager_source space_source;

/** Was the page taken by the transaction that is open, and not given back? */
bool space_is_taken(const struct space *space, uint64_t page);

/** Make what the transaction did permanent, in memory. Cannot fail: space_log_prepare() has done
 *  all that could. To be called when the commit it prepared is written. */
void space_commit(struct space *space);

/** Forget what the transaction did: every page it took or gave back, the size of the file and the
 *  cursor are as before. (What has become free within the bounds stays so: that was nobody's
 *  doing.) Also after space_log_prepare(), and where no transaction is open. */
void space_abort(struct space *space);

/** What a transaction had given back at one time, for going back to it. */
struct space_mark {
	uint64_t page_count, cursor;
	struct {
		size_t count;	 /* of runs */
		struct run last; /* of the runs, which may have grown since */
	} freed[2];
};

/** Mark the state of the open transaction. */
void space_mark(const struct space *space, struct space_mark *ret_mark);

/** Take back what the transaction gave back since a mark, and the growth of the file if nothing
 *  behind its end then is taken. The pages taken since must have been given back before.
 *  @param mark  of the open transaction; no older mark was gone back to since */
void space_go_back(struct space *space, const struct space_mark *mark);

/** Pages by which the open transaction may let the file grow. */
uint64_t space_growth(const struct space *space);

/** Pages of the file now, up to the last one in use or taken. */
uint64_t space_page_count(const struct space *space);

/** Count the pages by state. */
void space_count(const struct space *space, struct space_counts *ret_counts);

/** Receives runs of pages that are not in use.
 *  @param arg      what was given to space_each()
 *  @param run      never crosses a multiple of 4096 pages
 *  @param pending  freed, but perhaps still seen; else free
 *  @return 0 to go on; else space_each() ends and returns it */
typedef int space_each_fn(void *arg, struct run run, bool pending);

/** Visit every free and every pending page once, in ascending order. No transaction may be open.
 *  @return 0 or what the callback returned */
int space_each(const struct space *space, space_each_fn *each, void *arg);

#endif
