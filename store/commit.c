/* Commit and flush (I2, I3, I4, I6).
 *
 *     place pages -> free-space record -> write pages -> write slot [-> sync] -> publish the root
 *
 * Up to the slot nothing that anybody can reach has changed, and every failure leads back to the
 * state before. Pages and slot of a flushed commit need one sync, because the slot's digest proves
 * the pages; only when there are too many of them they are synced before.
 */
#include "store.h"

#include "error.h"
#include "io.h"
#include "place.h"
#include "space.h"
#include "spacelog.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Pages that are kept free for the day the disk is full. A delete writes new pages before it frees
 * old ones: where the file cannot grow, it may have these. */
#define RESERVE_PAGES 16

/* ---- before the first write ------------------------------------------------------------------ */

static int read_log_page(void *arg, uint64_t ref, const struct page_header **ret_page)
{
	const uint8_t *page;
	int err = pager_page(arg, ref, &page);

	if (err == 0)
		*ret_page = (const struct page_header *)(const void *)page;
	return err;
}

/* No slot may count in this boot that tells of pages which the failed sync has lost. */
static void poison(struct kt_store *store, int err)
{
	atomic_store(&store->poisoned, err);
	pager_doubt(store->seen);
	if (store->proved)
		slot_wipe(store->io, store->durable_page);
	else
		slot_renew(store->io, store->map, store->durable_page, store->seed);
}

static int sync_store(struct kt_store *store)
{
	int err = io_sync(store->io);

	if (err != 0)
		poison(store, err);
	else
		store->proved = true;
	return err;
}

