/* Every page that a commit reaches, and what each must hold.
 *
 * All trees are walked from their roots: the commit's own and those of its snapshots; and if there
 * are any, which may keep part of them, those that were dropped but not freed yet. Pages with
 * headers are verified on the way, blocks of values are not read; their checksums are noted, so
 * that whoever reads the pages later, in the order of the file, can tell whether they are right. A
 * page that two trees share is entered once, so the walk ends whatever the file holds.
 */
#ifndef STORE_COPY_REACHABLE_H
#define STORE_COPY_REACHABLE_H

#include "store/tree/pager.h"
#include "store/tree/tree_visit.h"

struct kt_txn;

/** Called between pages. @return 0 to go on */
typedef int reachable_step_fn(void *arg);

struct reachable {
	struct tree_visitor visitor;
	struct pager *pager;
	struct format_tree trees[TREE_COUNT]; /* that were walked; the others are empty */
	uint64_t page_count;		      /* pages of the file that are looked at */
	uint64_t pages;			      /* of these, reached */
	uint8_t *marked;		      /* a bit per page: reached */
	uint8_t *blocks; /* a bit per page: it is a block of a value; else it has a header */
	uint32_t *sums;	 /* per page reached: the low half of its checksum */
	reachable_step_fn *step;
	void *arg;
};

static inline bool reachable_has(const struct reachable *reachable, uint64_t page)
{
	return (reachable->marked[page / 8] & 1U << page % 8) != 0;
}

/** Walk what a read transaction reaches.
 *  @param txn    any handle of it
 *  @param step   called for each page with a header
 *  @param arg    given to step
 *  @param reachable  end with reachable_fini(), also after a failure
 *  @return 0; -EUCLEAN damaged; -ENOMEM; what step returned */
int reachable_walk(
	struct kt_txn *txn, reachable_step_fn *step, void *arg, struct reachable *reachable);

void reachable_fini(struct reachable *reachable);

/** Is a page that was reached what it must be?
 *  @param data  PAGE_SIZE bytes
 *  @return 0; -EUCLEAN, or -EBADMSG a block of a value */
int reachable_verify(const struct reachable *reachable, uint64_t page, const uint8_t *data);

#endif
