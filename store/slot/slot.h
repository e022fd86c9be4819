/* Header and slots: making a store, and finding its newest valid state (I3, I4, I5).
 *
 * Opening reads the header and four slots, whatever the size of the store. A durable slot counts if
 * its digest proves that what it was written with is there; a weak slot counts if this boot wrote
 * it: what a dead process wrote is then still in the page cache, and lost only with the machine.
 *
 * Every weak slot, of whatever boot, tells which commit was durable when it was written. That one
 * needs no digest any more: if a page of it is not right, it is damaged, and not a commit that was
 * cut off. The damage is then found where it is met; going back to an older commit would be to
 * show other data. A store that is closed gets a weak slot for that alone.
 */
#ifndef STORE_SLOT_SLOT_H
#define STORE_SLOT_SLOT_H

#include "store/format.h"

#include <stdbool.h>
#include <stddef.h>

struct io;

/** What opening found. */
struct slot_state {
	struct format_slot slot; /* the newest valid one */
	bool weak;		 /* it is a weak slot */
	unsigned durable_page;	 /* page of the newest valid durable slot: the other one is written
				    next */
	uint64_t durable_txn;	 /* its commit */
	uint64_t confirmed_txn;	 /* newest durable commit that a weak slot tells of; 0: none */
};

/** Write header and first slot of a new store.
 *  @param id    16 random bytes
 *  @param slot  what it is to describe; NULL: an empty store */
int slot_format(struct io *io, const uint8_t *id, const struct format_slot *slot);

/** Read and check the header.
 *  @param ret_id        16 bytes
 *  @param ret_readonly  it has a feature that this version can read but not write
 *  @return 0; -EMEDIUMTYPE not a store; -EUCLEAN; -ENOTSUP a newer format */
int slot_read_header(struct io *io, uint8_t *ret_id, bool *ret_readonly);

#define SLOT_COUNT 4

/** Find the newest valid state.
 *  @param map      of the file
 *  @param boot_id  of this boot, from slot_boot_id()
 *  @param sound    durable slots up to this commit need no proof
 *  @param moving   slots may be written meanwhile
 *  @return 0; -EUCLEAN there is none */
int slot_recover(struct io *io, const uint8_t *map, uint64_t seed, const uint8_t *boot_id,
	uint64_t sound, bool moving, struct slot_state *ret_state);

/** Read the slot of a commit that is not in doubt, while it may be written over.
 *  @param page  where it is
 *  @return true; false: it is there no more */
bool slot_read(struct io *io, const uint8_t *map, uint64_t seed, uint64_t page, uint64_t txn,
	struct format_slot *ret_slot);

/** Read what changes whenever a slot is written. */
void slot_checksums(const uint8_t *map, uint64_t ret_marks[SLOT_COUNT]);

/** Seal a slot and write it.
 *  @param page  PAGE_DURABLE or PAGE_WEAK, or the one behind */
int slot_write(struct io *io, struct format_slot *slot, uint64_t page, uint64_t seed);

/** Make a slot count no more. */
int slot_erase(struct io *io, uint64_t page);

/** Wipe a durable slot that is newer than the state that was found: a commit that was cut off. What
 * it lacks, the size of the file say, may come about later, and it would count then. To be called,
 * and synced, before the first write.
 *  @param map        of the file
 *  @param txn        the newest commit there is
 *  @param ret_wiped  there was one
 *  @return 0 or the error of the write */
int slot_wipe_newer(
	struct io *io, const uint8_t *map, uint64_t txn, uint64_t seed, bool *ret_wiped);

/** Wipe the slots of commits that may not have reached the disk, after a failed sync.
 *  @param durable_page  the slot that stays */
void slot_wipe(struct io *io, unsigned durable_page);

/** The same where nobody knows whether the newest durable slot is on the disk. It may be, and pages
 *  of the other one be written over; so both stay. What was to be synced with it is written once
 *  more, because a sync that succeeds later would not do that, and prove nothing.
 *  @param map           of the file
 *  @param durable_page  the newest durable slot */
void slot_renew(struct io *io, const uint8_t *map, unsigned durable_page, uint64_t seed);

/** Id of this boot of the machine. @param ret_id  16 bytes; zeros if there is none */
void slot_boot_id(uint8_t *ret_id);

#endif
