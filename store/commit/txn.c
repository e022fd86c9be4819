/* Transactions: beginning and ending them. */
#include "store/commit/txn.h"
#include "store/share/pins.h"
#include "store/share/writer_lock.h"
#include "store/commit/autoflush.h"
#include "store/commit/commit.h"
#include "store/commit/full_disk.h"
#include "store/commit/savepoint.h"

#include "store/share/current.h"
#include "store/error.h"
#include "store/space/space.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Static_assert((int)KT_ENTRIES == TREE_ENTRIES && (int)KT_DIRECTORIES == TREE_DIRECTORIES &&
		       (int)KT_NAMELESS == TREE_NAMELESS && (int)KT_SHARED == TREE_SHARED,
	"public tree numbers are those of the format");

static int64_t txn_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void txn_init(struct txn *txn, struct kt_store *store)
{
	for (unsigned i = 0; i < PUBLIC_TREES; i++)
		txn->handles[i] = (struct kt_txn){.txn = txn, .tree = i};
	txn->store = store;
	txn->pager.map = store->map;
	txn->pager.seed = store->seed;
	txn->pager.seen = store->seen;
	txn->pager.io = store->io;
}

static void txn_show_root(struct txn *txn, struct root *root)
{
	txn->root = root;
	txn->trees = root->trees;
	txn->number = root->txn;
	txn->time_ns = root->time_ns;
	txn->pager.page_count = root->page_count;
	txn->pager.faults = atomic_load_explicit(&txn->store->seen->faults, memory_order_relaxed);
}

/* Get memory for a read transaction: that of the pin's last transaction, if it is cached. */
static struct txn *txn_take_memory(struct kt_store *store, struct pin *pin)
{
	struct txn **cached = pin_memory(store, pin);
	struct txn *txn = cached != NULL ? *cached : NULL;

	if (txn != NULL)
		return txn;
	txn = calloc(1, sizeof(*txn));
	if (txn == NULL)
		return NULL;
	txn_init(txn, store);
	if (cached != NULL) {
		*cached = txn;
		txn->cached = true;
	}
	return txn;
}

static int txn_begin_read(struct kt_store *store, struct txn **ret_txn)
{
	struct root *root;
	struct pin *pin;
	struct txn *txn;
	int err = pin_take(store, &pin, &root);

	if (err != 0)
		return err;
	txn = txn_take_memory(store, pin);
	if (txn == NULL) {
		pin_release(store, pin);
		return -ENOMEM;
	}
	assert(txn->pin == NULL);
	txn->pin = pin;
	txn->failed = 0;
	txn_show_root(txn, root);
	*ret_txn = txn;
	return 0;
}

/* Find which freed pages this transaction may use again (I2). */
static void txn_find_bounds(struct kt_store *store, uint64_t last, struct space_bounds *bounds)
{
	uint64_t durable = atomic_load(&store->area->durable_txn);

	bounds->slot_txn = store->slot_txn;
	bounds->young = pins_oldest(store, last);
	bounds->old = durable < bounds->young ? durable : bounds->young;
}

static int txn_start_write(struct kt_store *store, struct txn *txn)
{
	const struct root *root = atomic_load(&store->root);
	struct space_bounds bounds;
	int err;

	if (current_is_poisoned(store))
		return error_set(-EIO, "an earlier flush failed; open the store again");
	err = commit_prepare_store(store);
	if (err != 0)
		return err;
	if (root->txn == TXN_MAX)
		return error_set(-EOVERFLOW, "no transaction numbers left");
	err = full_disk_begin(store);
	if (err != 0)
		return err;
	txn_init(txn, store);
	txn->now_ns = txn_now_ns();
	*txn->own = *root;
	txn->own->txn = root->txn + 1;
	txn->own->time_ns = txn->now_ns;
	txn->trees = txn->own->trees;
	txn->number = txn->own->txn;
	txn->pager.page_count = root->page_count;
	txn->pager.faults = atomic_load_explicit(&txn->store->seen->faults, memory_order_relaxed);
	txn->pager.txn = txn->number;
	txn->pager.space = store->space;
	txn->pager.source = &space_source;
	txn->pager.unsynced = &store->area->unsynced;
	txn->pager.scratch = store->scratch;
	txn->pager.snapshot = store->snapshot;
	txn->snapshot = store->snapshot;
	txn_find_bounds(store, root->txn, &bounds);
	space_begin(store->space, txn->number, &bounds);
	if (store->full)
		(void)space_avoid_growth(store->space);
	return 0;
}

