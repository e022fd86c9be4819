/* One store, many processes: the lock area, and what every process may rely on.
 *
 *     lockarea.h     the shared memory and locks of all processes, and the invariants P1 to P6
 *     handle.h       an open store in one process
 *     current.h      which commit is current
 *     pins.h         readers keep the pages they see
 *     writer_lock.h  one writer at a time
 *     waiter.c       waiting for commits
 *     process_list.c who has the store open
 *     key_claim.c    a key that one handle has claimed: a file that is being created
 *     step.h         named points of the protocol, for tests
 *
 *     STORE                                     STORE-lock, mapped by all processes
 *     +----------------------------------+      +----------------------------------------------+
 *     | header | slots | pages           |      | published  futex | writer's | openers | pins |
 *     +----------------------------------+      +----------------------------------------------+
 *       locks: MARK+n PIN+txn                     numbers only: nothing in it leads to a page
 *                                                 locks: OPEN WRITE QUEUE WRITABLE FROZEN OPENER+n
 *
 * The store's file is the truth: its slots hold the commits (slot/slot.h). The lock area tells
 * which commit is current and which commits are read, and wakes processes that wait. It is shared
 * memory in a file of its own, which the first process to open the store creates anew. Locks are
 * bytes far behind the end of the two files. The kernel drops the locks of a process that dies, so
 * no lock is left behind, and nothing depends on process numbers.
 *
 * Locks of the lock file. Its mode lets only those read it who may write the store, so a user who
 * may only read the store cannot keep a lock from a writer:
 *
 *     OPEN      exclusive, held while opening. The first opener creates the lock area anew
 *     WRITABLE  shared, by all handles opened for writing; exclusive with KT_ALONE
 *     FROZEN    shared, by readers with KT_ALONE: nobody may open the store for writing
 *     OPENER+n  shared, by the handle registered as opener n: it shows that the process lives.
 *               Exclusive, by a writer that clears the entry
 *     WRITE     exclusive, by the writer: the writer lock
 *     QUEUE     exclusive, by the first process that waits for WRITE: see writer_lock.c
 *     CLAIM+n   exclusive, by the handle that has claimed keys of hash n: see key_claim.c
 *
 * Locks of the store's file:
 *
 *     MARK+n    exclusive, one byte by each handle that uses the lock area. The number of the area
 *               is in n. An opener that finds a mark of another area would not see those handles:
 *               the store was opened under two names, or its lock file was removed
 *     PIN+txn   shared, by unprivileged readers: see pins.c
 *
 * The lock area belongs to one file: it records the device and inode of the store. While a handle
 * uses it, another file that has taken the name of the store is refused with -ESTALE.
 *
 * Invariants, on top of those of the design (I1 to I9):
 *  P1  A slot is in the file before its commit is published. So a commit that a reader can have
 *      seen is found again when all processes are killed.
 *  P2  The holder of WRITE puts its id into `writer_id`, and clears it before it releases WRITE. A
 *      process that gets WRITE and finds an id knows that the last writer died. The newest valid
 *      slot is then the current commit, published or not, and it is not known what the dead writer
 *      wrote since the last flush.
 *  P3  A page is written again only by the holder of WRITE, after it has read all pins. A reader
 *      pins first and then reads which commit is current. So either the writer sees the pin, or the
 *      reader sees the newer commit.
 *  P4  A pin counts while the lock of its opener is held. Only the holder of WRITE clears the entry
 *      of a dead opener, and only while it holds OPENER+n exclusively: a new opener registers by
 *      locking OPENER+n first and then storing its id, so it cannot take the entry meanwhile.
 *  P5  An opener has an id that is never used again (64 random bits). It names the owner of
 *      nameless entries.
 *  P6  After a failed sync no process writes until all have closed the store (I6).
 *
 * Write permission for the lock area goes with write permission for the store. An unprivileged
 * reader, which may only read the store, needs to write nothing: it locks the byte of each commit
 * it pins, and writers see these locks. It finds the current commit in the slots, and does not
 * touch the lock file. On a read-only file system all readers are unprivileged, and nobody writes.
 *
 * A lock of a user who may only read the store can do two things. A lock of PIN bytes keeps pages,
 * as a reader does. A lock of all MARK bytes leaves a writer without a mark; the writer then relies
 * on the number of names that the store has.
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
#define LOCK_MARK (LOCK_BASE + (UINT64_C(1) << 40))
#define LOCK_MARKS (UINT64_C(1) << 12)	    /* of one lock area */
#define LOCK_MARK_AREAS (UINT64_C(1) << 20) /* lock areas that are told apart */
#define LOCK_PIN (LOCK_BASE + (UINT64_C(1) << 50))
#define LOCK_CLAIM (LOCK_BASE + (UINT64_C(1) << 60))
#define LOCK_CLAIMS (UINT64_C(1) << 60)

#define LOCKAREA_OPENERS 1024
#define LOCKAREA_BLOCKS 1024
#define LOCKAREA_PINS 63 /* in a block */

/* Value of `published`: bits 0-47 the number of the current commit, 48-50 the page of its slot. The
 * number alone is not enough: a crash may leave a slot of the same number that was undone. */
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

