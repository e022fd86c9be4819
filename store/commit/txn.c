/* Transactions: beginning and ending them. */
#include "store/store.h"

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

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void init_handles(struct txn *txn, struct kt_store *store)
{
	for (unsigned i = 0; i < PUBLIC_TREES; i++)
		txn->handles[i] = (struct kt_txn){.txn = txn, .tree = i};
	txn->store = store;
	txn->pager.map = store->map;
	txn->pager.seed = store->seed;
	txn->pager.seen = store->seen;
	txn->pager.io = store->io;
}

static void show_root(struct txn *txn, struct root *root)
{
	txn->root = root;
	txn->trees = root->trees;
	txn->number = root->txn;
	txn->time_ns = root->time_ns;
	txn->pager.page_count = root->page_count;
}

/* Have memory for the read transaction of a pin: what the one before had, if it was kept. */
static struct txn *read_txn(struct kt_store *store, struct pin *pin)
{
	struct txn **kept = reader_memory(store, pin);
	struct txn *txn = kept != NULL ? *kept : NULL;

	if (txn != NULL)
		return txn;
	txn = calloc(1, sizeof(*txn));
	if (txn == NULL)
		return NULL;
	init_handles(txn, store);
	if (kept != NULL) {
		*kept = txn;
		txn->kept = true;
	}
	return txn;
}

static int begin_read(struct kt_store *store, struct txn **ret_txn)
{
	struct root *root;
	struct pin *pin;
	struct txn *txn;
	int err = reader_pin(store, &pin, &root);

	if (err != 0)
		return err;
	txn = read_txn(store, pin);
	if (txn == NULL) {
		reader_unpin(store, pin);
		return -ENOMEM;
	}
	assert(txn->pin == NULL);
	txn->pin = pin;
	txn->failed = 0;
	show_root(txn, root);
	*ret_txn = txn;
	return 0;
}

/* What this transaction may reuse (I2). */
static void find_bounds(struct kt_store *store, uint64_t last, struct space_bounds *bounds)
{
	uint64_t durable = atomic_load(&store->area->durable_txn);

	bounds->slot_txn = store->slot_txn;
	bounds->young = reader_bound(store, last);
	bounds->old = durable < bounds->young ? durable : bounds->young;
}

static int start_write(struct kt_store *store, struct txn *txn)
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
	init_handles(txn, store);
	txn->now_ns = now_ns();
	*txn->own = *root;
	txn->own->txn = root->txn + 1;
	txn->own->time_ns = txn->now_ns;
	txn->trees = txn->own->trees;
	txn->number = txn->own->txn;
	txn->pager.page_count = root->page_count;
	txn->pager.txn = txn->number;
	txn->pager.space = store->space;
	txn->pager.written = &store->area->written;
	txn->pager.scratch = store->scratch;
	txn->pager.snapshot = store->snapshot;
	txn->snapshot = store->snapshot;
	find_bounds(store, root->txn, &bounds);
	space_begin(store->space, txn->number, &bounds);
	return 0;
}

static int begin_write(struct kt_store *store, bool try, struct txn **ret_txn)
{
	struct txn *txn;
	int err;

	if (store->readonly)
		return -EROFS;
	txn = calloc(1, sizeof(*txn));
	if (txn == NULL)
		return -ENOMEM;
	txn->writing = true;
	txn->own = malloc(sizeof(*txn->own));
	err = txn->own == NULL ? -ENOMEM : turn_take(store, try);
	if (!err) {
		err = start_write(store, txn);
		if (err != 0)
			turn_give(store);
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
	struct txn *txn;
	int err;

	if (flags & KT_WRITE)
		err = begin_write(store, (flags & KT_TRY) != 0, &txn);
	else
		err = begin_read(store, &txn);
	if (err != 0)
		return err;
	txn->pager.verify = (flags & KT_VERIFY) != 0;
	*ret_txn = &txn->handles[KT_ENTRIES];
	return 0;
}

static void free_gathered(struct txn *txn)
{
	while (txn->gathered != NULL) {
		struct gathered *next = txn->gathered->next;

		free(txn->gathered);
		txn->gathered = next;
	}
}

static void end_read(struct txn *txn)
{
	struct pin *pin = txn->pin;
	bool kept = txn->kept;

	assert(pin != NULL); /* else it has ended before */
	free_gathered(txn);
	txn->pin = NULL;
	reader_unpin(txn->store, pin); /* from here on its memory may be another one's */
	if (!kept)
		free(txn);
}

static void end_write(struct txn *txn)
{
	if (txn->failed == -ENOSPC || txn->failed == -EDQUOT || txn->failed == -EFBIG)
		txn->store->full = true;
	free_gathered(txn);
	txn->store->scratch = txn->pager.scratch;
	pager_fini(&txn->pager);
	turn_give(txn->store);
	free(txn->own);
	free(txn);
}

void kt_abort(struct kt_txn *handle)
{
	struct txn *txn;

	if (handle == NULL)
		return;
	txn = handle->txn;
	if (!txn->writing) {
		end_read(txn);
		return;
	}
	if (!io_forked(txn->store->io)) {
		/* Notes of what it wrote or released do not fit the commit before it. */
		if (txn->pager.changed)
			txn->store->area->written.overflow = true;
		space_abort(txn->store->space);
	}
	end_write(txn);
}

/* Move a read transaction to the last commit, which cannot change: we have the turn. */
static void advance(struct txn *reader)
{
	assert(!reader->writing);
	free_gathered(reader);
	show_root(reader, atomic_load(&reader->store->root));
	reader_move(reader->pin, reader->number);
}

int kt_commit(struct kt_txn *handle, unsigned flags)
{
	return kt_commit_to(handle, flags, NULL);
}

int kt_commit_to(struct kt_txn *handle, unsigned flags, struct kt_txn *reader)
{
	struct txn *txn = handle->txn;
	bool flush = (flags & KT_FLUSH) != 0;
	int err = txn->failed;

	if (!txn->writing) {
		end_read(txn);
		return 0;
	}
	if (io_forked(txn->store->io)) { /* it is the parent's */
		end_write(txn);
		return error_set(
			-ECHILD, "it was opened before a fork; open it again in the child");
	}
	if (!err && txn->generation > 0)
		err = commit_txn(txn, flush);
	else
		space_abort(txn->store->space);
	if (!err && txn->owner != 0)
		txn->store->owner = txn->owner;
	if (txn->failed != 0 && txn->pager.changed)
		txn->store->area->written.overflow = true;
	if (!err && txn->generation == 0 && flush)
		err = commit_flush(txn->store);
	if (!err && reader != NULL)
		advance(reader->txn);
	end_write(txn);
	return err;
}

int txn_show(struct txn *txn, const struct format_snapshot *kept)
{
	struct format_tree *own = txn_gather(txn, TREE_COUNT * sizeof(*own));

	if (own == NULL)
		return -ENOMEM;
	memset(own, 0, TREE_COUNT * sizeof(*own));
	memcpy(own, kept->trees, SNAPSHOT_TREES * sizeof(*own));
	txn->trees = own;
	txn->number = kept->txn;
	txn->time_ns = kept->time_ns;
	return 0;
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
		return -EROFS;
	*ret_id = txn->own->next_id++;
	txn->generation++;
	return 0;
}

void *txn_gather(struct txn *txn, size_t size)
{
	struct gathered *gathered = malloc(sizeof(*gathered) + (size > 0 ? size : 1));

	if (gathered == NULL)
		return NULL;
	gathered->next = txn->gathered;
	txn->gathered = gathered;
	return gathered->bytes;
}
