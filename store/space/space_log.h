/* The free-space log: how the set of free pages is kept in the file.
 *
 * Each commit appends one record of what it took and freed. The newest records lie in the slot
 * itself (its tail), so that a small commit writes no page for them; when they overflow it, tail
 * and record go to log pages, each of which refers to the one before:
 *
 *        page 17            page 18            page 19              slot
 *     +-----------+      +-----------+      +-----------+      +------------+
 *     | records   |<-----| records   |<-----| records   |<-----| head, tail |
 *     +-----------+      +-----------+      +-----------+      +------------+
 *       tail_seq                              head_seq
 *
 * Reading the log is replaying it: the same steps in the same order give the same state, bit for
 * bit. So that it need not be replayed from the first day, a sweep runs round the set: whenever log
 * pages are written, their records are followed by as many bytes of checkpoints (the free pages of
 * a region, or pending pages once more), going on where the last ones ended. Once round the set is
 * a cycle; a log that begins with the last complete cycle contains everything, and older pages are
 * released. So the log is at most some times as large as the set, a commit pays in proportion to
 * its own size, and none pays for the whole.
 *
 * Only the commit that cuts the file (space_cut()) begins the log anew: its record is a whole cycle
 * by itself, and all that was there before is released.
 *
 * The encoding of a record stands in format.h.
 */
#ifndef STORE_SPACE_SPACE_LOG_H
#define STORE_SPACE_SPACE_LOG_H

#include "store/space/space.h"

#include <stddef.h>
#include <stdint.h>

/** Gives a page of the log.
 *  @param arg       what space_log_load() was given
 *  @param ref       reference from the file, not checked yet
 *  @param ret_page  PAGE_SIZE bytes that page_verify() found to be what ref means; valid until the
 *                   call that reads ends
 *  @return 0; -EUCLEAN outside the file or not that page; -EIO and others */
typedef int space_log_read_fn(void *arg, uint64_t ref, const struct page_header **ret_page);

/** Where to load from: mostly fields of the slot. */
struct space_log_source {
	uint64_t txn;	     /* the commit that the slot describes */
	uint64_t page_count; /* pages of the file; at most PAGE_MAX, and really there */
	const struct format_space *space; /* borrowed */
	const uint8_t *tail;		  /* SLOT_TAIL bytes; borrowed */
	uint64_t slot_page;		  /* number of the slot, for messages */
	space_log_read_fn *read;
	void *arg;
};

/** A log page to be written. */
struct space_log_page {
	uint64_t ref;	  /* number and tag */
	const void *data; /* PAGE_SIZE bytes, sealed */
};

/** What a commit has to write. All of it is valid until space_commit() or space_abort(). */
struct space_log_delta {
	struct format_space space;	    /* for the slot */
	const uint8_t *tail;		    /* SLOT_TAIL bytes, for the slot */
	uint64_t page_count;		    /* for the slot */
	const struct space_log_page *pages; /* to be written with the commit's other pages; sorted
					      by page number */
	size_t count;			    /* of pages; mostly 0 */
};

/** Rebuild the free pages from the file. Nothing is trusted.
 *  A store in which every page is in use, a new one, has an empty log: txn is that of its first
 *  slot and all of format_space is 0.
 *  @param source     borrowed
 *  @param ret_space  end with space_close()
 *  @return 0; -EUCLEAN with its note; -ENOMEM; what read returned */
int space_log_load(const struct space_log_source *source, struct space **ret_space);

/** Does a page of the log lie at or behind a page? */
bool space_log_reaches(const struct space *space, uint64_t page);

/** Bring a set that was right at an earlier commit up to a newer one, by the records in between.
 *  @param space   no transaction is open
 *  @param source  borrowed
 *  @return 0; -ESTALE the log does not reach back so far: load it anew; else as space_log_load().
 *          After a failure the set can only be closed */
int space_log_catch_up(struct space *space, const struct space_log_source *source);

/** Put the transaction's changes in the form in which they go to the file. Takes the pages that the
 *  log itself needs. After it, only space_commit() or space_abort() may follow.
 *  @param space      a transaction is open
 *  @param seed       of the store's checksums
 *  @param ret_delta  what is to be written
 *  @return 0; -ENOSPC; -ENOMEM; -EUCLEAN: then only space_abort() may follow */
int space_log_prepare(struct space *space, uint64_t seed, struct space_log_delta *ret_delta);

#endif
