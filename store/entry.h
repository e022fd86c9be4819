/* What cursors share with the calls on keys. */
#ifndef STORE_ENTRY_H
#define STORE_ENTRY_H

#include "cell.h"
#include "keytree.h"

struct txn;

/** The value of a cell, as kt_get() returns it. */
int entry_value(struct txn *txn, const struct cell *cell, struct kt_slice *ret_value);

/** What is known of a cell, as kt_stat() returns it. */
int entry_stat(struct txn *txn, const struct cell *cell, struct kt_stat *ret_stat);

#endif
