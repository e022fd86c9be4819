/* The parts of an open store, and who may touch them when.
 *
 *     readers   take the current root and pin its transaction; no lock
 *     writer    one at a time, by turn; everything below "the writer's" belongs to it
 *
 * Other processes, and other handles of this one, have the same store open: lockarea.h tells what
 * is shared with them. This handle's idea of the current commit is brought up to date when a
 * transaction begins (current.h).
 *
 * A commit makes a new root and puts it in place with one store. Roots that were replaced stay
 * until no reader of this handle is pinned before them.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "keytree.h"
#include "store/share/lockarea.h"
#include "store/tree/pager.h"
#include "store/slot/slot.h"

#include <pthread.h>

/** A commit, as readers see it. Never changed after it is published. */
struct root {
	uint64_t txn;
	uint64_t published; /* what the lock area says when it is current */
	uint64_t page_count;
	uint64_t next_id;
	int64_t time_ns;
	uint64_t free_pages, pending_pages; /* for kt_info() */
	struct format_tree trees[TREE_COUNT];
	struct root *older; /* list of replaced roots, newest first */
};

#define STORE_BLOCKS 256 /* of pins, that one handle may have */

struct kt_store {
	/* What each read transaction looks at: */
	const _Atomic char *not_forked; /* of io: 0 in the child of a fork */
	bool unprivileged; /* a reader that may not write the area; then area is its own */
	struct lockarea *area;
	_Atomic(struct pin_block *) pins; /* the first block of blocks; NULL: not taken yet */
	_Atomic uint64_t root_txn;	  /* of root, or of one before it that is still there */
	_Atomic(struct root *) root;

	char *name;
	struct io *io;
	bool readonly;
	uint8_t id[16];
	uint8_t boot_id[16];
	uint64_t seed;
	const uint8_t *map;
	uint64_t map_pages;
	struct seen *seen;

	struct io_range area_byte;	     /* the lock that tells that this area is used */
	uint64_t slot_checksums[SLOT_COUNT]; /* of a reader apart: of the slots as it knows them */
	uint64_t opener_id;		     /* of this opening (P5) */
	uint32_t opener_number;		     /* among the openers, + 1; 0: none */

	pthread_mutex_t root_mutex;	       /* of those who replace it */
	struct root *replaced;		       /* roots that were current before */
	_Atomic uint32_t blocks[STORE_BLOCKS]; /* of pins: number + 1; 0: not taken yet */
	struct txn *read_txns[LOCKAREA_PINS];  /* by pin of the first block: pin_memory() */

	pthread_mutex_t writer_mutex; /* protects the next five */
	pthread_cond_t writer_free;
	uint64_t ticket_next, ticket_now; /* as the numbers people draw in a waiting room */
	bool writer_active;
	pthread_t writer_thread;

	/* The writer's: */
	struct space *space;	    /* NULL until the first write transaction */
	bool space_stale;	    /* space and snapshot are those of an earlier commit */
	_Atomic uint64_t max_pages; /* of the file, by kt_set_max_size(); PAGE_MAX to begin with */
	_Atomic uint64_t max_with_reserve; /* the same for a transaction that has the reserve */
	struct format_slot slot;  /* as last written: log tail and space for the next one */
	uint64_t confirmed_txn;	  /* newest durable commit that a weak slot in the file tells of */
	unsigned durable_page;	  /* where the newest durable slot is */
	uint64_t slot_txn;	  /* newest commit with a durable slot */
	uint64_t opened_txn;	  /* the one that was there when it was opened */
	_Atomic uint64_t own_txn; /* newest commit that this handle is to flush when it is closed */
	uint64_t snapshot;	  /* newest snapshot; 0: there is none */
	uint64_t nameless_owner;  /* of its nameless entries; 0: it has had none (nameless.h) */
	bool full;		  /* the last attempt to grow failed: see commit.c */
	uint8_t *scratch;	  /* see struct pager */
	uint64_t spill_pages;	  /* that a transaction may keep in memory */
};

struct spacelog_source;
struct txn;

/** A tree of a transaction: what the public interface calls a transaction. Of a collection, the
 * part of the tree whose keys begin with a prefix; callers leave the prefix out. */
