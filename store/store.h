/* The parts of an open store, and who may touch them when.
 *
 *     readers   take the current root and pin its transaction; no lock
 *     writer    one at a time, by turn; everything below "the writer's" belongs to it
 *
 * A commit makes a new root and puts it in place with one store. Roots that were replaced stay
 * until no reader is pinned before them.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "keytree.h"
#include "pager.h"
#include "slot.h"
#include "written.h"

#include <pthread.h>

/** A commit, as readers see it. Never changed after it is published. */
struct root {
	uint64_t txn;
	uint64_t page_count;
	uint64_t next_id;
	int64_t time_ns;
	struct format_tree trees[TREE_COUNT];
	struct root *older; /* list of replaced roots, newest first */
};

#define PINS_PER_BLOCK 64

/** Pins of read transactions. 0: free; else the transaction number that is pinned. */
struct pin {
	_Atomic uint64_t txn;
	char pad[56]; /* a cache line each, so that readers do not slow each other */
};

struct pin_block {
	struct pin pins[PINS_PER_BLOCK];
	_Atomic(struct pin_block *) next;
};

struct kt_store {
	char *name;
	struct io *io;
	bool readonly;
	uint8_t id[16];
	uint8_t boot_id[16];
	uint64_t seed;
	const uint8_t *map;
	uint64_t map_pages;
	struct seen *seen;

	_Atomic(struct root *) root;
	struct pin_block pins; /* the first; others are added when all are taken */
	_Atomic uint64_t durable_txn;
	_Atomic int poisoned; /* error of a failed sync (I6), or 0 */

	pthread_mutex_t turn_mutex; /* protects the next three */
	pthread_cond_t turn_free;
	bool turn_taken;
	pthread_t turn_owner;

	/* The writer's: */
	struct root *replaced;			    /* roots that were current before */
	struct space *space;			    /* NULL until the first write transaction */
	_Atomic uint64_t space_free, space_pending; /* for kt_info(), as of the last commit */
	struct format_slot slot; /* as last written: log tail and space for the next one */
	bool proved;		 /* the current durable slot is known to be on the disk */
	uint64_t witnessed_txn;	 /* newest durable commit that a weak slot in the file tells of */
	unsigned durable_page;	 /* where the newest durable slot is */
	uint64_t slot_txn;	 /* newest commit with a durable slot */
	uint64_t opened_txn;	 /* the one that was there when it was opened */
	uint64_t snapshot;	 /* newest snapshot; 0: there is none */
	uint64_t file_pages;	 /* of the file */
	struct written written;
	bool full;	  /* the last attempt to grow failed: see commit.c */
	uint8_t *scratch; /* see struct pager */
};

struct txn;

/** A tree of a transaction: what the public interface calls a transaction. */
struct kt_txn {
	struct txn *txn;
	unsigned tree;
};

/** A block of memory that ends with the transaction. */
struct gathered {
	struct gathered *next;
	uint8_t bytes[];
};

/** A transaction. */
struct txn {
	struct kt_txn handles[3]; /* KT_ENTRIES, KT_DIRECTORIES, KT_NAMELESS */
	struct kt_store *store;
	struct pager pager;
	struct format_tree *trees; /* of own, or of the root that is read, never written */
	uint64_t number;
	struct pin *pin; /* of a read transaction */
	bool writing;
	int failed;	     /* first error of a change: it cannot be committed */
	uint64_t generation; /* grows with each change: cursors look */
	int64_t now_ns;	     /* time of a write transaction */
	struct gathered *gathered;
	uint64_t snapshot; /* of a write transaction: the newest when it has committed */
	struct root *own;  /* of a write transaction: the root it makes; NULL once published */
};

/* store.c */

/** Write the first content of a store. */
int store_format(struct io *io);

/** Open the store in a file that is open already, perhaps a simulated one.
 *  @param io        taken in every case
 *  @param kind      "file" or "memory": how kt_name() begins
 *  @param name      and goes on
 *  @param readonly  for reading only
 *  @return as kt_open() */
int store_open(struct io *io, const char *kind, const char *name, bool readonly,
	struct kt_store **ret_store);

/* readers.c */

/** Pin the current root for a reader.
 *  @param ret_pin   to be given to reader_unpin()
 *  @param ret_root  valid while pinned
 *  @return 0; -ENOMEM */
int reader_pin(struct kt_store *store, struct pin **ret_pin, struct root **ret_root);

void reader_unpin(struct pin *pin);

/** Oldest transaction that a reader has pinned, or UINT64_MAX.
 *  @param ret_count  how many readers there are; may be NULL */
uint64_t reader_oldest(struct kt_store *store, unsigned *ret_count);

/** Free the pins. */
void reader_fini(struct kt_store *store);

/* turn.c */

/** Wait for the writer's turn. @return 0; -EAGAIN with try; -EDEADLK this thread has it */
int turn_take(struct kt_store *store, bool try);

void turn_give(struct kt_store *store);

/* txn.c */

/** Make a read transaction show other trees than those of its commit.
 *  @param number  of the commit they belong to
 *  @param trees   SNAPSHOT_TREES of them; copied */
int txn_show(struct txn *txn, uint64_t number, const struct format_tree *trees);

/** Memory that ends with a transaction. @return NULL: none left */
void *txn_gather(struct txn *txn, size_t size);

/* snapshot.c */

/** Find the newest snapshot of the current commit.
 *  @param ret_txn  the commit it keeps; 0: there is none */
int snapshot_newest(struct kt_store *store, uint64_t *ret_txn);

/** Put the pages that a transaction freed, and that a snapshot sees, on the dead list. */
int snapshot_store_dead(struct txn *txn);

/** Receives a snapshot. @return 0 to go on */
typedef int snapshot_each_fn(void *arg, struct kt_txn *txn, const struct format_snapshot *kept);

/** Visit all snapshots, the oldest first.
 *  @param txn  of which commit; any tree of it
 *  @return 0; -EUCLEAN; what each returned */
int snapshot_each(struct kt_txn *txn, snapshot_each_fn *each, void *arg);

/** Receives dead pages. @return 0 to go on */
typedef int snapshot_dead_fn(void *arg, const struct dead *dead);

/** Visit all pages that died and are kept by one snapshot. @return as snapshot_each() */
int snapshot_each_dead(struct kt_txn *txn, uint64_t snapshot, snapshot_dead_fn *each, void *arg);

/** Find the newest snapshot that is not newer than a commit.
 *  @param ret_snapshot  0: there is none */
int snapshot_at_most(struct txn *txn, uint64_t commit, uint64_t *ret_snapshot);

/* reclaim.c */

/** Free some pages of dropped trees, as part of a commit. */
int reclaim_step(struct txn *txn);

/* commit.c */

/** Load the free space and prove the last durable slot, before the first write transaction. */
int commit_prepare_store(struct kt_store *store);

/** Write the pages that a large transaction made so far to the file, to free the memory. Nobody
 * sees them before it commits. Views and paths into its trees end. */
int commit_spill(struct txn *txn);

/** Pages in memory past which a transaction spills. */
#define SPILL_PAGES 32768 /* 128 MiB */

/** Make the changes of a write transaction permanent and visible.
 *  @param flush  on the disk too */
int commit_txn(struct txn *txn, bool flush);

/** Leave word in the file that the newest durable commit is on the disk, unless it is there. To be
 *  called before closing, after a flush. */
void commit_witness(struct kt_store *store);

/** Bring the current root to the disk. The caller has the turn. */
int commit_flush(struct kt_store *store);

#endif