int commit_prepare_store(struct kt_store *store)
{
	const struct root *root = atomic_load(&store->root);
	struct pager pager = {.map = store->map,
		.page_count = root->page_count,
		.seed = store->seed,
		.seen = store->seen};
	struct spacelog_source source = {.txn = root->txn,
		.page_count = root->page_count,
		.space = &store->slot.space,
		.tail = store->slot.tail,
		.slot_page = store->slot.page,
		.read = read_log_page,
		.arg = &pager};

	/* The digest proved that the newest durable commit is there, but perhaps only in memory. */
	if (!store->proved) {
		int err = sync_store(store);

		if (err != 0)
			return err;
	}
	if (store->space == NULL) {
		int err = spacelog_load(&source, &store->space);

		if (err != 0)
			return err;
		space_set_reserve(store->space, store->io->durable ? RESERVE_PAGES : 0);
		return snapshot_newest(store, &store->snapshot);
	}
	return 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

#define PARTS_MAX 256

/* A run of pages on its way to the file. */
struct batch {
	struct pager *pager;
	struct run run;
	struct iovec parts[PARTS_MAX];
};

static int batch_write(struct batch *batch)
{
	int err;

	if (batch->run.count == 0)
		return 0;
	err = io_write(
		batch->pager->io, batch->run.start * PAGE_SIZE, batch->parts, batch->run.count);
	if (err == 0)
		pager_wrote(batch->pager, &batch->run);
	batch->run.start += batch->run.count;
	batch->run.count = 0;
	return err;
}

static int batch_add(struct batch *batch, uint64_t ref, const void *data)
{
	const struct page_header *header = data;
	uint64_t page = ref_page(ref);
	int err = 0;

	if (batch->run.count == PARTS_MAX || page != batch->run.start + batch->run.count)
		err = batch_write(batch);
	if (err != 0)
		return err;
	if (batch->run.count == 0)
		batch->run.start = page;
	batch->parts[batch->run.count++] = (struct iovec){(void *)data, PAGE_SIZE};
	written_add(batch->pager->written, page, false, header->checksum);
	return 0;
}

static int write_pages(struct pager *pager, const struct placed *placed, size_t count,
	const struct spacelog_delta *delta)
{
	struct batch batch = {.pager = pager, .run = {0, 0}};
	int err = 0;

	for (size_t i = 0; err == 0 && i < count; i++)
		err = batch_add(&batch, placed[i].ref, placed[i].data);
	if (delta == NULL)
		return err != 0 ? err : batch_write(&batch);
	for (size_t i = 0; err == 0 && i < delta->count; i++)
		err = batch_add(&batch, delta->pages[i].ref, delta->pages[i].data);
	return err != 0 ? err : batch_write(&batch);
}

/* Pages at the end of the file that were taken but not needed are not written: the file must still
 * reach that far. */
static int extend_file(struct kt_store *store, uint64_t pages)
{
	uint64_t size;
	int err;

	if (pages <= store->file_pages)
		return 0;
	err = io_size(store->io, &size);
	if (err == 0 && size < pages * PAGE_SIZE)
		err = io_truncate(store->io, pages * PAGE_SIZE);
	if (err == 0)
		store->file_pages = pages;
	return err;
}

int commit_spill(struct txn *txn)
{
	struct placed *placed;
	size_t count;
	int err = place_pages(&txn->pager, txn->own->trees, &placed, &count);

	if (err != 0)
		return err;
	err = write_pages(&txn->pager, placed, count, NULL);
	for (size_t i = 0; err == 0 && i < count; i++) {
		pager_saw(&txn->pager, placed[i].ref);
		pager_drop(&txn->pager, placed[i].dirty);
	}
	txn->generation++;
	txn->pager.last_append = 0;
	free(placed);
	return err;
}

/* ---- slots ----------------------------------------------------------------------------------- */

static void fill_slot(const struct kt_store *store, const struct root *root,
	const struct spacelog_delta *delta, struct format_slot *slot)
{
	*slot = (struct format_slot){.txn = root->txn,
		.time_ns = root->time_ns,
		.durable_txn = store->slot_txn,
		.page_count = root->page_count,
		.next_id = root->next_id,
		.space = delta->space};
	memcpy(slot->boot_id, store->boot_id, sizeof(slot->boot_id));
	memcpy(slot->trees, root->trees, sizeof(slot->trees));
	memcpy(slot->tail, delta->tail, sizeof(slot->tail));
}

/* Write the durable slot that is not the newest, and make it count. */
static int write_durable(struct kt_store *store, struct format_slot *slot)
{
	unsigned page = store->durable_page == PAGE_DURABLE ? PAGE_DURABLE + 1 : PAGE_DURABLE;
	bool digest = written_digest(
		&store->written, store->map, slot->space.tail_seq, store->seed, slot);
	int err = 0;

	if (!digest)
		err = sync_store(store);
	if (err != 0)
		return err;
	slot->durable_txn = slot->txn;
	err = slot_write(store->io, slot, page, store->seed);
	if (err != 0) /* it may have reached the disk all the same */
		poison(store, err);
	else
		err = sync_store(store);
	if (err != 0)
		return err;
	store->durable_page = page;
	store->slot_txn = slot->txn;
	written_clear(&store->written);
	return 0;
}

static int write_weak(struct kt_store *store, struct format_slot *slot)
{
	int err = slot_write(store->io, slot, PAGE_WEAK + slot->txn % 2, store->seed);

	if (err == 0)
		store->witnessed_txn = slot->durable_txn;
	return err;
}

void commit_witness(struct kt_store *store)
{
	struct format_slot slot = store->slot;

	if (!store->io->durable || store->slot_txn == store->opened_txn ||
		store->slot_txn == store->witnessed_txn)
		return;
	slot.flags = 0;
	slot.run_count = 0;
	(void)write_weak(store, &slot); /* without it the digest is looked at */
}

int commit_flush(struct kt_store *store)
{
	const struct root *root = atomic_load(&store->root);
	struct format_slot slot;
	int err = atomic_load(&store->poisoned);

	if (err != 0)
		return error_set(-EIO, "an earlier flush failed; open the store again");
	if (!store->io->durable || (root->txn == store->slot_txn && store->proved))
		return 0;
	if (root->txn == store->slot_txn)
		return sync_store(store);
	slot = store->slot;
	err = write_durable(store, &slot);
	if (err != 0)
		return err;
	store->slot = slot;
	atomic_store(&store->durable_txn, slot.txn);
	return 0;
}

/* ---- a full disk ---------------------------------------------------------------------------- */

static uint64_t content_bytes(const struct root *root)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < TREE_COUNT; i++)
		bytes += root->trees[i].key_bytes + root->trees[i].value_bytes;
	return bytes;
}

/* Once the disk was found full, a transaction that makes the content smaller may have the reserve,
 * and is flushed, so that what it frees is free for the next. */
