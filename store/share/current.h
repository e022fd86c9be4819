/* Which commit is current, and bringing a handle up to it.
 *
 *     commit.c       writes the slot, then calls current_publish(): the lock area's `published`,
 *                    the handle's root, the futex
 *     pins.c         calls current_refresh() when `published` differs from the handle's root
 *     writer_lock.c  calls current_follow() when another handle wrote since
 *
 * A root is read from a slot of the file, whose checksum proves it whole. The second commit after
 * it overwrites the slot. A reader that finds another number in the slot then also finds another
 * number published, and tries again.
 */
#ifndef STORE_SHARE_CURRENT_H
#define STORE_SHARE_CURRENT_H

#include "store/share/handle.h"

/** Enter the lock area and load the newest commit, when the store is opened.
 *  @param alone  as KT_ALONE */
int current_open(struct kt_store *store, bool alone);

/** Free the roots. */
void current_fini(struct kt_store *store);

/** Load the published commit. The caller holds a pin of an earlier commit.
 *  @param ret_root  the current root, or a newer one
 *  @return 0; -EIO an earlier flush failed, and that commit is lost; -EUCLEAN; -ENOMEM */
int current_refresh(struct kt_store *store, struct root **ret_root);

/** The same; the caller holds root_mutex. */
int current_refresh_locked(struct kt_store *store);

/** Load what other writers committed, and what a dead writer left (P2). The caller holds WRITE. */
int current_follow(struct kt_store *store);

/** Make a commit visible to all processes. Its slot is in the file (P1). @param root  taken */
void current_publish(struct kt_store *store, struct root *root);

/** Find the slot of a commit that is, or was, published.
 *  @param published  see lockarea.h
 *  @return 0; -EAGAIN it was overwritten */
int current_slot(const struct kt_store *store, uint64_t published, struct format_slot *ret_slot);

/** After a failed sync: stop all processes from writing (P6). */
void current_poison(struct kt_store *store);

/** Did a sync fail? */
bool current_is_poisoned(const struct kt_store *store);

/** Is the newest durable slot known to be on the disk? */
static inline bool current_is_synced(const struct kt_store *store)
{
	return atomic_load(&store->area->synced_txn) >= store->slot_txn;
}

#endif
