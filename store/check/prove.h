/* Proving that the file holds a commit that was published but not flushed. See prove.c. */
#ifndef STORE_CHECK_PROVE_H
#define STORE_CHECK_PROVE_H

#include "store/format.h"

/** A slot_prove_fn. @param store  a struct kt_store whose file is mapped */
int prove_commit(void *store, const struct format_slot *durable, const struct format_slot *weak);

#endif
