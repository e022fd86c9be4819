/* Several processes on one store: starting, stopping and checking them.
 *
 * The other processes are children that open the store themselves. They talk with the test through
 * a page of shared memory and through their exit status: 0, or the line of what was not so.
 */
#ifndef TESTS_UNIT_PROCESS_WORLD_H
#define TESTS_UNIT_PROCESS_WORLD_H

#include "keytree_fs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* In a child: end with the line of what is not so. */
#define MUST(condition) ((condition) ? (void)0 : process_not_so(__FILE__, __LINE__, #condition))

struct process_shared {
	_Atomic int turn; /* rises as the test goes on; both sides wait for it */
	_Atomic uint64_t number;
	_Atomic bool stop;
};

struct process_world {
	char dir[64];
	char path[128];
	char lock[160];
	struct kt_store *store;
	struct process_shared *shared;
};

void process_not_so(const char *file, int line, const char *what);

int process_setup(void **state);

int process_teardown(void **state);

int64_t process_now_ns(void);

/** Wait until the turn has come to a number. */
void process_await(struct process_world *f, int turn);

void process_advance(struct process_world *f, int turn);

void process_join(pid_t pid);

void process_kill_child(pid_t pid);

int process_put_number(struct kt_store *store, const char *key, uint64_t number, unsigned flags);

/** @return the number; UINT64_MAX: there is none */
uint64_t process_number_in(struct kt_txn *txn, const char *key);

uint64_t process_get_number(struct kt_store *store, const char *key);

void process_check(struct kt_store *store);

/** Overwrite values until the free space has gone round many times. */
void process_churn(struct kt_store *store, int commits);

/** Is each value all of one byte, and whole? */
bool process_is_whole(struct kt_txn *txn);

/** A child that holds a read transaction while the parent writes. */
pid_t process_start_reader(struct process_world *f, unsigned flags, uid_t uid);

/** A test, for the list of a group. */
#define PROCESS_TEST(name) cmocka_unit_test_setup_teardown(name, process_setup, process_teardown)

#endif
