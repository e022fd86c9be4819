/* Pages of one transaction: read from the map, or, once changed, from memory until commit.
 *
 * A page is verified (checksum, tag, structure) when a handle first meets it; a table remembers
 * the tag of the version that was found good, so that later visits cost one comparison.
 *
 * A write transaction never changes a page in place: pager_touch() copies it into memory and
 * releases the old one. The reference of a page in memory has REF_DIRTY set and carries an index
 * instead of a page number; commit gives it a place (placement.h). No reference on the disk has
 * that bit: node_validate() checks that.
 */
#ifndef STORE_TREE_PAGER_H
#define STORE_TREE_PAGER_H

#include "store/tree/page.h"
#include "store/tree/path.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct io;
struct space;
struct unsynced;

#define REF_DIRTY (UINT64_C(1) << (PAGE_BITS - 1))

#define SEEN_BLOCK (UINT32_C(1) << 31)
#define SEEN_CHUNK_BITS 16
#define SEEN_CHUNKS ((PAGE_MAX + 1) >> SEEN_CHUNK_BITS)

/** Which version of each page was found good: tag + 1 of a page with a header; the low bits of its
 *  checksum and SEEN_BLOCK of a block of a value; 0: none. One per store handle. */
struct seen {
	_Atomic unsigned faults; /* pages of the map that could not be read (fault.h) */
	_Atomic bool doubt; /* pages may change behind our back: a failed sync may drop them (I6) */
	_Atomic(_Atomic uint32_t *) chunks[SEEN_CHUNKS];
};

/** Pages that were freed, but that a snapshot sees. */
struct dead {
	struct run run;
	uint64_t birth;
};

/** Where pages of the file come from and where they go: of the free space, which lies above. */
struct pager_source {
	/** Take pages. @param want  pages wished @param ret_run  1 to want pages in a row */
	int (*alloc)(struct space *space, uint64_t want, struct run *ret_run);

	/** Give pages back. @param birth  the transaction that wrote them */
	int (*release)(struct space *space, struct run run, uint64_t birth);

	/* Take any free page before the file grows. @return false: it did so already */
	bool (*avoid_growth)(struct space *space);
};

/** Pages that were taken from the file since a savepoint (pager_savepoint.h). */
struct taken {
	struct run run;
	uint64_t savepoint; /* the innermost one then */
};

struct pager {
	const uint8_t *map;  /* the store's file */
	uint64_t page_count; /* pages of the file that may be read */
	uint64_t seed;
	struct seen *seen;
	struct io *io;
	uint64_t txn;	 /* number of the write transaction */
	unsigned faults; /* of seen, that this pager has dealt with */
	bool verify;	 /* check blocks of values when they are read */
	bool alone;	 /* pages met now lie among the blocks of values: read each for itself */

	/* Only in a write transaction: */
	struct space *space;		   /* NULL in a read transaction */
	const struct pager_source *source; /* the functions of space */
	struct unsynced *unsynced;
	uint8_t **dirty; /* pages in memory by index; NULL: index is free */
	uint64_t *made;	 /* for each the savepoint that was the innermost when it was made */
	uint32_t dirty_count;
	uint32_t dirty_capacity;
	uint64_t snapshot; /* the newest one: pages born up to it are kept when they are freed */
	unsigned internal; /* calls of pager_begin_internal() that have not ended */
	struct dead *dead; /* pages that are kept, in the order they were freed */
	size_t dead_count, dead_capacity;
	uint32_t dirty_live; /* of dirty_count, not free */
	uint32_t *unused;    /* stack of free indexes, capacity as dirty */
	uint32_t unused_count;
	bool changed; /* something was allocated, written or released */
	/* For loads in the order of the keys (tree_edit.c); without these three the benchmark's row
	 * "load 1 million in order at once" takes a search for each key and leaves half-full
	 * leaves: */
	uint64_t last_append; /* leaf to whose end the last cell was added, or 0 */
	uint32_t appended;    /* leaves that were filled in order and are still in memory */
	struct path edge;     /* to that leaf, if the whole path is in memory; else depth 0 */
	uint8_t *scratch;     /* memory for rebuilding nodes (node_edit.c), or NULL */

	/* For going back (pager_savepoint.h): */
	uint64_t savepoint;  /* number of the innermost one that is open; 0: none */
	struct taken *taken; /* since the outermost one, by page number */
	size_t taken_count, taken_capacity;
	struct run *
		held; /* freed since then, but a savepoint has them; a page in memory: its reference */
	size_t held_count, held_capacity;
};

/** Release what a pager holds in memory. */
void pager_fini(struct pager *pager);

/** The slow way of pager_page(). */
int pager_verify(struct pager *pager, uint64_t ref, const uint8_t **ret_page);

