/* Header and slots: making a store, and finding its newest valid commit (I3, I4, I5).
 *
 *     slot.h    header, slots and recovery
 *     digest.h  the proof that a durable slot's pages are on the disk
 *
 * Opening reads the header and four slots, whatever the size of the store. A durable slot counts if
 * its digest proves that the pages written with it are there. A weak slot counts if it was written
 * in this boot and its pages are in the file. The page cache holds what a dead process wrote, and
 * loses it with the machine. It also loses it when the file system is shut down and mounted again,
 * or the disk is pulled; and a copy that the file system makes of a store in use never had some of
 * it. So the pages of a weak slot are proved (struct slot_rules), unless the slot was written to
 * this very file, in this mount, or while this handle had the file open. Without proof the last
 * flushed commit is the state of the store, and the weak slot is made void before the first write.
 *
 * Every weak slot, of any boot, also names the commit that was durable when it was written. That
 * commit needs no digest any more: if one of its pages is wrong, the page is damaged, and the
 * commit was not cut off by a crash. The damage is reported where it is read, because going back to
 * an older commit would show other data. Closing a store writes a weak slot for that reason alone.
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
	unsigned durable_page;	 /* of the newest valid durable slot; the next one goes to the
				    other page */
	uint64_t durable_txn;	 /* its commit */
	uint64_t confirmed_txn;	 /* newest durable commit that a weak slot names; 0: none */
};

/** Write header and first slot of a new store.
 *  @param id    16 random bytes
 *  @param slot  its content; NULL: an empty store */
int slot_format(struct io *io, const uint8_t *id, const struct format_slot *slot);

/** Read and check the header.
 *  @param ret_id        16 bytes
 *  @param ret_readonly  this version can read its features but not write them
 *  @return 0; -EMEDIUMTYPE not a store; -EUCLEAN; -ENOTSUP a newer format */
int slot_read_header(struct io *io, uint8_t *ret_id, bool *ret_readonly);

#define SLOT_COUNT 4

/** Proves that the file holds all pages of a weak slot's commit.
 *  @param durable  the newest durable slot: pages that it uses are in the file
 *  @return 0; -ENOMEM; another error: they are not all there */
typedef int slot_prove_fn(
	void *arg, const struct format_slot *durable, const struct format_slot *weak);

/** What counts when the newest valid state is looked for. */
struct slot_rules {
	const uint8_t *boot_id;	    /* of this boot, from slot_boot_id(); borrowed */
	uint64_t home;		    /* of the file, from io_home() */
	uint64_t sound;		    /* durable slots up to this commit need no digest */
	bool moving;		    /* other processes may write slots meanwhile */
	uint64_t found[SLOT_COUNT]; /* slot_checksums() when this handle opened the file: a slot
				       with another checksum was written since */
	slot_prove_fn *prove;
	void *arg; /* of prove */
};

/** Find the newest valid state.
 *  @param map    of the file
 *  @param rules  borrowed
 *  @return 0; -EUCLEAN there is none; -ENOMEM */
int slot_recover(struct io *io, const uint8_t *map, uint64_t seed, const struct slot_rules *rules,
	struct slot_state *ret_state);

/** Read the slot of a commit that was published. A writer may be overwriting it.
 *  @param page  where it is
 *  @return true; false: the page holds another commit */
bool slot_read(struct io *io, const uint8_t *map, uint64_t seed, uint64_t page, uint64_t txn,
	struct format_slot *ret_slot);

/** Read the checksums of all slots: one of them changes whenever a slot is written. */
void slot_checksums(const uint8_t *map, uint64_t ret_sums[SLOT_COUNT]);

/** Seal a slot and write it.
 *  @param page  PAGE_DURABLE, PAGE_DURABLE + 1, PAGE_WEAK or PAGE_WEAK + 1 */
int slot_write(struct io *io, struct format_slot *slot, uint64_t page, uint64_t seed);

/** Fill a slot with zeros, so that it is not valid any more. */
int slot_erase(struct io *io, uint64_t page);

/** Make slots void that are newer than the state that was found: their commits were cut off by a
 * crash. What they lack, such as the size of the file, may appear later, and the slots would then be
 * valid. A durable slot is erased; a weak one gets the number 0, and still tells which commit is
 * durable. Call this, and sync, before the first write.
 *  @param map        of the file
 *  @param txn        the newest commit there is
 *  @param ret_wiped  a slot was made void
 *  @return 0 or the error of the write */
int slot_wipe_newer(
	struct io *io, const uint8_t *map, uint64_t txn, uint64_t seed, bool *ret_wiped);

/** After a failed sync, erase the slots of commits that may not have reached the disk.
 *  @param durable_page  the slot that stays */
void slot_wipe(struct io *io, unsigned durable_page);

/** The same when it is unknown whether the newest durable slot is on the disk. If it is, pages of
 *  the older slot may have been overwritten, so both slots stay. The pages that the newest one
 *  lists are written once more: a later sync would not write them again after the failed one, and
 *  its success would prove nothing.
 *  @param map           of the file
 *  @param durable_page  the newest durable slot */
void slot_renew(struct io *io, const uint8_t *map, unsigned durable_page, uint64_t seed);

/** Id of this boot of the machine. @param ret_id  16 bytes; zeros if there is none */
void slot_boot_id(uint8_t *ret_id);

#endif
