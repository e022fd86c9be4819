/* Savepoints of a pager: states within a transaction to which it can go back.
 *
 * A savepoint costs nothing by itself: what it has is not copied but left alone.
 *
 *     pages in memory   are copied when they change and were made before the innermost savepoint
 *     pages of the file that the transaction took before it are not written again
 *     pages freed       that it has are held until it is released
 *
 * Savepoints have ascending numbers. A page made or taken bears the number of the innermost one
 * then; a number below that of the innermost one now tells that a savepoint has the page. Numbers
 * stay as they are when savepoints are released: what an inner one made is then above the outer one.
 */
#ifndef STORE_TREE_PAGER_SAVEPOINT_H
#define STORE_TREE_PAGER_SAVEPOINT_H

#include "store/tree/pager.h"

/** What a savepoint knows of a pager. */
struct pager_mark {
	uint64_t number;
	uint64_t outer; /* the savepoint around it; 0: none */
	size_t held_count;
	size_t dead_count;
	struct dead last_dead;
};

/** Open a savepoint within those that are open.
 *  @param number  above all before */
void pager_savepoint_open(struct pager *pager, uint64_t number, struct pager_mark *ret_mark);

/** Go back to a savepoint, which stays open. Savepoints within it end.
 *  @return 0; -EUCLEAN */
int pager_savepoint_go_back(struct pager *pager, const struct pager_mark *mark);

/** Release the innermost savepoint: what happened since is part of the one around it.
 *  @return 0; -EUCLEAN */
int pager_savepoint_close(struct pager *pager, const struct pager_mark *mark);

/** Free the memory. */
void pager_savepoint_fini(struct pager *pager);

/** May pages of a run be written again, because this transaction took them and no savepoint has them?
 *  @param birth      the transaction that wrote them
 *  @param ret_count  pages of the run, from its first on, of which the same is true
 *  @return of the first page */
bool pager_may_overwrite(
	const struct pager *pager, const struct run *run, uint64_t birth, uint64_t *ret_count);

/* ---- for the pager and for spilling ---------------------------------------------------------- */

/** Have room to note more runs as taken. @return 0; -ENOMEM */
int pager_savepoint_reserve(struct pager *pager, size_t count);

/** Note a run as taken. There must be room for it. */
void pager_savepoint_took(struct pager *pager, const struct run *run);

/** Give back a run that this transaction took, or hold it for the savepoint that has it. */
int pager_savepoint_release(struct pager *pager, struct run run);

/** Hold pages that were freed, and that a savepoint has.
 *  @param start  the first page; or the reference of a page in memory */
int pager_savepoint_hold(struct pager *pager, uint64_t start, uint64_t count);

/** Note the places of pages that were in memory: what a savepoint has, it has there. There must be
 *  room for dirty_live runs more.
 *  @param refs  by index of a page in memory: its reference in the file; 0: it is still there */
void pager_savepoint_placed(struct pager *pager, const uint64_t *refs);

#endif
