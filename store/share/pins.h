/* Pins: how readers keep the pages they see from being written again. See pins.c. */
#ifndef STORE_SHARE_PINS_H
#define STORE_SHARE_PINS_H

#include "store/share/handle.h"

/** Pin the current root for a reader.
 *  @param ret_pin   release with pin_release()
 *  @param ret_root  valid while pinned
 *  @return 0; -ENOMEM; -ENFILE too many; -ECHILD after a fork */
int pin_take(struct kt_store *store, struct pin **ret_pin, struct root **ret_root);

void pin_release(struct kt_store *store, struct pin *pin);

/** Where the memory of a pin's read transaction is kept. Transactions that take the pin one after
 * the other use the same memory, so a transaction for a single get spends no time on malloc(). It
 * is freed with the store.
 *  @return NULL: the pin keeps none; the handle has many pins at once */
struct txn **pin_memory(struct kt_store *store, const struct pin *pin);

/** Move a pin to the current root. The caller holds the writer lock. */
void pin_move(struct pin *pin, uint64_t txn);

/** Readers, counted by their pins. */
struct readers {
	uint64_t oldest; /* oldest transaction that is pinned; UINT64_MAX: none */
	unsigned count;
	uint32_t pid; /* process that pins the oldest one; 0: not known */
};

/** Count the readers of this handle. */
void pins_readers_here(struct kt_store *store, struct readers *ret_readers);

/** Count the readers of all processes. */
void pins_readers(struct kt_store *store, struct readers *ret_readers);

/** Oldest transaction up to last that a reader pins, or last. Clears pins of dead processes. The
 * caller holds the writer lock. */
uint64_t pins_oldest(struct kt_store *store, uint64_t last);

#endif
