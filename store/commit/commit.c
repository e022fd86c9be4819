/* Commit and flush (I2, I3, I4, I6).
 *
 *     place pages -> free-space record -> write pages -> write slot [-> sync] -> publish the root
 *
 * Until the slot is written nothing has changed that a reader can reach, and every failure restores
 * the state before. Pages and slot of a flushed commit need one sync, because the slot's digest
 * proves the pages. Only when there are too many pages for a digest they are synced first.
 */
#include "store/commit/commit.h"

#include "store/commit/full_disk.h"
#include "store/commit/placement.h"
#include "store/commit/savepoint.h"
#include "store/error.h"
#include "store/io/io.h"
#include "store/share/current.h"
#include "store/share/pins.h"
#include "store/share/step.h"
#include "store/share/writer_lock.h"
#include "store/slot/digest.h"
#include "store/space/space.h"
#include "store/space/space_log.h"
#include "store/tree/pager_savepoint.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- before the first write ------------------------------------------------------------------ */

static int commit_read_log_page(void *arg, uint64_t ref, const struct page_header **ret_page)
{
	const uint8_t *page;
	int err = pager_page(arg, ref, &page);

	if (!err)
		*ret_page = (const struct page_header *)(const void *)page;
	return err;
}

void commit_log_source(
	const struct format_slot *slot, struct pager *pager, struct space_log_source *ret_source)
{
	*ret_source = (struct space_log_source){.txn = slot->txn,
		.page_count = slot->page_count,
		.space = &slot->space,
		.tail = slot->tail,
		.slot_page = slot->page,
		.read = commit_read_log_page,
		.arg = pager};
}

/* After a failed sync, no slot may be valid that refers to pages which the sync has lost. */
static void commit_poison(struct kt_store *store)
{
	current_poison(store);
	if (current_is_synced(store))
		slot_wipe(store->io, store->durable_page);
	else
		slot_renew(store->io, store->map, store->durable_page, store->seed);
}

static int commit_sync(struct kt_store *store)
{
	int err = io_sync(store->io);

	if (err != 0)
		commit_poison(store);
	else
		atomic_store(&store->area->synced_txn, store->slot_txn);
	return err;
}

/* The limits may change at any time. Nothing is written behind the mapped address range. */
static void commit_set_limits(struct kt_store *store)
{
	uint64_t pages = atomic_load(&store->max_pages);
	uint64_t max_with_reserve = atomic_load(&store->max_with_reserve);

	space_set_limit(store->space, pages < store->map_pages ? pages : store->map_pages,
		max_with_reserve < store->map_pages ? max_with_reserve : store->map_pages);
	space_set_reserve(store->space, full_disk_has_reserve(store) ? RESERVE_PAGES : 0);
}

/* Bring the free space up to the current commit: from the log of other writers, or from scratch. */
static int commit_prepare_space(struct kt_store *store)
{
	struct pager pager = {.map = store->map,
		.page_count = store->slot.page_count,
		.seed = store->seed,
		.seen = store->seen,
		.faults = atomic_load(&store->seen->faults)};
	struct space_log_source source;

	commit_log_source(&store->slot, &pager, &source);
	if (store->space != NULL && space_log_catch_up(store->space, &source) == 0)
		return 0;
	STEP("space-anew");
	space_close(store->space);
	store->space = NULL;
	return space_log_load(&source, &store->space);
}

int commit_prepare_store(struct kt_store *store)
{
	bool wiped = false;
	int err = 0;

	if (store->space == NULL && store->io->durable)
		err = slot_wipe_newer(store->io, store->map, store->slot.txn, store->seed, &wiped);
	/* The digest proved that the newest durable commit is there, perhaps only in the cache. */
	if (!err && (wiped || !current_is_synced(store)))
		err = commit_sync(store);
	if (!err && store->space_stale) {
		err = store->hooks->newest_snapshot(store, &store->snapshot);
		if (!err)
			err = commit_prepare_space(store);
	}
	if (err != 0)
		return err;
	store->space_stale = false;
	commit_set_limits(store);
	return 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Pages written by one call. The kernel keeps what one call writes in one block of its cache, and
 * each later write to a page of it looks at all of the block: 4 KiB take 1.5 us in a block of one
 * page, 2.5 us in one of 16, and 11 us in one of 256. */
#define PARTS_MAX 16

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
	if (!err)
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
	unsynced_add(batch->pager->unsynced, page, false, header->checksum);
	return 0;
}

