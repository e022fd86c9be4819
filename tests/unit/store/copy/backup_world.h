/* Stores to back up, and comparing a backup with its store. */
#ifndef TESTS_UNIT_BACKUP_WORLD_H
#define TESTS_UNIT_BACKUP_WORLD_H

#include "tests/unit/fixture.h"

#include "keytree_fs.h"

#include <stdint.h>

extern char backup_bytes[1 << 20];

int backup_put_text(struct kt_txn *txn, const char *key, const char *value);

/** Keys and values of every size, in every tree. */
void backup_fill(struct kt_store *store);

void backup_put_keys(struct kt_store *store, unsigned from, unsigned to, const char *value);

/** Do two transactions, of different stores, see the same? */
void backup_assert_same(struct kt_txn *a, struct kt_txn *b);

struct kt_txn *backup_begin_read(struct kt_store *store);

void backup_make(struct kt_store *store, const char *path);

/** Open a copy, check it, and see that it takes changes. */
struct kt_store *backup_open_copy(const char *path);

void backup_assert_copy_is(struct fixture *f, struct kt_txn *expected);

/** Is nothing in the directory but the store and its lock file? */
void backup_assert_none(const struct fixture *f);

struct backup_progress {
	uint64_t done, total;
	unsigned calls, stop_at; /* 0: never */
};

int backup_note_progress(void *arg, uint64_t done, uint64_t total);

#endif
