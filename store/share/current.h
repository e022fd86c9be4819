/* Which commit is current, and bringing a handle up to it.
 *
 *     commit.c:  slot written -> current_publish() -> lock area's `published`, own root, bell
 *     pins.c: `published` is another than that of the own root -> current_refresh()
 *     writer_lock.c:    another one wrote since -> current_follow()
 *
 * A root comes from a slot of the file, whose checksum proves it whole. The slot of a commit is
 * written over by the second one after it, so a reader that finds none of that number finds another
 * number published as well, and tries again.
 */
#ifndef STORE_SHARE_CURRENT_H
#define STORE_SHARE_CURRENT_H

#include "store/share/handle.h"

/** Take up the newest state when the store is opened; and enter the lock area.
 *  @param alone  as KT_ALONE */
int current_open(struct kt_store *store, bool alone);

/** Free the roots. */
void current_fini(struct kt_store *store);

/** Bring the root up to what is published. The caller holds a pin of an earlier commit.
 *  @param ret_root  the current one, or a newer one
 *  @return 0; -EIO an earlier flush failed, and that commit is lost; -EUCLEAN; -ENOMEM */
int current_refresh(struct kt_store *store, struct root **ret_root);

/** The same, by one who holds root_mutex. */
int current_refresh_locked(struct kt_store *store);

/** Take up what other writers have done, and what a dead one has left (P2). Only with the turn. */
int current_follow(struct kt_store *store);

/** Make a commit visible to all. Its slot is in the file (P1). @param root  taken */
void current_publish(struct kt_store *store, struct root *root);

/** Find the slot of a commit that is, or was, published.
 *  @param published  see lockarea.h
 *  @return 0; -EAGAIN it has been written over */
int current_slot(const struct kt_store *store, uint64_t published, struct format_slot *ret_slot);

/** A sync failed: nobody writes any more (P6). */
void current_poison(struct kt_store *store);

/** Did a sync fail? */
bool current_is_poisoned(const struct kt_store *store);

/** Is the newest durable slot known to be on the disk? */
static inline bool current_is_synced(const struct kt_store *store)
{
	return atomic_load(&store->area->synced_txn) >= store->slot_txn;
}

#endif
