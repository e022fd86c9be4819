/* A store with keys that share entries, and short forms of the calls. */
#ifndef TESTS_UNIT_SHARING_WORLD_H
#define TESTS_UNIT_SHARING_WORLD_H

#include "tests/unit/rng.h"
#include "tests/unit/temp.h"

#include "keytree_fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#define KEYS 24
#define VALUE_MAX 9000
#define ATTR_MAX 400

/* An entry, as it must be. */
struct sharing_object {
	unsigned keys;
	size_t size, attr_size;
	bool copied;
	uint64_t stamp; /* another one after each change */
	uint8_t value[VALUE_MAX], attr[ATTR_MAX];
};

struct sharing_model {
	int at[KEYS]; /* index of the key's object; -1: there is no such key */
	struct sharing_object objects[KEYS];
};

struct sharing_world {
	struct temp temp;
	bool memory;
	struct kt_store *store;
	struct kt_txn *txn;
	struct rng rng;
	uint64_t stamp;
	uint8_t key[KEYS][KT_KEY_MAX];
	size_t key_size[KEYS];
	struct sharing_model before, now,
		kept; /* last commit; this transaction; the snapshot "s" */
	bool has_snapshot;
	pid_t child; /* that writes; 0: none */
};

int sharing_setup_file(void **state);

int sharing_setup_memory(void **state);

int sharing_teardown(void **state);

void sharing_begin(struct sharing_world *f, unsigned flags);

void sharing_commit(struct sharing_world *f);

void sharing_end(struct sharing_world *f);

void sharing_assert_sound(struct sharing_world *f);

int sharing_put(struct kt_txn *txn, const char *key, const char *value);

int sharing_link(struct kt_txn *txn, const char *from, const char *to);

int sharing_drop_key(struct kt_txn *txn, const char *key);

struct kt_entry_info sharing_stat(struct kt_txn *txn, const char *key);

void sharing_assert_value(struct kt_txn *txn, const char *key, const char *text);

#define SHARING_TEST(name)                                                                         \
	cmocka_unit_test_setup_teardown(name, sharing_setup_file, sharing_teardown),               \
		cmocka_unit_test_setup_teardown(name, sharing_setup_memory, sharing_teardown)

#endif
