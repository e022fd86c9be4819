/* Stores that have aged, and what they contain. */
#ifndef TESTS_UNIT_COMPACT_WORLD_H
#define TESTS_UNIT_COMPACT_WORLD_H

#include "tests/unit/rng.h"

#include "keytree_fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#define VALUE_MAX 100000

struct compact_world {
	char dir[64];
	char path[128];
	struct kt_store *store;
	struct rng rng;
	uint8_t bytes[VALUE_MAX];
};

extern uint64_t compact_seed;

int compact_setup(void **state);

int compact_setup_memory(void **state);

int compact_teardown(void **state);

uint64_t compact_below(struct compact_world *f, uint64_t bound);

size_t compact_random_key(struct compact_world *f, unsigned keys, char *key);

void compact_change(struct compact_world *f, struct kt_txn *txn, unsigned keys, size_t most);

void compact_age(struct compact_world *f, struct kt_store *store, unsigned commits, unsigned keys,
	size_t most);

/** A hash of all entries, with their versions, times and attributes. */
uint64_t compact_digest(struct kt_txn *txn);

uint64_t compact_digest_now(struct kt_store *store);

void compact_assert_sound(struct kt_store *store);

uint64_t compact_pages(struct kt_store *store);

/** Pages of a store that was loaded with the same content, in the order of the keys, in one
 * transaction. */
uint64_t compact_fresh_pages(struct kt_store *store);

uint64_t compact_file_size(const struct compact_world *f);

#endif
