/* The keys of large stores: directories of directories of 100 files. */
#ifndef TESTS_BENCH_SCALE_KEYS_H
#define TESTS_BENCH_SCALE_KEYS_H

#include "keytree.h"

#include <stdint.h>

#define SCALE_FILES 100 /* of a directory */
#define SCALE_VALUE 100 /* bytes of each value */

/** The key of a number; keys sort as their numbers do. @return its size */
int scale_key_text(uint32_t index, char ret_key[16]);

/** Put a small value that follows from a number and a generation. */
void scale_put(struct kt_txn *txn, const char *key, uint32_t index, uint32_t generation);
void scale_put_index(struct kt_txn *txn, uint32_t index, uint32_t generation);

#endif
