#include "store/tree/pager.h"

#include "store/error.h"
#include "store/io/io.h"
#include "store/tree/node.h"
#include "store/tree/overflow.h"
#include "store/tree/pager_savepoint.h"
#include "store/tree/unsynced.h"
#include "store/util/array.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void pager_fini(struct pager *pager)
{
	for (uint32_t i = 0; i < pager->dirty_count; i++)
		free(pager->dirty[i]);
	pager_savepoint_fini(pager);
	free(pager->dirty);
	free(pager->made);
	free(pager->unused);
	free(pager->dead);
	pager->dirty = NULL;
	pager->made = NULL;
	pager->dead = NULL;
	pager->dead_count = 0;
	pager->dead_capacity = 0;
	pager->unused = NULL;
	pager->dirty_count = 0;
	pager->dirty_capacity = 0;
	pager->dirty_live = 0;
	pager->unused_count = 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Last cache line that is fetched ahead, of a branch above leaves and of other nodes: for the
 * benchmark's row "random get, 1 million keys". */
#define FETCH_BRANCH 1216 /* heads and slots of 200 cells */
#define FETCH_NODE 192

/* Pages that are read from the disk together. */
#define CLUSTER 16

/* The entry of the seen table for a page; NULL without memory, which only costs time. */
static _Atomic uint32_t *pager_seen_entry(struct pager *pager, uint64_t page)
{
	_Atomic(_Atomic uint32_t *) *slot = &pager->seen->chunks[page >> SEEN_CHUNK_BITS];
	_Atomic uint32_t *chunk = atomic_load_explicit(slot, memory_order_acquire);

	if (chunk == NULL) {
		_Atomic uint32_t *fresh = calloc(1U << SEEN_CHUNK_BITS, sizeof(*fresh));

		if (fresh == NULL)
			return NULL;
		if (atomic_compare_exchange_strong(slot, &chunk, fresh))
			chunk = fresh;
		else
			free((void *)fresh);
	}
	return &chunk[page & ((1U << SEEN_CHUNK_BITS) - 1)];
}

void pager_saw(struct pager *pager, uint64_t ref)
{
	bool doubt = atomic_load_explicit(&pager->seen->doubt, memory_order_relaxed);
	_Atomic uint32_t *entry = doubt ? NULL : pager_seen_entry(pager, ref_page(ref));

	if (entry != NULL)
		atomic_store_explicit(entry, ref_tag(ref) + 1, memory_order_relaxed);
}

bool pager_has_seen_block(struct pager *pager, uint64_t page, uint32_t sum)
{
	const _Atomic uint32_t *entry = pager_seen_entry(pager, page);

	return entry != NULL &&
	       atomic_load_explicit(entry, memory_order_relaxed) == (sum | SEEN_BLOCK);
}

void pager_saw_block(struct pager *pager, uint64_t page, uint32_t sum)
{
	bool doubt = atomic_load_explicit(&pager->seen->doubt, memory_order_relaxed);
	_Atomic uint32_t *entry = doubt ? NULL : pager_seen_entry(pager, page);

	if (entry != NULL)
		atomic_store_explicit(entry, sum | SEEN_BLOCK, memory_order_relaxed);
}

void pager_doubt(struct seen *seen)
{
	atomic_store(&seen->doubt, true);
	for (size_t i = 0; i < SEEN_CHUNKS; i++) {
		_Atomic uint32_t *chunk = atomic_load(&seen->chunks[i]);

		for (size_t page = 0; chunk != NULL && page < 1U << SEEN_CHUNK_BITS; page++)
			atomic_store_explicit(&chunk[page], 0, memory_order_relaxed);
	}
}

int pager_fault(struct pager *pager)
{
	unsigned faults = atomic_load(&pager->seen->faults);

	if (!atomic_load(&pager->seen->doubt))
		pager_doubt(pager->seen);
	if (pager->space == NULL)
		pager->faults = faults;
	return error_unreadable();
}

static int pager_verify_content(const uint8_t *page, uint64_t ref)
{
	const struct page_header *header = node_header(page);
	const char *wrong = NULL;

	switch (header->kind) {
	case PAGE_LEAF:
	case PAGE_BRANCH:
		wrong = node_validate(page);
		break;
	case PAGE_OVERFLOW:
		if (header->count > OVERFLOW_PAYLOAD ||
			(overflow_next(page) != 0 && !ref_is_placed(overflow_next(page))))
			wrong = "malformed overflow page";
		break;
	case PAGE_LOG:
		if (header->count > LOG_PAYLOAD)
			wrong = "malformed page of the free-space log";
		break;
	default:
		wrong = "a page of no known kind";
	}
	return wrong != NULL ? error_damaged(ref_page(ref), wrong) : 0;
}

/* Bring a page to memory before it is touched in the map. A page fault would bring in all that is
 * around it, which can be many MiB, and end the process with SIGBUS if the disk cannot read the
 * page; read(2) returns an error. What lies close by costs little more than the page, and is often
 * wanted next; but not among the blocks of values, where read(2) of a byte in no sequence brings in
 * its page alone. */
static int pager_fetch(struct pager *pager, uint64_t number)
{
	uint8_t byte;

	if (pager->alone)
		return io_read(pager->io, number << PAGE_SHIFT, &byte, sizeof(byte));
	if (pager->io == NULL || io_cached(pager->io, number << PAGE_SHIFT))
		return 0;
	io_prefetch(pager->io, (number - number % CLUSTER) << PAGE_SHIFT,
		(uint64_t)CLUSTER << PAGE_SHIFT);
	return io_read(pager->io, number << PAGE_SHIFT, &byte, sizeof(byte));
}

int pager_verify(struct pager *pager, uint64_t ref, const uint8_t **ret_page)
{
	uint64_t number = ref_page(ref);
	const uint8_t *page;
	int err;

	if (number & REF_DIRTY) {
		uint64_t index = number & ~REF_DIRTY;

		if (index >= pager->dirty_count || pager->dirty[index] == NULL)
			return error_damaged(number, "a reference to a page that cannot be");
		*ret_page = pager->dirty[index];
		return 0;
	}
	err = pager_check(pager); /* the reference may be of a page that reads as zeros */
	if (err)
		return err;
	if (number < PAGE_FIRST || number >= pager->page_count)
		return error_damaged(number, "referred to, but not in the file");
	page = pager->map + (number << PAGE_SHIFT);
	err = pager_fetch(pager, number);
	if (!err)
		err = page_verify(page, ref, pager->seed);
	if (!err)
		err = pager_verify_content(page, ref);
	if (err != 0)
		return pager_check(pager) != 0 ? -EIO : err;
	pager_saw(pager, ref);
	*ret_page = page;
	return 0;
}

int pager_node(struct pager *pager, uint64_t ref, unsigned level, const uint8_t **ret_page)
{
	const struct page_header *header;
	int err = pager_page(pager, ref, ret_page);

	if (err != 0)
		return err;
	/* A search is soon in the heads and slots. Fetched together they cost one miss, not four.
	 * Leaves have few of them, and the upper branches are in the cache. */
	for (unsigned at = 64; at <= (level == 1 ? FETCH_BRANCH : FETCH_NODE); at += 64)
		__builtin_prefetch(*ret_page + at);
	header = node_header(*ret_page);
	if (header->level != level || header->kind != (level == 0 ? PAGE_LEAF : PAGE_BRANCH))
		err = pager_check(pager) != 0
			      ? -EIO
			      : error_damaged(ref_page(ref), "a node on the wrong level");
	return err;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int pager_grow_tables(struct pager *pager)
{
	uint32_t capacity = pager->dirty_capacity == 0 ? 32 : pager->dirty_capacity * 2;
	uint8_t **dirty = realloc(pager->dirty, capacity * sizeof(*dirty));
	uint64_t *made;
	uint32_t *unused;

	if (dirty == NULL)
		return -ENOMEM;
	pager->dirty = dirty;
	made = realloc(pager->made, capacity * sizeof(*made));
	if (made == NULL)
		return -ENOMEM;
	pager->made = made;
	unused = realloc(pager->unused, capacity * sizeof(*unused));
	if (unused == NULL)
		return -ENOMEM;
	pager->unused = unused;
	pager->dirty_capacity = capacity;
	return 0;
}

/* Uninitialized memory for a page. */
static int pager_new_page(struct pager *pager, uint64_t *ret_ref, uint8_t **ret_page)
{
	uint8_t *page;
	uint32_t index;

	assert(pager->space != NULL);
	if (pager->unused_count == 0 && pager->dirty_count == pager->dirty_capacity) {
		int err = pager_grow_tables(pager);

		if (err != 0)
			return err;
	}
	page = malloc(PAGE_SIZE);
	if (page == NULL)
		return -ENOMEM;
	if (pager->unused_count > 0)
		index = pager->unused[--pager->unused_count];
	else
		index = pager->dirty_count++;
	pager->dirty[index] = page;
	pager->made[index] = pager->savepoint;
	pager->dirty_live++;
	pager->changed = true;
	*ret_ref = REF_DIRTY | index;
	*ret_page = page;
	return 0;
}

int pager_new(struct pager *pager, uint64_t *ret_ref, uint8_t **ret_page)
{
	int err = pager_new_page(pager, ret_ref, ret_page);

	if (!err)
		memset(*ret_page, 0, PAGE_SIZE);
	return err;
}

int pager_touch(struct pager *pager, uint64_t *ref, uint8_t **ret_page)
{
	const uint8_t *old;
	uint64_t new_ref;
	int err = pager_page(pager, *ref, &old);

	if (err != 0)
		return err;
	if (pager_is_writable(pager, *ref)) {
		*ret_page = pager->dirty[*ref & ~REF_DIRTY];
		return 0;
	}
	err = pager_new_page(pager, &new_ref, ret_page);
	if (err != 0)
		return err;
	memcpy(*ret_page, old, PAGE_SIZE);
	err = pager_free(pager, *ref);
	if (!err)
		*ref = new_ref;
	return err;
}

void pager_drop(struct pager *pager, uint64_t ref)
{
	uint32_t index = (uint32_t)(ref & ~REF_DIRTY);

	assert(ref & REF_DIRTY && index < pager->dirty_count);
	free(pager->dirty[index]);
	pager->edge.depth = 0; /* it may have led there */
	pager->dirty[index] = NULL;
	pager->unused[pager->unused_count++] = index;
	pager->dirty_live--;
}

int pager_free(struct pager *pager, uint64_t ref)
{
	const uint8_t *page;
	int err;

	if (pager_is_writable(pager, ref)) {
		pager_drop(pager, ref);
		return 0;
	}
	if (ref & REF_DIRTY)
		return pager_savepoint_hold(pager, ref, 1);
	err = pager_page(pager, ref, &page);
	return err != 0 ? err : pager_release(pager, ref_page(ref), 1, node_header(page)->txn);
}

int pager_alloc_place(struct pager *pager, uint64_t want, struct run *ret_run)
{
	pager->changed = true;
	return pager->source->alloc(pager->space, want, ret_run);
}

int pager_alloc(struct pager *pager, uint64_t want, struct run *ret_run)
{
	int err = pager_savepoint_reserve(pager, 1);

	if (!err)
		err = pager_alloc_place(pager, want, ret_run);
	if (!err && pager->savepoint != 0)
		pager_savepoint_took(pager, ret_run);
	return err;
}

void pager_wrote(struct pager *pager, const struct run *run)
{
	if (run->start + run->count > pager->page_count)
		pager->page_count = run->start + run->count;
}

/* Add a freed run that a snapshot sees to the dead list. */
static int pager_keep(struct pager *pager, const struct run *run, uint64_t birth)
{
	struct dead *last = pager->dead_count > 0 ? &pager->dead[pager->dead_count - 1] : NULL;

	if (last != NULL && last->birth == birth &&
		last->run.start + last->run.count == run->start &&
		last->run.count + run->count <= RUN_COUNT_MAX) {
		last->run.count += run->count;
		return 0;
	}
	if (pager->dead_count == pager->dead_capacity) {
		void *dead = array_grow(pager->dead, sizeof(*pager->dead), &pager->dead_capacity);

		if (dead == NULL)
			return -ENOMEM;
		pager->dead = dead;
	}
	pager->dead[pager->dead_count++] = (struct dead){*run, birth};
	return 0;
}

int pager_give_back(struct pager *pager, const struct run *run, uint64_t birth)
{
	int err = pager->source->release(pager->space, *run, birth);

	if (!err)
		unsynced_remove(pager->unsynced, run);
	return err;
}

int pager_release(struct pager *pager, uint64_t page, uint64_t count, uint64_t birth)
{
	struct run run = {page, count};

	pager->changed = true;
	if (birth <= pager->snapshot && pager->internal == 0)
		return pager_keep(pager, &run, birth);
	if (pager->savepoint != 0 && birth == pager->txn)
		return pager_savepoint_release(pager, run);
	return pager_give_back(pager, &run, birth);
}