/** An entry of the table of handles that have the store open. */
struct opener {
	_Atomic uint64_t id;  /* 0: free */
	_Atomic uint32_t pid; /* for messages only: it may be of another pid namespace */
	_Atomic uint32_t foreign_waiters; /* threads that wait for commits of other handles */
};

/** Pin of a read transaction. 0: free; else the transaction number that is pinned. */
struct pin {
	alignas(64) _Atomic uint64_t txn; /* a cache line of its own: readers do not slow
					     each other down */
	_Atomic int64_t begun_ns; /* when the read transaction began, of CLOCK_MONOTONIC_COARSE */
};

/** Pins of one opener. */
struct pin_block {
	struct pin pins[LOCKAREA_PINS];
	char unused[64];
};

struct lockarea {
	_Atomic uint64_t ready; /* LOCKAREA_READY once the area is filled */
	uint8_t store_id[16];
	uint8_t boot_id[16];
	uint64_t store_device, store_inode; /* of the store's file */
	_Atomic uint32_t openers_used;	    /* entries of openers that were ever used */
	_Atomic uint32_t blocks_used;

	alignas(64) _Atomic uint64_t published; /* the current commit: see published_make() */

	alignas(64) _Atomic uint32_t futex; /* each commit adds 1 and wakes its waiters */
	_Atomic uint32_t waiters; /* threads that wait for any commit; dead ones stay counted */

	/* Written by the holder of WRITE, read by all: */
	alignas(64) _Atomic uint64_t writer_id; /* opener id of the holder of WRITE; 0: none */
	_Atomic uint64_t last_writer_id; /* opener id of the last process that wrote to the file */
	_Atomic uint64_t durable_txn;	 /* newest commit with a durable slot */
	_Atomic uint64_t synced_txn;	 /* newest commit that is known to be synced */
	_Atomic uint64_t shrink_txn;	 /* newest commit that cut the file; older readers may
					      reach beyond; 0: none */
	_Atomic uint32_t queued;	 /* a process holds QUEUE, or died holding it */

	struct opener openers[LOCKAREA_OPENERS];
	_Atomic uint32_t owners[LOCKAREA_BLOCKS]; /* index of the opener + 1; 0: free */
	struct unsynced unsynced;		  /* the writer's */

	alignas(PAGE_SIZE) struct pin_block blocks[LOCKAREA_BLOCKS];
};

#define LOCKAREA_READY IO_AREA_MAGIC
#define LOCKAREA_READY_OLD UINT64_C(0x31306b636f6c746b) /* its users lock the store instead */

_Static_assert(sizeof(struct pin_block) == PAGE_SIZE, "a block of pins is a page");

struct kt_store;
struct slot_state;

/** What lockarea_enter() found. */
enum lockarea_entry {
	LOCKAREA_FIRST,	       /* no other handle uses the area */
	LOCKAREA_JOINED,       /* other handles use it */
	LOCKAREA_UNPRIVILEGED, /* the area cannot be used: an unprivileged reader */
};

/** Map the area, and lock OPEN.
 *  @param alone      no other handle may write
 *  @param ret_entry  see enum lockarea_entry
 *  @return 0; -EBUSY; -ESTALE another file has the name of the store, or had it when others opened
 *          it; -ENOTSUP no locks; -EACCES and others: it cannot be written, but should */
int lockarea_enter(struct kt_store *store, bool alone, enum lockarea_entry *ret_entry);

/** Fill the area anew. No other handle uses it.
 *  @param state  the newest valid slot */
int lockarea_create(struct kt_store *store, const struct slot_state *state);

/** May a reader that is the first opener use the area as the last process left it?
 *  @param state  the newest valid slot */
bool lockarea_is_reusable(const struct kt_store *store, const struct slot_state *state);

/** Use a private area: the reader is unprivileged. @param state  the newest valid slot */
int lockarea_make_private(struct kt_store *store, const struct slot_state *state);

/** Register among the openers, and unlock OPEN. */
int lockarea_register(struct kt_store *store);

/** Keep everybody from opening a store for writing until the file is closed, so that another file can
 * take its name. Unprivileged readers keep what they see.
 *  @param io  of the store
 *  @return 0; -EBUSY a process uses it; -ESTALE its name leads to another file; -EACCES and others:
 *          its lock file cannot be used */
int lockarea_hold(struct io *io);

/** Unregister, if registered. */
void lockarea_leave(struct kt_store *store);

/** Process of the handle that holds WRITE; 0: none does, or it is not known. */
uint32_t lockarea_writer_pid(const struct lockarea *area);

/** Is the process of an opener alive? @param index  of the opener */
bool lockarea_is_alive(struct kt_store *store, uint32_t index);

/** Clear pins and entry of an opener, if it is dead. The caller holds WRITE (P4). */
void lockarea_reap(struct kt_store *store, uint32_t index);

/** Take a block of pins.
 *  @param ret_block  its number
 *  @return 0; -ENFILE all are taken; -ENOSPC */
int lockarea_claim_block(struct kt_store *store, uint32_t *ret_block);

/** Wake the processes that wait for a commit: `published` changed. */
void lockarea_notify(struct kt_store *store);

/** Wake all threads that wait on the futex. */
void lockarea_wake(struct lockarea *area);

#endif
