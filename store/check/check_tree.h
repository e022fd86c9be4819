/* How kt_check() walks one tree, in one version after the other (check.h).
 *
 *     check_tree.c    walks what is new in a tree, and verifies it
 *     check_forget.c  walks what is gone since the version before, and closes a version
 */
#ifndef STORE_CHECK_CHECK_TREE_H
#define STORE_CHECK_CHECK_TREE_H

#include "store/format.h"
#include "keytree_fs.h"
#include "store/tree/pager.h"

#include <stdbool.h>
#include <stdint.h>

/** What is known of a page, a byte for each page of the file. */
#define PAGE_OWNER 0x07	   /* tree of the version before that leads to it, + 1; 0: none */
#define PAGE_CLAIM 0x38	   /* the same in the version that is being walked */
#define PAGE_BLOCK 0x40	   /* it is a block of a value */
#define PAGE_VERIFIED 0x80 /* its content is good; sums has its checksum */
#define PAGE_CLAIM_SHIFT 3

/** What a tree holds, as its root tells it; and the links in it. */
struct check_sums {
	uint64_t entries, key_bytes, value_bytes, links;
};

struct checker {
	struct kt_store *store;
	struct pager pager;
	kt_check_fn *found;
	kt_check_step_fn *step;
	void *arg;
	uint64_t findings;
	uint64_t seen;	 /* pages verified */
	int stopped;	 /* what step returned */
	uint8_t *marked; /* a bit per page: of this commit, dead, or free */
	uint8_t *kept;	 /* the same: of a snapshot */
	uint8_t *state;	 /* per page: PAGE_... */
	uint32_t *sums;	 /* per page with PAGE_VERIFIED: the low half of its checksum */
	unsigned tree;	 /* that is being walked, + 1; 0: none, and pages are marked instead */
	bool in_snapshot;
	uint64_t newest;		       /* nothing here is younger than this commit */
	struct format_tree before[TREE_COUNT]; /* the trees of the version before */
	struct check_sums totals[TREE_COUNT];  /* what they hold */
	bool sound;			       /* the version before was */
	bool links_differ;	 /* links or shared entries are not those of the version before */
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

/** Walk a tree of a version, and tell how it differs from the same tree of the version before. What
 *  both share is not entered.
 *  @param number  of the tree
 *  @param links   links may be there */
void check_tree(
	struct checker *checker, unsigned number, const struct format_tree *tree, bool links);

/** Walk what a tree of the version before leads to and the new one does not: it belongs to no tree
 *  any more.
 *  @param ret_gone  what it held */
int check_forget(struct checker *checker, unsigned number, struct check_sums *ret_gone);

/** Begin with a version that shares nothing with one before. */
void check_version_reset(struct checker *checker);

/** The trees of a version have been walked: pages that two of its trees lead to are reported. */
void check_version_end(struct checker *checker);

/** Walk a tree of which only the root is known.
 *  @return 0; -ENOMEM */
int check_root(struct checker *checker, uint64_t root, unsigned depth);

#endif
