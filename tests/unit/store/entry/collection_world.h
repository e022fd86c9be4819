/* Short forms of the calls on collections. */
#ifndef TESTS_UNIT_COLLECTION_WORLD_H
#define TESTS_UNIT_COLLECTION_WORLD_H

#include "tests/unit/fixture.h"

#include "keytree_fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

struct kt_collection *collection_test_open(struct fixture *f, const char *name, unsigned flags);

struct kt_txn *collection_test_begin(struct kt_collection *collection, unsigned flags);

int collection_test_put(struct kt_txn *txn, const char *key, const char *value);

/** Put keys of the whole store, each with its own name as value. */
void collection_test_put_keys(struct fixture *f, const char *const *keys);

void collection_assert_value(struct kt_txn *txn, const char *key, const char *expected);

/** The keys a cursor passes, each followed by a blank. */
const char *collection_scan(struct kt_cursor *cursor, int (*step)(struct kt_cursor *));

/** Append a name and a blank to the text `arg`. For kt_collection_list(). */
int collection_add_name(void *arg, const struct kt_slice *name);

/** The names of all collections, each followed by a blank. */
const char *collection_test_list(struct fixture *f);

uint64_t collection_test_count(struct kt_txn *txn);

#endif
