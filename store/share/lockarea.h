/* One store, many processes: the lock area, and what every process may rely on.
 *
 *     STORE                                     STORE-lock, mapped by all
 *     +----------------------------------+      +---------------------------------------------+
 *     | header | slots | pages           |      | published  bell | writer's | openers | pins |
 *     +----------------------------------+      +---------------------------------------------+
 *       locks: OPEN TURN NEXT WRITERS STILL       numbers only: nothing in it leads to a page
 *              AREA+n OPENER+n PIN+txn
 *
 * The store's file is the truth: its slots tell the commits (slot.h). The lock area says which of
 * them is current, who reads what, and wakes who waits; it is shared memory in a file of its own,
 * made anew by the first who opens the store. Locks are bytes of the store's file far behind its
 * end. The kernel drops them when a process dies, so none is ever left behind, and no process
 * number is believed.
 *
 *     OPEN      held while opening: to write exclusively, to read shared. Who comes first makes the
 *               area anew
 *     AREA+n    shared by all who use the lock area number n. Who finds another number locked would
 *               not see the others: the store was opened by two names, or its lock file replaced
 *     WRITERS   shared by all who opened it to write; exclusive with KT_ALONE
 *     STILL     shared by readers with KT_ALONE: nobody opens it to write
 *     OPENER+n  shared, by the one who has place n among the openers: it lives
 *     TURN      exclusive, by the writer
 *     NEXT      exclusive, by the one who waits for TURN: see writer_lock.c
 *     PIN+txn   shared, by readers that may not write the lock area: see pins.c
 *
 * Invariants, on top of those of the design (I1 to I9):
 *  P1  A slot is in the file before its commit is published. So what any reader can have seen is
 *      what is found when all processes are killed.
 *  P2  Whoever has TURN says so in `busy`, and takes that back before letting TURN go. Who gets
 * TURN and finds `busy` set knows that the last writer died: the newest valid slot is the current
 *      commit, published or not, and what it wrote since the last flush is not known.
 *  P3  A page is written again only by the one who has TURN, after looking at all pins. A reader
 *      pins first and then looks which commit is current; so either the writer sees the pin, or the
 *      reader sees the newer commit.
 *  P4  A pin counts while the lock of its owner's place stands. Only who has TURN clears a place
 *      whose owner is dead; a place is taken by locking it first and then putting an id there.
 *  P5  A place has a number that is never given again (64 random bits). It names the owner of
 *      nameless entries.
 *  P6  After a failed sync nobody writes any more until all have closed the store (I6).
 *
 * Who may write the lock area is who may write the store. Who may only read the store locks the
 * bytes of what it reads instead; it needs nothing to be writable, and the writers see its locks.
 * Such a reader is told apart: it finds the current commit in the slots. On a read-only file system
 * nobody writes, and all are such readers.
 */
#ifndef STORE_SHARE_LOCKAREA_H
#define STORE_SHARE_LOCKAREA_H

#include "store/format.h"
#include "store/io/io.h"
#include "store/tree/unsynced.h"

#include <stdalign.h>
#include <stdatomic.h>

#define LOCK_BASE (UINT64_C(1) << 62)
#define LOCK_OPEN LOCK_BASE
#define LOCK_WRITE (LOCK_BASE + 1)
#define LOCK_QUEUE (LOCK_BASE + 2)
#define LOCK_WRITABLE (LOCK_BASE + 3)
#define LOCK_FROZEN (LOCK_BASE + 4)
#define LOCK_OPENER (LOCK_BASE + (UINT64_C(1) << 20))
#define LOCK_AREA (LOCK_BASE + (UINT64_C(1) << 40))
#define LOCK_AREAS (UINT64_C(1) << 32)
#define LOCK_PIN (LOCK_BASE + (UINT64_C(1) << 50))

#define LOCKAREA_OPENERS 1024
#define LOCKAREA_BLOCKS 1024
#define LOCKAREA_PINS 63 /* in a block */

/* What is published: bits 0-47 the number of the current commit, 48-50 the page of its slot.
 * Another slot of that number may be left from a commit that a crash undid. */
#define PUBLISHED_POISONED (UINT64_C(1) << 63)

static inline uint64_t published_make(uint64_t txn, uint64_t page)
{
	return txn | page << TXN_BITS;
}

static inline uint64_t published_txn(uint64_t published)
{
	return published & TXN_MAX;
}

