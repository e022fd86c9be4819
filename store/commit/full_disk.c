#include "store/commit/full_disk.h"

#include "store/commit/commit.h"
#include "store/error.h"
#include "store/io/io.h"
#include "store/share/current.h"
#include "store/share/pins.h"
#include "store/space/space.h"

#include <stdio.h>

/* Log pages that the commit of a delete may need. */
#define LOG_PAGES 4

/* Pages for which a delete lets the file grow before it writes them. */
#define SURE_PAGES 1024

/* The entries may become smaller while the content grows a little: an entry that loses its key but
 * is still open in a mount moves to the nameless ones. */
#define GROWTH_MAX 256

bool full_disk_has_reserve(const struct kt_store *store)
{
	return store->io->durable || atomic_load(&store->max_pages) != PAGE_MAX;
}

/* Is so much of the file free that it need not grow for some pages? */
static bool full_disk_has_plenty(const struct kt_store *store, uint64_t need)
{
	struct space_counts counts;

	space_count(store->space, &counts);
	return counts.free >= RESERVE_PAGES + need && counts.free >= counts.total / 8;
}

int full_disk_begin(struct kt_store *store)
{
	struct space_counts counts;

	if (!store->full || atomic_load(&store->area->durable_txn) == store->slot.txn)
		return 0;
	space_count(store->space, &counts);
	return counts.pending > counts.free ? commit_flush(store) : 0;
}

static uint64_t full_disk_bytes_of(const struct format_tree *tree)
{
	return tree->key_bytes + tree->value_bytes;
}

static uint64_t full_disk_content(const struct root *root)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < TREE_COUNT; i++)
		bytes += full_disk_bytes_of(&root->trees[i]);
	return bytes;
}

/* Does the transaction make the content smaller, or at least the entries that have keys? */
static bool full_disk_makes_room(const struct txn *txn)
{
	const struct root *root = atomic_load(&txn->store->root);
	uint64_t before = full_disk_content(root);
	uint64_t after = full_disk_content(txn->own);

	return after < before || (after <= before + GROWTH_MAX &&
					 full_disk_bytes_of(&txn->own->trees[KT_ENTRIES]) <
						 full_disk_bytes_of(&root->trees[KT_ENTRIES]));
}

/* Write zeros behind the end of the file. */
static int full_disk_write_zeros(struct io *io, uint64_t page, size_t count)
{
	static const uint8_t zeros[PAGE_SIZE];
	struct iovec parts[RESERVE_PAGES];

	for (size_t i = 0; i < count; i++)
		parts[i] = (struct iovec){(void *)zeros, PAGE_SIZE};
	return io_write(io, page * PAGE_SIZE, parts, count);
}

/* Let the file grow by the reserve, and give its pages back: they are free and on the disk. */
static int full_disk_fill_reserve(struct txn *txn)
{
	struct pager *pager = &txn->pager;
	struct space_counts counts;
	struct run run;
	int err;

	space_count(pager->space, &counts);
	if (!full_disk_has_reserve(txn->store) || counts.free + counts.pending >= RESERVE_PAGES)
		return 0;
	err = pager_alloc(pager, RESERVE_PAGES, &run);
	if (!err)
		err = full_disk_write_zeros(pager->io, run.start, run.count);
	return err != 0 ? err : pager_release(pager, run.start, run.count, pager->txn);
}

int full_disk_prepare(struct txn *txn)
{
	struct space *space = txn->store->space;
	bool makes_room = full_disk_makes_room(txn);

	if (txn->packing || (makes_room && txn->store->full)) {
		space_use_reserve(space);
		return 0;
	}
	if (!makes_room)
		return full_disk_fill_reserve(txn);
	space_offer_reserve(space);
	return 0;
}

/* Let the file grow by so many pages. @return 0; the error of a full disk, and others */
static int full_disk_grow(struct io *io, uint64_t page, uint64_t count)
{
	int err = 0;

	for (uint64_t done = 0; !err && done < count; done += RESERVE_PAGES)
		err = full_disk_write_zeros(io, page + done,
			count - done < RESERVE_PAGES ? count - done : RESERVE_PAGES);
	return err;
}

int full_disk_make_sure(struct txn *txn)
{
	struct kt_store *store = txn->store;
	uint64_t need = txn->pager.dirty_live + LOG_PAGES;
	uint64_t end = space_page_count(store->space);
	uint64_t growth = space_growth(store->space);
	uint64_t size;
	int err;

	if (!store->io->durable || !space_offers_reserve(store->space) || need > SURE_PAGES ||
		full_disk_has_plenty(store, need))
		return 0;
	need = need < growth ? need : growth;
	err = io_size(store->io, &size);
	if (err != 0 || size >= (end + need) * PAGE_SIZE)
		return err;
	if (size > end * PAGE_SIZE) {
		need -= size / PAGE_SIZE - end;
		end = size / PAGE_SIZE;
	}
	err = full_disk_grow(store->io, end, need);
	if (!error_is_full(err))
		return err;
	store->full = true;
	space_use_reserve(store->space);
	return 0;
}

int full_disk_explain(const struct txn *txn, int err)
{
	struct kt_store *store = txn->store;
	struct space_counts counts;
	struct readers readers;
	char who[48] = "of a user who may only read it";

	if (!error_is_full(err) || store->space == NULL)
		return err;
	space_count(store->space, &counts);
	pins_readers(store, &readers);
	if (readers.oldest >= atomic_load(&store->root)->txn || counts.pending <= counts.free)
		return err;
	if (readers.pid != 0)
		snprintf(who, sizeof(who), "of process %u", readers.pid);
	return error_set(err, "a read transaction %s keeps %llu MiB from being used again", who,
		(unsigned long long)(counts.pending * PAGE_SIZE >> 20));
}

void full_disk_committed(struct txn *txn)
{
	struct kt_store *store = txn->store;

	if (txn->own->page_count > atomic_load(&store->root)->page_count ||
		full_disk_has_plenty(store, 0))
		store->full = false;
}