struct kt_txn {
	struct txn *txn;
	unsigned tree;
	size_t prefix_size; /* 0: the whole tree */
	const uint8_t *prefix;
};

/** A block of memory that ends with the transaction. */
struct txn_block {
	struct txn_block *next;
	uint8_t bytes[];
};

#define PUBLIC_TREES 4

/** A transaction. */
struct txn {
	struct kt_txn handles[PUBLIC_TREES]; /* by enum kt_tree_id */
	struct kt_store *store;
	struct pager pager;
	struct format_tree *trees; /* of own, or of the root that is read, never written */
	uint64_t number;
	int64_t time_ns;	 /* of a read transaction: of the commit it shows */
	struct pin *pin;	 /* of a read transaction, until it ends */
	bool cached;		 /* its memory is the pin's (pin_memory()) */
	const struct root *root; /* the commit that is pinned */
	bool writing;
	bool packing;	     /* it moves pages to where the lowest are free, and nothing else */
	bool cleared;	     /* it dropped a tree whose pages are to be freed in steps */
	int failed;	     /* first error of a change: it cannot be committed */
	uint64_t generation; /* grows with each change: cursors look */
	int64_t now_ns;	     /* time of a write transaction */
	struct txn_block *blocks;
	uint64_t snapshot;	 /* of a write transaction: the newest when it has committed */
	uint64_t nameless_owner; /* of a write transaction: the store's from its commit on, or 0 */
	struct root *own; /* of a write transaction: the root it makes; NULL once published */
};

/* store.c */

/** Write the first content of a store. */
int store_format(struct io *io);

/** Open the store in a file that is open already, perhaps a simulated one.
 *  @param io        taken in every case
 *  @param kind      "file" or "memory": how kt_name() begins
 *  @param name      and goes on
 *  @param flags  KT_READONLY, KT_ALONE
 *  @return as kt_open() */
int store_open(struct io *io, const char *kind, const char *name, unsigned flags,
	struct kt_store **ret_store);

/* pins.c */

/** Pin the current root for a reader.
 *  @param ret_pin   to be given to pin_release()
 *  @param ret_root  valid while pinned
 *  @return 0; -ENOMEM; -ENFILE too many; -ECHILD after a fork */
int pin_take(struct kt_store *store, struct pin **ret_pin, struct root **ret_root);

void pin_release(struct kt_store *store, struct pin *pin);

/** Where the memory for read transactions with a pin is kept. It is theirs, one after the other,
 * and is freed with the store: a transaction for a single get spends no time on malloc().
 *  @return NULL: nowhere; the handle has many pins at once */
struct txn **pin_memory(struct kt_store *store, const struct pin *pin);

/** Move a pin to the current root. The caller has the writer's turn. */
void pin_move(struct pin *pin, uint64_t txn);

/** The readers that there are, of all processes. */
struct readers {
	uint64_t oldest; /* transaction that is pinned; UINT64_MAX: none */
	unsigned count;
	uint32_t pid; /* who has pinned the oldest one; 0: not known */
};

/** Look at the readers of this handle alone. */
void pins_readers_here(struct kt_store *store, struct readers *ret_readers);

/** Look at all of them. */
void pins_readers(struct kt_store *store, struct readers *ret_readers);

/** Oldest transaction up to last that a reader has pinned, or last. Pins of the dead are cleared.
 * Only with the turn. */
uint64_t pins_oldest(struct kt_store *store, uint64_t last);

/* writer_lock.c */

/** Wait for the writer's turn, and take up what others have done meanwhile.
 *  @return 0; -EAGAIN with try; -EDEADLK this thread has it; -ECHILD after a fork; -EUCLEAN */
int writer_lock_take(struct kt_store *store, bool try);

void writer_lock_release(struct kt_store *store);

/** Has a thread of this handle the turn? */
bool writer_lock_is_held(struct kt_store *store);

/* txn.c */

/** Make a read transaction show what a snapshot keeps. */
int txn_show(struct txn *txn, const struct format_snapshot *kept);

/** Memory that ends with a transaction. @return NULL: none left */
void *txn_alloc(struct txn *txn, size_t size);

/* snapshot.c */

/** Find the newest snapshot of the current commit.
 *  @param ret_txn  the commit it keeps; 0: there is none */
