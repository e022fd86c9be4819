/* Freeing dropped trees in steps. See reclaim.c. */
#ifndef STORE_HISTORY_RECLAIM_H
#define STORE_HISTORY_RECLAIM_H

#include "store/commit/txn.h"

/** Free some pages of dropped trees, as part of a commit. */
int reclaim_step(struct txn *txn);

/** Receives a dropped tree. @return 0 to go on */
typedef int reclaim_each_fn(void *arg, const struct format_reclaim *record);

/** Visit dropped trees that are not freed yet. @return 0; -EUCLEAN; what each returned */
int reclaim_each(struct txn *txn, reclaim_each_fn *each, void *arg);

#endif
