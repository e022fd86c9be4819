/* The parts of kt_check() (check.c): what a check knows, and how it walks one tree. */
#ifndef STORE_CHECK_CHECK_TREE_H
#define STORE_CHECK_CHECK_TREE_H

#include "store/format.h"
#include "keytree.h"
#include "store/tree/pager.h"

#include <stdbool.h>
#include <stdint.h>

struct checker {
	struct kt_store *store;
	struct pager pager;
	kt_check_fn *found;
	kt_check_step_fn *step;
	void *arg;
	uint64_t findings;
	uint64_t seen;		 /* pages verified */
	int stopped;		 /* what step returned */
	uint8_t *marked;	 /* a bit per page: of this commit, dead, or free */
	uint8_t *walked;	 /* the same: of the trees that are being walked */
	uint64_t newest;	 /* nothing in these trees is younger than this commit */
	struct kt_txn *txn;	 /* holds what is checked */
	struct format_slot slot; /* of that commit */
};

static inline bool check_has_bit(const uint8_t *bits, uint64_t page)
{
	return (bits[page / 8] & (1U << (page % 8))) != 0;
}

static inline void check_set_bit(uint8_t *bits, uint64_t page)
{
	bits[page / 8] |= (uint8_t)(1U << (page % 8));
}

/** Tell of something wrong, unless the check was stopped.
 *  @param page  where; 0: nowhere in particular */
void check_report(struct checker *checker, uint64_t page, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** Are all these pages in the file? Else that is reported. */
bool check_in_file(struct checker *checker, uint64_t page, uint64_t count);

/** Mark and verify a page. @return its bytes; NULL: not to be entered */
const uint8_t *check_page(struct checker *checker, uint64_t ref);

/** Walk a tree.
 *  @param links  what the links in it are added to; NULL: none may be there */
void check_tree(struct checker *checker, const struct format_tree *tree, uint64_t *links);

/** Walk a tree of which only the root is known.
 *  @return 0; -ENOMEM */
int check_root(struct checker *checker, uint64_t root, unsigned depth);

#endif