/** Was the page a reference means met before, and found good? */
static inline bool pager_has_seen(const struct pager *pager, uint64_t ref)
{
	uint64_t number = ref_page(ref);
	_Atomic uint32_t *chunk;

	if (number >= pager->page_count)
		return false;
	chunk = atomic_load_explicit(
		&pager->seen->chunks[number >> SEEN_CHUNK_BITS], memory_order_acquire);
	return chunk != NULL && atomic_load_explicit(&chunk[number & ((1U << SEEN_CHUNK_BITS) - 1)],
					memory_order_relaxed) == ref_tag(ref) + 1;
}

/** The bytes of the page a reference means; verified.
 *  @param ret_page  PAGE_SIZE bytes: of the map, valid while the transaction is open; or in memory,
 *                   valid until the page is freed
 *  @return 0; -EUCLEAN */
static inline int pager_page(struct pager *pager, uint64_t ref, const uint8_t **ret_page)
{
	if (!pager_has_seen(pager, ref))
		return pager_verify(pager, ref, ret_page);
	*ret_page = pager->map + (ref_page(ref) << PAGE_SHIFT);
	return 0;
}

/** The slow way of pager_check(). */
int pager_fault(struct pager *pager);

/** Was a page of the map missing since this was asked last? What was read meanwhile may be zeros.
 *  A write transaction that met one can only be aborted.
 *  @return 0; -EIO */
static inline int pager_check(struct pager *pager)
{
	if (atomic_load_explicit(&pager->seen->faults, memory_order_relaxed) == pager->faults)
		return 0;
	return pager_fault(pager);
}

/** The node a reference means, which must be of the given level.
 *  @return 0; -EUCLEAN */
int pager_node(struct pager *pager, uint64_t ref, unsigned level, const uint8_t **ret_page);

/** Note that a page of the file is verified: it was just written from memory. */
void pager_saw(struct pager *pager, uint64_t ref);

/** Was a block of a value, with this checksum, verified before? */
bool pager_has_seen_block(struct pager *pager, uint64_t page, uint32_t sum);

/** Note that a block of a value is good: it was verified, or just written from memory. */
void pager_saw_block(struct pager *pager, uint64_t page, uint32_t sum);

/** Verify every page again when it is met next, and blocks of values each time. */
void pager_doubt(struct seen *seen);

/** Does reading check the blocks of values each time, and not only when they are first met? */
static inline bool pager_verifies(const struct pager *pager)
{
	return pager->verify || atomic_load_explicit(&pager->seen->doubt, memory_order_relaxed);
}

/** Make a new page in memory, zeroed. @param ret_ref  its reference */
int pager_new(struct pager *pager, uint64_t *ret_ref, uint8_t **ret_page);

/** Is a page in memory, and may it be changed there? A page that a savepoint has may not. */
static inline bool pager_is_writable(const struct pager *pager, uint64_t ref)
{
	return (ref & REF_DIRTY) && pager->made[ref & ~REF_DIRTY] >= pager->savepoint;
}

/** Make a page writable: copy it into memory unless it is there, and no savepoint has it.
 *  @param ref  its reference; changed when it moves */
int pager_touch(struct pager *pager, uint64_t *ref, uint8_t **ret_page);

/** Free a page, in memory or in the file. */
int pager_free(struct pager *pager, uint64_t ref);

/** Forget a page in memory whose place has been given: commit wrote it. */
void pager_drop(struct pager *pager, uint64_t ref);

/** Take pages of the file for new data.
 *  @param want     pages wished
 *  @param ret_run  1 to want pages in a row */
int pager_alloc(struct pager *pager, uint64_t want, struct run *ret_run);

/** Take pages of the file for pages that are in memory. As pager_alloc(), but what savepoints have
 *  is for pager_savepoint_placed() to tell. */
int pager_alloc_place(struct pager *pager, uint64_t want, struct run *ret_run);

/** Note that pages were written to the file: from now on they may be read. */
void pager_wrote(struct pager *pager, const struct run *run);

/** From here to pager_end_internal() work is on trees that snapshots do not keep: their pages are
 *  given back when they are freed. Pairs may be nested. */
static inline void pager_begin_internal(struct pager *pager)
{
	pager->internal++;
}

static inline void pager_end_internal(struct pager *pager)
{
	pager->internal--;
}

/** Free pages as if a snapshot were the newest.
 *  @return the newest one until now, to be set again */
static inline uint64_t pager_set_snapshot(struct pager *pager, uint64_t snapshot)
{
	uint64_t before = pager->snapshot;

	pager->snapshot = snapshot;
	return before;
}

/** Give back pages of the file, or keep them for a snapshot.
 *  @param birth  the transaction that wrote them */
int pager_release(struct pager *pager, uint64_t page, uint64_t count, uint64_t birth);

/** Give back pages of the file at once, whatever snapshots and savepoints have. */
int pager_give_back(struct pager *pager, const struct run *run, uint64_t birth);

#endif
