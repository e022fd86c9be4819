/* A store, a backup that follows it by increments, and comparing the two. */
#ifndef TESTS_UNIT_INCREMENT_WORLD_H
#define TESTS_UNIT_INCREMENT_WORLD_H

#include "tests/unit/rng.h"
#include "tests/unit/temp.h"

#include "keytree_fs.h"

#include <stdint.h>

struct increment_world {
	struct temp temp;
	char copy_path[128], path[128]; /* of the backup; of an increment */
	struct kt_store *store, *copy;
	struct rng rng;
};

extern char increment_bytes[1 << 20];

int increment_setup(void **state);

int increment_teardown(void **state);

struct kt_txn *increment_begin_read(struct kt_store *store);

struct kt_txn *increment_begin_write(struct kt_store *store);

struct kt_txn *increment_open_snapshot(struct kt_store *store, const char *name);

void increment_put_text(struct kt_store *store, const char *key, const char *value);

void increment_assert_sound(struct kt_store *store);

/** Write an increment to a file in memory. @return its descriptor, at the beginning */
int increment_make(struct kt_store *store, const char *since, const char *to);

uint64_t increment_size(int fd);

int increment_apply(struct kt_store *store, int fd, unsigned flags);

/** Bring the backup from one point to another. */
void increment_follow(struct increment_world *f, const char *since, const char *to, unsigned flags);

/** Make the backup, of what a snapshot keeps; NULL: of all. */
void increment_back_up(struct increment_world *f, const char *name);

uint64_t increment_commit_of(struct kt_store *store);

/** Do two points in time, of different stores, have the same entries and made directories? */
void increment_assert_same(
	struct kt_store *a, const char *of_a, struct kt_store *b, const char *of_b);

/** A store with a snapshot "one", a backup of that, and changes up to a snapshot "two". */
void increment_prepare(struct increment_world *f);

#define INCREMENT_TEST(test)                                                                       \
	cmocka_unit_test_setup_teardown(test, increment_setup, increment_teardown)

#endif