static int commit_write_pages(struct pager *pager, const struct placed_page *placed, size_t count,
	const struct space_log_delta *delta)
{
	struct batch batch = {.pager = pager, .run = {0, 0}};
	int err = 0;

	for (size_t i = 0; !err && i < count; i++)
		err = batch_add(&batch, placed[i].ref, placed[i].data);
	if (delta == NULL)
		return err != 0 ? err : batch_write(&batch);
	for (size_t i = 0; !err && i < delta->count; i++)
		err = batch_add(&batch, delta->pages[i].ref, delta->pages[i].data);
	return err != 0 ? err : batch_write(&batch);
}

/* Pages at the end of the file that were allocated but not needed are not written. The file must
 * reach that far all the same. */
static int commit_extend_file(struct kt_store *store, uint64_t pages)
{
	uint64_t size;
	int err;

	if (pages <= atomic_load(&store->root)->page_count)
		return 0;
	err = io_size(store->io, &size);
	if (!err && size < pages * PAGE_SIZE)
		err = io_truncate(store->io, pages * PAGE_SIZE);
	return err;
}

bool commit_should_spill(const struct txn *txn)
{
	const struct pager *pager = &txn->pager;

	return pager->dirty_live > txn->store->spill_pages ||
	       (pager->appended >= SPILL_APPENDED && pager->appended >= pager->dirty_live / 4 * 3);
}

static int commit_spill_trees(struct txn *txn, const struct placement_trees *trees)
{
	struct pager *pager = &txn->pager;
	struct placed_page *placed;
	size_t count;
	int err = placement_assign(pager, trees, &placed, &count);

	if (err != 0)
		return err;
	err = commit_write_pages(pager, placed, count, NULL);
	if (err != 0 && trees->refs != NULL)
		placement_undo(pager, trees, placed, count);
	else if (!err && trees->refs != NULL)
		pager_savepoint_placed(pager, trees->refs);
	for (size_t i = 0; !err && i < count; i++) {
		pager_saw(pager, placed[i].ref);
		pager_drop(pager, placed[i].dirty);
	}
	free(placed);
	return err;
}

int commit_spill(struct txn *txn)
{
	struct placement_trees trees;
	int err = savepoints_trees(txn, &trees);

	if (!err)
		err = pager_savepoint_reserve(&txn->pager, txn->pager.dirty_live);
	if (!err)
		err = commit_spill_trees(txn, &trees);
	txn->generation++;
	txn->pager.last_append = 0;
	txn->pager.appended = 0;
	free(trees.at);
	free(trees.refs);
	return err;
}

/* ---- slots ----------------------------------------------------------------------------------- */

static void commit_fill_slot(const struct kt_store *store, const struct root *root,
	const struct space_log_delta *delta, struct format_slot *slot)
{
	struct space_counts counts;

	*slot = (struct format_slot){.txn = root->txn,
		.time_ns = root->time_ns,
		.durable_txn = store->slot_txn,
		.page_count = root->page_count,
		.next_id = root->next_id,
		.space = delta->space};
	space_count(store->space, &counts);
	slot->free_pages = counts.free;
	slot->pending_pages = counts.pending;
	memcpy(slot->boot_id, store->boot_id, sizeof(slot->boot_id));
	slot->home = store->home;
	memcpy(slot->trees, root->trees, sizeof(slot->trees));
	memcpy(slot->tail, delta->tail, sizeof(slot->tail));
}

/* Write the older durable slot, and sync it. */
static int commit_write_durable(struct kt_store *store, struct format_slot *slot)
{
	unsigned page = store->durable_page == PAGE_DURABLE ? PAGE_DURABLE + 1 : PAGE_DURABLE;
	bool digest = digest_make(
		&store->area->unsynced, store->map, slot->space.tail_seq, store->seed, slot);
	int err = 0;

	atomic_store(&store->area->last_writer_id, store->opener_id);
	if (!digest)
		err = commit_sync(store);
	if (err != 0)
		return err;
	slot->durable_txn = slot->txn;
	STEP("durable");
	err = slot_write(store->io, slot, page, store->seed);
	STEP("durable-written");
	if (err != 0) /* it may have reached the disk all the same */
		commit_poison(store);
	else
		err = commit_sync(store);
	if (err != 0)
		return err;
	STEP("durable-synced");
	store->durable_page = page;
	store->slot_txn = slot->txn;
	unsynced_clear(&store->area->unsynced);
	atomic_store(&store->area->synced_txn, slot->txn);
	return 0;
}

static int commit_write_weak(struct kt_store *store, struct format_slot *slot)
{
	uint64_t page = PAGE_WEAK + slot->txn % 2;
	int err;

	atomic_store(&store->area->last_writer_id, store->opener_id);
	STEP("weak");
	err = slot_write(store->io, slot, page, store->seed);
	STEP("weak-written");
	if (!err)
		store->confirmed_txn = slot->durable_txn;
	else if (slot_erase(store->io, page) != 0) /* the slot may be in the file and valid */
		commit_poison(store);
	return err;
}