static bool makes_room(const struct txn *txn)
{
	return txn->store->full &&
	       content_bytes(txn->own) < content_bytes(atomic_load(&txn->store->root));
}

/* Let the file grow by the reserve, and give its pages back: they are free and on the disk. */
static int fill_reserve(struct txn *txn)
{
	static const uint8_t zeros[PAGE_SIZE];
	struct iovec parts[RESERVE_PAGES];
	struct pager *pager = &txn->pager;
	struct space_counts counts;
	struct run run;
	int err;

	space_count(pager->space, &counts);
	if (!txn->store->io->durable || counts.free + counts.pending >= RESERVE_PAGES)
		return 0;
	for (unsigned i = 0; i < RESERVE_PAGES; i++)
		parts[i] = (struct iovec){(void *)zeros, PAGE_SIZE};
	err = pager_alloc(pager, RESERVE_PAGES, &run);
	if (err == 0)
		err = io_write(pager->io, run.start * PAGE_SIZE, parts, run.count);
	return err != 0 ? err : pager_release(pager, run.start, run.count, pager->txn);
}

/* ---- the commit ------------------------------------------------------------------------------ */

/* Free the roots that no reader can have any more. */
static void free_roots(struct kt_store *store)
{
	uint64_t oldest = reader_oldest(store, NULL);
	struct root **link = &store->replaced;

	while (*link != NULL && (*link)->txn >= oldest)
		link = &(*link)->older;
	while (*link != NULL) {
		struct root *root = *link;

		*link = root->older;
		free(root);
	}
}

static void publish(struct kt_store *store, struct root *root)
{
	struct root *old = atomic_load(&store->root);

	atomic_store(&store->root, root);
	old->older = store->replaced;
	store->replaced = old;
	free_roots(store);
}

/* Everything is in the file but the slot. */
static int write_slot(struct kt_store *store, struct format_slot *slot, bool flush)
{
	if (!store->io->durable) {
		written_clear(&store->written);
		return 0;
	}
	return flush ? write_durable(store, slot) : write_weak(store, slot);
}

static void settle(struct txn *txn, const struct placed *placed, size_t count,
	const struct spacelog_delta *delta)
{
	for (size_t i = 0; i < count; i++)
		pager_saw(&txn->pager, placed[i].ref);
	for (size_t i = 0; i < delta->count; i++)
		pager_saw(&txn->pager, delta->pages[i].ref);
}

int commit_txn(struct txn *txn, bool flush)
{
	struct kt_store *store = txn->store;
	struct placed *placed = NULL;
	struct spacelog_delta delta;
	struct space_counts counts;
	struct format_slot slot;
	size_t count = 0;
	bool frugal = makes_room(txn);
	int err = 0;

	if (frugal) {
		space_use_reserve(store->space);
		flush = true;
	} else {
		err = fill_reserve(txn);
	}
	if (err == 0)
		err = reclaim_step(txn);
	if (err == 0)
		err = snapshot_store_dead(txn);
	if (err == 0)
		err = place_pages(&txn->pager, txn->own->trees, &placed, &count);
	if (err == 0)
		err = spacelog_prepare(store->space, store->seed, &delta);
	if (err == 0)
		err = write_pages(&txn->pager, placed, count, &delta);
	if (err == 0)
		err = extend_file(store, delta.page_count);
	if (err == 0) {
		txn->own->page_count = delta.page_count;
		fill_slot(store, txn->own, &delta, &slot);
		err = write_slot(store, &slot, flush);
	}
	if (err != 0) {
		space_abort(store->space);
		txn->failed = err;
		free(placed);
		return err;
	}
	store->slot = slot;
	store->snapshot = txn->snapshot;
	if (delta.page_count > atomic_load(&store->root)->page_count)
		store->full = false;
	settle(txn, placed, count, &delta);
	space_commit(store->space);
	space_count(store->space, &counts);
	atomic_store(&store->space_free, counts.free);
	atomic_store(&store->space_pending, counts.pending);
	publish(store, txn->own);
	/* Only now: readers pin this number before they take the root (readers.c), and may not pin
	 * one that is newer than the root they get. */
	if (flush || !store->io->durable)
		atomic_store(&store->durable_txn, slot.txn);
	txn->own = NULL;
	free(placed);
	return 0;
}