static int txn_begin_write(struct kt_store *store, int timeout_ms, struct txn **ret_txn)
{
	struct txn *txn;
	int err;

	if (store->readonly)
		return error_say(-EROFS, "opened for reading only");
	txn = calloc(1, sizeof(*txn));
	if (txn == NULL)
		return -ENOMEM;
	txn->writing = true;
	txn->own = malloc(sizeof(*txn->own));
	err = txn->own == NULL ? -ENOMEM : writer_lock_take(store, timeout_ms);
	if (!err) {
		err = txn_start_write(store, txn);
		if (err != 0)
			writer_lock_release(store);
	}
	if (err != 0) {
		free(txn->own);
		free(txn);
		return err;
	}
	*ret_txn = txn;
	return 0;
}

int kt_begin(struct kt_store *store, unsigned flags, struct kt_txn **ret_txn)
{
	return kt_begin_wait(store, flags, store->write_wait_ms, ret_txn);
}

int kt_begin_wait(struct kt_store *store, unsigned flags, int timeout_ms, struct kt_txn **ret_txn)
{
	struct txn *txn;
	int err;

	error_clear();
	err = error_unknown_flags(flags, KT_WRITE | KT_TRY | KT_VERIFY);
	if (err != 0)
		return err;
	if (flags & KT_WRITE)
		err = txn_begin_write(store, flags & KT_TRY ? WRITER_LOCK_TRY : timeout_ms, &txn);
	else
		err = txn_begin_read(store, &txn);
	if (err != 0)
		return err;
	txn->pager.verify = (flags & KT_VERIFY) != 0;
	txn->begun = &txn->handles[KT_ENTRIES];
	*ret_txn = &txn->handles[KT_ENTRIES];
	return 0;
}

static void txn_free_list(struct txn_block **list)
{
	while (*list != NULL) {
		struct txn_block *next = (*list)->next;

		free(*list);
		*list = next;
	}
}

static void txn_free_blocks(struct txn *txn)
{
	txn_free_list(&txn->views);
	txn_free_list(&txn->blocks);
}

void kt_drop_views(struct kt_txn *handle)
{
	txn_free_list(&handle->txn->views);
}

static void txn_end_read(struct txn *txn)
{
	struct pin *pin = txn->pin;
	bool cached = txn->cached;

	assert(pin != NULL); /* else the transaction has ended before */
	txn_free_blocks(txn);
	txn->pin = NULL;
	pin_release(txn->store, pin); /* from here on another transaction may use its memory */
	if (!cached)
		free(txn);
}

static void txn_end_write(struct txn *txn)
{
	if (error_is_full(txn->failed))
		txn->store->full = true;
	txn_free_blocks(txn);
	txn->store->scratch = txn->pager.scratch;
	free(txn->savepoints);
	pager_fini(&txn->pager);
	writer_lock_release(txn->store);
	free(txn->own);
	free(txn);
}

/* Trees and collections in a transaction are views of it: they do not end it. */
static int txn_check_begun(const struct kt_txn *handle)
{
	return handle == handle->txn->begun
		       ? 0
		       : error_set(-EINVAL, "this is one tree of a transaction; commit or abort "
					    "the transaction itself");
}

static void txn_abort(struct txn *txn)
{
	if (!txn->writing) {
		txn_end_read(txn);
		return;
	}
	if (!io_forked(txn->store->io)) {
		/* The list of unsynced pages holds pages of this transaction. */
		if (txn->pager.changed)
			txn->store->area->unsynced.overflow = true;
		space_abort(txn->store->space);
	}
	txn_end_write(txn);
}

