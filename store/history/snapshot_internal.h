/* The records and dead lists of snapshots, for snapshot.c and snapshot_delete.c only. */
#ifndef STORE_HISTORY_SNAPSHOT_INTERNAL_H
#define STORE_HISTORY_SNAPSHOT_INTERNAL_H

#include "store/history/snapshot.h"

#include <stddef.h>

/** Why a call on a snapshot returns -ENOENT. */
#define SNAPSHOT_MISSING "no such snapshot"

#define RECORD_KEY 9
#define DEAD_KEY 17

/** Key of a snapshot's record. */
void snapshot_record_key(uint64_t snapshot, uint8_t key[RECORD_KEY]);

/** Key of a dead list. @param freed  the transaction that freed what is in it */
void snapshot_dead_key(uint64_t snapshot, uint64_t freed, uint8_t key[DEAD_KEY]);

/** A snapshot's record, taken apart. */
struct snapshot_record {
	struct format_snapshot kept;
	char name[KT_NAME_MAX + 1];
};

/** Find a snapshot by name.
 *  @param tree        of snapshots
 *  @param ret_before  the one before it, 0: none; may be NULL
 *  @return 0; -ENOENT */
int snapshot_find_name(struct kt_txn *tree, const char *name, struct snapshot_record *ret_record,
	uint64_t *ret_before);

/** Element of a dead list. */
struct dead snapshot_parse_dead(const struct kt_slice *list, size_t index);

/** Add to a dead list. @param freed  the transaction that freed the pages */
int snapshot_add_dead(struct kt_txn *tree, uint64_t snapshot, uint64_t freed,
	const struct dead *dead, size_t count);

/** Receives a dead list. @return 0 to go on */
typedef int snapshot_list_fn(
	void *arg, struct kt_txn *tree, uint64_t freed, const struct kt_slice *list);

/** Visit the dead lists of a snapshot. @param each  may delete what it gets */
int snapshot_each_list(struct kt_txn *tree, uint64_t snapshot, snapshot_list_fn *each, void *arg);

#endif