void commit_confirm(struct kt_store *store)
{
	struct format_slot slot = store->slot;

	if (!store->io->durable || store->slot_txn == store->opened_txn ||
		store->slot_txn == store->confirmed_txn)
		return;
	slot.flags = 0;
	slot.run_count = 0;
	(void)commit_write_weak(store, &slot); /* on error, the next opening verifies the digest */
}

int commit_flush(struct kt_store *store)
{
	const struct root *root = atomic_load(&store->root);
	struct format_slot slot;
	int err;

	if (current_is_poisoned(store))
		return error_set(-EIO, "an earlier flush failed; open the store again");
	if (!store->io->durable || (root->txn == store->slot_txn && current_is_synced(store)))
		return 0;
	if (root->txn == store->slot_txn)
		return commit_sync(store);
	slot = store->slot;
	err = commit_write_durable(store, &slot);
	if (err != 0)
		return err;
	store->slot = slot;
	atomic_store(&store->area->durable_txn, slot.txn);
	return 0;
}

int commit_flush_waiting(struct kt_store *store)
{
	int err = writer_lock_take(store, WRITER_LOCK_WAIT);

	if (err)
		return err;
	err = commit_flush(store);
	writer_lock_release(store);
	return err;
}

/* The current root is on the disk, so no valid slot refers to pages behind its end, and no reader
 * that is not older than the cut. */
int commit_trim(struct kt_store *store, bool *ret_early)
{
	const struct root *root = atomic_load(&store->root);
	uint64_t end = root->page_count * PAGE_SIZE;
	uint64_t cut = atomic_load(&store->area->shrink_txn);
	uint64_t size;
	int err = commit_flush(store);

	if (cut == 0) /* before the lock area was made */
		cut = root->txn;

	if (!err)
		err = io_size(store->io, &size);
	if (err != 0)
		return err;
	*ret_early = size > end && pins_oldest(store, cut) < cut;
	return size <= end || *ret_early ? 0 : io_truncate(store->io, end);
}

/* ---- the commit ------------------------------------------------------------------------------ */

/* All pages are in the file: write the slot. */
static int commit_write_slot(struct kt_store *store, struct format_slot *slot, bool flush)
{
	if (!store->io->durable) {
		unsynced_clear(&store->area->unsynced);
		return 0;
	}
	return flush ? commit_write_durable(store, slot) : commit_write_weak(store, slot);
}

static void commit_pages_seen(struct txn *txn, const struct placed_page *placed, size_t count,
	const struct space_log_delta *delta)
{
	for (size_t i = 0; i < count; i++)
		pager_saw(&txn->pager, placed[i].ref);
	for (size_t i = 0; i < delta->count; i++)
		pager_saw(&txn->pager, delta->pages[i].ref);
}

int commit_txn(struct txn *txn, bool flush)
{
	struct kt_store *store = txn->store;
	struct placement_trees trees = {.at = &txn->trees, .count = 1};
	struct placed_page *placed = NULL;
	struct space_log_delta delta;
	struct format_slot slot;
	size_t count = 0;
	int err = full_disk_prepare(txn);

	if (!err && (space_uses_reserve(store->space) || !txn->cleared))
		err = store->hooks->free_dropped(txn);
	if (!err)
		err = store->hooks->record_dead(txn);
	if (!err)
		err = full_disk_make_sure(txn);
	if (!err)
		err = placement_assign(&txn->pager, &trees, &placed, &count);
	STEP("commit-placed");
	if (!err)
		err = space_log_prepare(store->space, store->seed, &delta);
	if (!err)
		err = commit_write_pages(&txn->pager, placed, count, &delta);
	if (!err)
		err = commit_extend_file(store, delta.page_count);
	STEP("commit-pages");
	if (!err) {
		txn->own->page_count = delta.page_count;
		commit_fill_slot(store, txn->own, &delta, &slot);
		/* What a transaction with the reserve frees is for the next one. */
		flush = flush || space_uses_reserve(store->space);
		err = commit_write_slot(store, &slot, flush);
	}
	if (err != 0) {
		space_abort(store->space);
		txn->failed = err;
		free(placed);
		return err;
	}
	store->slot = slot;
	store->snapshot = txn->snapshot;
	full_disk_committed(txn);
	if (delta.page_count < atomic_load(&store->root)->page_count)
		atomic_store(&store->area->shrink_txn, txn->number);
	commit_pages_seen(txn, placed, count, &delta);
	space_commit(store->space);
	atomic_store(&store->own_txn, slot.txn);
	current_publish(store, txn->own);
	if (flush || !store->io->durable)
		atomic_store(&store->area->durable_txn, slot.txn);
	txn->own = NULL;
	free(placed);
	return 0;
}