int kt_abort(struct kt_txn *handle)
{
	int err = handle != NULL ? txn_check_begun(handle) : 0;

	if (!err && handle != NULL)
		txn_abort(handle->txn);
	return err;
}

/* Move a read transaction to the last commit. It cannot change: the caller holds WRITE. */
static void txn_advance(struct txn *reader)
{
	assert(!reader->writing);
	txn_free_blocks(reader);
	txn_show_root(reader, atomic_load(&reader->store->root));
	pin_move(reader->pin, reader->number);
}

int kt_commit(struct kt_txn *handle, unsigned flags)
{
	return kt_commit_to(handle, flags, NULL);
}

int kt_commit_to(struct kt_txn *handle, unsigned flags, struct kt_txn *reader)
{
	struct txn *txn = handle->txn;
	bool flush = (flags & KT_FLUSH) != 0;
	int err = txn_check_begun(handle);

	if (err != 0)
		return err;
	err = error_unknown_flags(flags, KT_FLUSH);
	if (err != 0) {
		txn_abort(txn);
		return err;
	}
	if (!txn->writing) {
		txn_end_read(txn);
		return 0;
	}
	err = txn->failed;
	if (!err)
		err = pager_check(&txn->pager);
	if (io_forked(txn->store->io)) { /* it is the parent's */
		txn_end_write(txn);
		return error_set(
			-ECHILD, "it was opened before a fork; open it again in the child");
	}
	if (!err && txn->savepoint_count > 0)
		err = savepoints_close(txn);
	if (!err && txn->generation != txn->clean)
		err = full_disk_explain(txn, commit_txn(txn, flush));
	else
		space_abort(txn->store->space);
	if (!err && !flush && txn->store->autoflush != NULL)
		autoflush_note(txn->store->autoflush);
	if (!err && txn->nameless_owner != 0)
		txn->store->nameless_owner = txn->nameless_owner;
	if (txn->failed != 0 && txn->pager.changed)
		txn->store->area->unsynced.overflow = true;
	if (!err && txn->generation == txn->clean && flush)
		err = commit_flush(txn->store);
	if (!err && reader != NULL)
		txn_advance(reader->txn);
	txn_end_write(txn);
	return err;
}

int txn_show(struct txn *txn, const struct format_snapshot *kept)
{
	struct format_tree *own = txn_alloc(txn, TREE_COUNT * sizeof(*own));

	if (own == NULL)
		return -ENOMEM;
	memset(own, 0, TREE_COUNT * sizeof(*own));
	memcpy(own, kept->trees, SNAPSHOT_TREES * sizeof(*own));
	txn->trees = own;
	txn->number = kept->txn;
	txn->time_ns = kept->time_ns;
	return 0;
}

struct kt_store *kt_txn_store(const struct kt_txn *handle)
{
	return handle->txn->store;
}

uint64_t kt_txn_id(const struct kt_txn *handle)
{
	return handle->txn->number;
}

struct kt_txn *kt_tree(struct kt_txn *handle, enum kt_tree_id tree)
{
	assert((unsigned)tree < PUBLIC_TREES);
	return &handle->txn->handles[tree];
}

int kt_new_id(struct kt_txn *handle, uint64_t *ret_id)
{
	struct txn *txn = handle->txn;

	if (!txn->writing)
		return error_say(-EROFS, "the transaction is for reading only");
	*ret_id = txn->own->next_id++;
	txn->generation++;
	return 0;
}

static void *txn_list_alloc(struct txn_block **list, size_t size)
{
	struct txn_block *block = malloc(sizeof(*block) + (size > 0 ? size : 1));

	if (block == NULL)
		return NULL;
	block->next = *list;
	*list = block;
	return block->bytes;
}

void *txn_alloc(struct txn *txn, size_t size)
{
	return txn_list_alloc(&txn->blocks, size);
}

void *txn_view_alloc(struct txn *txn, size_t size)
{
	return txn_list_alloc(&txn->views, size);
}
