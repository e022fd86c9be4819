/* A bank: accounts between which transactions move money. Their sum never changes, so a reader that
 * mixes two commits, or a page that is written while it is read, shows. Each customer also counts
 * its transactions in a key of its own: what it was told is committed must be there for ever. */
#ifndef TESTS_PROCS_BANK_H
#define TESTS_PROCS_BANK_H

#include "../unit/rng.h"
#include "keytree.h"

#include <stdbool.h>
#include <stdint.h>

#define BANK_ACCOUNTS 60

/** Open all accounts. */
int bank_found(struct kt_store *store);

/** Move money between some accounts and count up, in one transaction.
 *  @param customer  who does
 *  @param count     what his count becomes
 *  @param flush     to the disk too
 *  @param spoil     give up in the end; then -ECANCELED */
int bank_move(struct kt_store *store, struct rng *rng, unsigned customer, uint64_t count,
	bool flush, bool spoil);

/** Look at all accounts.
 *  @return NULL; or what is wrong, in words */
const char *bank_look(struct kt_txn *txn);

/** A customer's count. @return it; 0: none yet; UINT64_MAX: an error */
uint64_t bank_count(struct kt_txn *txn, unsigned customer);

#endif