int snapshot_newest(struct kt_store *store, uint64_t *ret_txn);

/** The tree of snapshots, of any transaction. */
struct kt_txn snapshot_tree(struct kt_txn *txn);

/** @return 0; -EINVAL, -ENAMETOOLONG it is no name for a snapshot */
int snapshot_check_name(const char *name);

/** Find the snapshot that keeps a commit.
 *  @param txn  of which commit it is seen; any tree of it
 *  @return 0; -ENOENT there is none */
int snapshot_find(struct kt_txn *txn, uint64_t commit, struct format_snapshot *ret_kept,
	char ret_name[KT_NAME_MAX + 1]);

/** Keep the commit before a write transaction, which has changed nothing yet.
 *  @return 0; -EEXIST */
int snapshot_keep(struct kt_txn *txn, const char *name);

/** Keep the last commit.
 *  @param commit  the one that must be the last; 0: any
 *  @param flags   of kt_commit()
 *  @return as kt_snapshot_create(); -EAGAIN it is not the last any more */
int snapshot_create(struct kt_store *store, const char *name, uint64_t commit, unsigned flags);

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

/* restore.c */

/** Apply to a write transaction what differs between the last commit and a point in time.
 *  @param last   a read transaction of the last commit
 *  @param point  a read transaction; what its entries and made directories are, to's become
 *  @param to     begun while that was the last commit, and unchanged
 *  @return 0 or an error */
int restore_into(struct kt_txn *last, struct kt_txn *point, struct kt_txn *to);

/* reclaim.c */

/** Free some pages of dropped trees, as part of a commit. */
int reclaim_step(struct txn *txn);

/** Receives a dropped tree. @return 0 to go on */
typedef int reclaim_each_fn(void *arg, const struct format_reclaim *record);

/** Visit what was dropped and is not freed yet. @return 0; -EUCLEAN; what each returned */
int reclaim_each(struct txn *txn, reclaim_each_fn *each, void *arg);

/** Pages that are kept free for the day the disk is full. A delete writes new pages before it frees
 * old ones: where the file cannot grow, it may have these. */
#define RESERVE_PAGES 16

/* compact.c */

/** Free pages that a compact store may have: those set aside for a full disk, and what the last
 * steps leave behind. */
#define SLACK_PAGES 32

/* commit.c */

/** Where to load the free space from that a slot tells of.
 *  @param slot   borrowed as long as the source is used
 *  @param pager  reads the log's pages; likewise */
void commit_log_source(
	const struct format_slot *slot, struct pager *pager, struct spacelog_source *ret_source);

/** Load the free space and prove the last durable slot, before the first write transaction. */
int commit_prepare_store(struct kt_store *store);

/** Write the pages that a large transaction made so far to the file, to free the memory. Nobody
 * sees them before it commits. Views and paths into its trees end. */
int commit_spill(struct txn *txn);

/** Is it time to spill? Pages that were filled in order will not be met again: to write them while
 * they are in the processor's cache, and to use their memory again, is cheaper than to keep them.
 */
bool commit_should_spill(const struct txn *txn);

/** Pages that a transaction may keep in memory: a sixteenth of the machine's memory, and 512 MiB at
 * most. Where keys come in any order, a page that was written is soon met again: what is spilled is
 * copied, sealed and written twice, and leaves holes in the file. */
#define SPILL_PAGES 131072
#define SPILL_PART 16

#define SPILL_APPENDED 512 /* leaves filled in order, if that is most of the pages in memory */

/** Make the changes of a write transaction permanent and visible.
 *  @param flush  on the disk too */
int commit_txn(struct txn *txn, bool flush);

/** Leave word in the file that the newest durable commit is on the disk, unless it is there. To be
 *  called before closing, after a flush. */
void commit_confirm(struct kt_store *store);

/** Bring the current root to the disk. The caller has the turn. */
int commit_flush(struct kt_store *store);

/** Cut off what lies in the file behind the pages of the current root, once that is on the disk and
 * no reader is older than the commit that gave these pages up. The caller has the turn.
 *  @param ret_early  there is such a reader: nothing was cut
 *  @return 0; an error of the flush or of the cut */
int commit_trim(struct kt_store *store, bool *ret_early);

#endif