static inline uint64_t published_page(uint64_t published)
{
	return (published & ~PUBLISHED_POISONED) >> TXN_BITS;
}

/** A place among those who have the store open. */
struct opener {
	_Atomic uint64_t id;		  /* 0: free */
	_Atomic uint32_t pid;		  /* for people only: it may be of another pid namespace */
	_Atomic uint32_t foreign_waiters; /* who wait for commits by others, here */
};

/** Pin of a read transaction. 0: free; else the transaction number that is pinned. */
struct pin {
	alignas(64) _Atomic uint64_t txn; /* a cache line each, so that readers do not slow each
					     other */
};

/** Pins of one opener. */
struct pin_block {
	struct pin pins[LOCKAREA_PINS];
	char unused[64];
};

struct lockarea {
	_Atomic uint64_t ready; /* LOCKAREA_READY once all of it is right */
	uint8_t store_id[16];
	uint8_t boot_id[16];
	_Atomic uint32_t openers_used; /* places that ever were taken */
	_Atomic uint32_t blocks_used;

	alignas(64) _Atomic uint64_t published; /* the current commit: see above */

	alignas(64) _Atomic uint32_t futex; /* a futex: rung by each commit */
	_Atomic uint32_t waiters;	    /* who wait for any commit, perhaps dead ones too */

	/* The writer's: of the one who has TURN. Readable by all. */
	alignas(64) _Atomic uint64_t writer_id; /* id of the one who has it; 0: none */
	_Atomic uint64_t last_writer_id;	/* id of the one who changed the file last */
	_Atomic uint64_t durable_txn;		/* newest commit with a durable slot */
	_Atomic uint64_t synced_txn;		/* newest commit that is known to be on the disk */
	_Atomic uint64_t shrink_txn; /* newest commit that cut the file; older readers may
					      reach beyond; 0: none */
	_Atomic uint32_t queued;     /* somebody has NEXT, or died with it */

	struct opener openers[LOCKAREA_OPENERS];
	_Atomic uint32_t owners[LOCKAREA_BLOCKS]; /* place of the opener + 1; 0: free */
	struct unsynced unsynced;		  /* the writer's */

	alignas(PAGE_SIZE) struct pin_block blocks[LOCKAREA_BLOCKS];
};

#define LOCKAREA_READY UINT64_C(0x31306b636f6c746b)

_Static_assert(sizeof(struct pin_block) == PAGE_SIZE, "a block of pins is a page");

struct kt_store;
struct slot_state;

/** How a store was entered. */
enum lockarea_entry {
	LOCKAREA_FIRST,	       /* nobody else is using the area */
	LOCKAREA_JOINED,       /* others are */
	LOCKAREA_UNPRIVILEGED, /* it cannot be used: a reader that locks what it reads */
};

/** Take OPEN, and map the area.
 *  @param alone      nobody else may write
 *  @param ret_entry  see enum lockarea_entry
 *  @return 0; -EBUSY; -ENOTSUP no locks; -EACCES and others: it cannot be written, but should */
int lockarea_enter(struct kt_store *store, bool alone, enum lockarea_entry *ret_entry);

/** Make the area anew: nobody uses it.
 *  @param state  what is in the file */
int lockarea_create(struct kt_store *store, const struct slot_state *state);

/** May a reader that is the first use the area as it was left?
 *  @param state  what is in the file */
bool lockarea_is_reusable(const struct kt_store *store, const struct slot_state *state);

/** Use no area but a private one. @param state  what is in the file */
int lockarea_make_private(struct kt_store *store, const struct slot_state *state);

/** Take a place among the openers, and let OPEN go. */
int lockarea_register(struct kt_store *store);

/** Give the place back. Where there is none, nothing happens. */
void lockarea_leave(struct kt_store *store);

/** Is the owner of a place alive? */
bool lockarea_is_alive(struct kt_store *store, uint32_t place);

/** Clear the place of an opener that is dead. Only with the turn (P4). */
void lockarea_reap(struct kt_store *store, uint32_t place);

/** Take a block of pins.
 *  @param ret_block  its number
 *  @return 0; -ENFILE all are taken; -ENOSPC */
int lockarea_claim_block(struct kt_store *store, uint32_t *ret_block);

/** Ring the bell: something was published. */
void lockarea_notify(struct kt_store *store);

/** Wake all who listen. */
void lockarea_wake(struct lockarea *area);

#endif
