/* An open store: one handle of one process.
 *
 *     readers   pin the current root and read its trees; they take no lock
 *     writer    one at a time, with the writer lock; it owns the fields below "the writer's"
 *
 * Other processes, and other handles of this process, have the same store open; lockarea.h tells
 * what all of them share. A handle learns of their commits when it begins a transaction
 * (current.h).
 *
 * A commit makes a new root and replaces the current one with a single store to memory. A replaced
 * root is freed when no reader of this handle can hold it any more.
 */
#ifndef STORE_SHARE_HANDLE_H
#define STORE_SHARE_HANDLE_H

#include "keytree_fs.h"
#include "store/share/lockarea.h"
#include "store/slot/slot.h"

#include <pthread.h>

struct autoflush;
struct commit_hooks;
struct seen;
struct space;
struct txn;

/** A commit, as readers see it. It never changes after it is published. */
struct root {
	uint64_t txn;
	uint64_t published; /* value of the lock area's `published` while this root is current */
	uint64_t page_count;
	uint64_t next_id;
	int64_t time_ns;
	uint64_t free_pages, pending_pages; /* for kt_info() */
	struct format_tree trees[TREE_COUNT];
	struct root *older; /* next in the list of replaced roots, newest first */
};

/** A thread that waits for the writer lock. */
struct writer_waiter {
	struct writer_waiter *prev, *next;
};

#define HANDLE_PIN_BLOCKS 256 /* most blocks of pins that one handle takes */

struct kt_store {
	/* What beginning a read transaction reads: */
	const _Atomic char *not_forked; /* of io: 0 in the child of a fork */
	bool unprivileged;     /* a reader that may not write the lock area; area is private */
	struct lockarea *area; /* shared with all handles of all processes */
	_Atomic(struct pin_block *) pins; /* first block of pins; NULL: none taken yet */
	_Atomic uint64_t root_txn;	  /* number of root, or of an older one not freed yet */
	_Atomic(struct root *) root;	  /* the newest commit that this handle knows */

	char *name; /* for kt_name() */
	struct io *io;
	bool readonly;
	uint8_t id[16];
	uint8_t boot_id[16];
	uint64_t seed; /* of the checksums */
	const uint8_t *map;
	uint64_t map_pages;
	struct seen *seen;		  /* pages that were verified */
	const struct commit_hooks *hooks; /* what higher layers add to a commit */

	uint64_t device, inode;		     /* of the file */
	bool frozen;			     /* it keeps the store from being written: KT_ALONE */
	uint64_t slot_checksums[SLOT_COUNT]; /* unprivileged: of the slots that were read last */
	uint64_t slots_found[SLOT_COUNT];    /* at opening; 0: that slot is known to be good */
	uint64_t home;			     /* of the file, from io_home() */
	slot_prove_fn *prove;		     /* weak slots; a function of a higher layer */
	uint64_t opener_id;		     /* random number of this opening (P5) */
	uint32_t opener_number;		     /* index among the openers, + 1; 0: none */

	pthread_mutex_t root_mutex;		    /* for replacing root */
	struct root *replaced;			    /* replaced roots that a reader may hold */
	_Atomic uint32_t blocks[HANDLE_PIN_BLOCKS]; /* blocks of pins: number + 1; 0: not taken */
	struct txn *read_txns[LOCKAREA_PINS];	    /* by pin of the first block: pin_memory() */

	int write_wait_ms; /* how long kt_begin() waits to write; negative: without a limit */
	struct autoflush *autoflush;  /* NULL: nothing is flushed by itself */
	pthread_mutex_t writer_mutex; /* protects the next four */
	pthread_cond_t writer_free;
	struct writer_waiter *writer_list; /* threads that wait, in the order in which they came */
	bool writer_active;
	pthread_t writer_thread;

	/* The writer's: */
	struct space *space;		   /* NULL until the first write transaction */
	bool space_stale;		   /* space and snapshot belong to an earlier commit */
	_Atomic uint64_t max_pages;	   /* of the file, by kt_set_max_size(); else PAGE_MAX */
	_Atomic uint64_t max_with_reserve; /* the same for a transaction that uses the reserve */
	struct format_slot slot;  /* as written last: log tail and space for the next one */
	uint64_t confirmed_txn;	  /* newest durable commit that a weak slot in the file names */
	unsigned durable_page;	  /* where the newest durable slot is */
	uint64_t slot_txn;	  /* newest commit with a durable slot */
	uint64_t opened_txn;	  /* newest commit with a durable slot at opening */
	_Atomic uint64_t own_txn; /* newest commit that kt_close() of this handle flushes */
	uint64_t snapshot;	  /* newest snapshot; 0: there is none */
	uint64_t nameless_owner;  /* of this handle's nameless entries; 0: it has none */
	bool full;		  /* the last attempt to grow the file failed (commit.c) */
	uint8_t *scratch;	  /* memory for the next transaction: see struct pager */
	uint64_t spill_pages;	  /* pages that a transaction may keep in memory */
};

#endif
