/* kt_compact(): a smaller file, step by step.
 *
 *     drain    what kt_clear() dropped is freed
 *     pack     nodes are made as full as in a fresh store
 *     gather   values in pieces come together
 *     lower    what lies behind where a full file would end moves to free pages before it
 *     cut      the free pages at the end are given up, the file is cut
 *
 * Each step is a write transaction that takes the lowest free pages. It is flushed before the next
 * one, so that what it freed is free. Others may write meanwhile: most of the step is brought to the
 * disk while nobody holds the writer lock, and a step is made as large as the disk takes in some
 * milliseconds, since a flush by another waits for it. A walk through a
 * tree goes by key, so that it does not matter what others change meanwhile, and visits a bounded
 * number of pages. No step lets the file grow as long as there is a free page.
 */
#include "store/compact/relocate.h"
#include "store/compact/pack.h"
#include "store/space/space.h"
#include "store/space/space_log.h"
#include "store/compact/compact.h"
#include "store/share/writer_lock.h"
#include "store/commit/commit.h"
#include "store/error.h"
#include "store/history/reclaim.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* Pages that a step may write: at most 4 MiB; at least, and at first, 256 KiB. */
#define STEP_PAGES 1024
#define STEP_PAGES_LEAST 64

/* A step that takes longer to be flushed is followed by a smaller one, one that takes less time by a
 * larger one. */
#define FLUSH_LONG_NS 20000000
#define FLUSH_SHORT_NS 5000000

#define ROUNDS 3
#define WALKS (1 + ROUNDS + 2 * ROUNDS)

/* Attempts to cut the file, within about a quarter of a second. */
#define TRIM_TRIES 8

/* Records of dropped trees that one step takes up, in portions of a commit. */
#define DRAIN_PORTIONS 16

struct compaction {
	struct kt_store *store;
	kt_compact_fn *progress;
	void *arg;
	unsigned step_pages;  /* that the next step may write */
	unsigned walks;	      /* that are over */
	uint64_t seen;	      /* pages, in this walk */
	uint64_t stored;      /* pages that hold something */
	uint64_t goal;	      /* pages of the file if there were no free ones but the slack */
	uint64_t room;	      /* free pages below that */
	uint64_t free;	      /* pages */
	uint64_t pages;	      /* of the file */
	uint64_t first_pages; /* the same when all began */
};

/* ---- steps ----------------------------------------------------------------------------------- */

static int compact_begin_step(struct compaction *compaction, struct txn **ret_txn)
{
	struct space_counts counts;
	struct kt_txn *handle;
	int err = kt_begin(compaction->store, KT_WRITE, &handle);

	if (err != 0)
		return err;
	handle->txn->packing = true;
	space_use_lowest(compaction->store->space);
	space_count(compaction->store->space, &counts);
	compaction->pages = counts.total;
	compaction->free = counts.free;
	compaction->stored = counts.total - counts.free - counts.pending;
	compaction->goal = compaction->stored + SLACK_PAGES;
	compaction->room = space_free_below(compaction->store->space, compaction->goal);
	*ret_txn = handle->txn;
	return 0;
}

static int compact_tell(struct compaction *compaction)
{
	struct kt_compaction now = {.pages = compaction->pages};
	uint64_t seen =
		compaction->seen < compaction->stored ? compaction->seen : compaction->stored;

	if (compaction->progress == NULL)
		return 0;
	now.total = WALKS * compaction->stored;
	now.done = compaction->walks * compaction->stored + seen;
	return compaction->progress(compaction->arg, &now);
}

static int64_t compact_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Commit and flush a step, and see how long that takes. Near a full disk the commit itself flushes. */
static int compact_commit(struct compaction *compaction, struct txn *txn)
{
	int64_t begin_ns = compact_now_ns(), took_ns;
	int err = kt_commit(&txn->handles[0], 0);

	if (!err) {
		io_write_back(compaction->store->io, 0, 0);
		err = commit_flush_waiting(compaction->store);
	}
	took_ns = compact_now_ns() - begin_ns;
	if (took_ns > FLUSH_LONG_NS && compaction->step_pages > STEP_PAGES_LEAST)
		compaction->step_pages /= 2;
	else if (took_ns < FLUSH_SHORT_NS && compaction->step_pages < STEP_PAGES)
		compaction->step_pages *= 2;
	return err;
}

/* ret_changed: did the step do anything? May be NULL */
static int compact_end_step(
	struct compaction *compaction, struct txn *txn, int err, bool *ret_changed)
{
	bool changed = txn->pager.changed;

	if (ret_changed != NULL)
		*ret_changed = changed;
	if (txn->pager.internal > 0)
		pager_end_internal(&txn->pager);
	if (err != 0 || !changed) {
		kt_abort(&txn->handles[0]);
	} else {
		txn->generation++;
		err = compact_commit(compaction, txn);
	}
	return err != 0 ? err : compact_tell(compaction);
}

/* ---- draining -------------------------------------------------------------------------------- */

static int compact_drain(struct compaction *compaction)
{
	bool changed = true;
	int err = 0;

	while (!err && changed) {
		struct txn *txn;

		err = compact_begin_step(compaction, &txn);
		if (err != 0)
			return err;
		for (unsigned i = 0; !err && i < DRAIN_PORTIONS; i++)
			err = reclaim_step(txn);
		err = compact_end_step(compaction, txn, err, &changed);
	}
	return err;
}

/* ---- packing --------------------------------------------------------------------------------- */

/* Pack the children of one branch, that of the position, and step to the next. */
static int pack_branch(struct txn *txn, unsigned tree, unsigned level, uint64_t room,
	struct relocate_position *position, bool *ret_fit)
{
	uint8_t key[KT_KEY_MAX];
	size_t size = 0;
	struct path path;
	bool exact, end;
	int err = tree_find(
		&txn->pager, &txn->trees[tree], position->key, position->size, &path, &exact);

	if (!err && path.depth <= level) {
		position->end = true;
		return 0;
	}
	if (!err)
		err = tree_bound(&txn->pager, &path, level, key, &size, &end);
	if (!err)
		err = pack_children(&txn->pager, &txn->trees[tree], &path, level, room, ret_fit);
	if (err != 0 || !*ret_fit)
		return err;
	memcpy(position->key, key, size);
	position->size = size;
	position->end = end;
	return 0;
}

/* Free pages, and a few MiB by which the file may grow: it could hardly be repacked without. */
static uint64_t room_to_pack(const struct compaction *compaction, const struct txn *txn)
{
	uint64_t most = compaction->first_pages + STEP_PAGES;
	uint64_t room = compaction->free;

	if (most > compaction->pages)
		room += most - compaction->pages;
	return room > txn->pager.dirty_live ? room - txn->pager.dirty_live : 0;
}

static int compact_pack_step(struct compaction *compaction, unsigned tree, unsigned level,
	struct relocate_position *position, bool *ret_stuck)
{
	struct txn *txn;
	bool changed, fit = true;
	int err = compact_begin_step(compaction, &txn);

	if (err != 0)
		return err;
	if (tree >= SNAPSHOT_TREES)
		pager_begin_internal(&txn->pager);
	for (unsigned i = 0; !err && fit && i < STEP_PAGES && !position->end &&
			     txn->pager.dirty_live < compaction->step_pages;
		i++) {
		err = pack_branch(txn, tree, level, room_to_pack(compaction, txn), position, &fit);
		compaction->seen++;
	}
	err = compact_end_step(compaction, txn, err, &changed);
	*ret_stuck = (!fit && !changed) || error_is_full(err);
	return error_is_full(err) ? 0 : err;
}

/* Pack all trees, from the leaves up. */
static int compact_pack_trees(struct compaction *compaction)
{
	int err = 0;

	compaction->seen = 0;
	for (unsigned tree = 0; tree < TREE_COUNT; tree++) {
		bool stuck = false, higher = true;

		for (unsigned level = 1; !err && higher && !stuck; level++) {
			struct relocate_position position = {.size = 0};

			higher = false;
			while (!err && !position.end && !stuck) {
				err = compact_pack_step(compaction, tree, level, &position, &stuck);
				higher = higher || position.size > 0;
			}
		}
	}
	compaction->walks++;
	return err;
}

/* Once branches are full, the leaves below each are more, and may be packed better. */
static int compact_pack(struct compaction *compaction)
{
	int err = 0;

	for (unsigned round = 0; !err && round < ROUNDS; round++) {
		uint64_t stored = compaction->stored;

		err = compact_pack_trees(compaction);
		if (compaction->stored + stored / 64 >= stored)
			break;
	}
	return err;
}

/* ---- walks ----------------------------------------------------------------------------------- */

/* One step of a walk through a tree. ret_stuck: there is no room to go on */
static int compact_relocate_step(struct compaction *compaction, unsigned tree,
	enum relocate_how how, uint64_t ceiling, struct relocate_position *position,
	bool *ret_stuck)
{
	struct relocation relocation = {
		.how = how, .ceiling = ceiling, .budget = compaction->step_pages};
	const unsigned budget = compaction->step_pages;
	struct relocate_position before = *position;
	struct txn *txn;
	int err = compact_begin_step(compaction, &txn);

	if (err != 0)
		return err;
	if (tree >= SNAPSHOT_TREES)
		pager_begin_internal(&txn->pager);
	relocation.pager = &txn->pager;
	relocation.tree = &txn->trees[tree];
	relocation.room = space_free_below(compaction->store->space, ceiling);
	err = relocate_continue(&relocation, position);
	compaction->seen += relocation.seen;
	err = compact_end_step(compaction, txn, err, NULL);
	*ret_stuck = relocation.full && relocation.budget == budget &&
		     before.block == position->block && before.size == position->size &&
		     memcmp(before.key, position->key, before.size) == 0;
	return err;
}

/* Walk through all trees. Others may add to them meanwhile: there is an end all the same. */
static int compact_relocate(struct compaction *compaction, enum relocate_how how, uint64_t ceiling)
{
	uint64_t most = 2 * compaction->pages + STEP_PAGES;
	bool stuck = false;
	int err = 0;

	compaction->seen = 0;
	for (unsigned tree = 0; !err && tree < TREE_COUNT; tree++) {
		struct relocate_position position = {.size = 0};

		while (!err && !position.end && !stuck && compaction->seen < most)
			err = compact_relocate_step(
				compaction, tree, how, ceiling, &position, &stuck);
	}
	compaction->walks++;
	return err;
}

/* ---- the end of the file --------------------------------------------------------------------- */

static int compact_try_trim(struct kt_store *store, bool *ret_early)
{
	int err = writer_lock_take(store, WRITER_LOCK_WAIT);

	if (err != 0)
		return err;
	err = commit_trim(store, ret_early);
	writer_lock_release(store);
	return err;
}

/* Another process that follows the commits, as a mount does, still reads the one before the cut. It
 * has moved on in a moment; nobody tells when. */
static int compact_trim(struct kt_store *store)
{
	struct timespec pause = {.tv_nsec = 1000000};
	bool early = true;
	int err = 0;

	for (unsigned i = 0; !err && early && i < TRIM_TRIES; i++, pause.tv_nsec *= 2) {
		if (i > 0)
			nanosleep(&pause, NULL);
		err = compact_try_trim(store, &early);
	}
	return err;
}

/* Give up the free pages at the end. Pages of the log that lie in the way are free after the first
 * commit, and given up by the second. */
static int compact_cut(struct compaction *compaction)
{
	bool changed = true;
	int err = 0;

	for (unsigned i = 0; !err && changed && i < 3; i++) {
		struct space *space;
		struct txn *txn;

		err = compact_begin_step(compaction, &txn);
		if (err != 0)
			return err;
		space = compaction->store->space;
		if (space_spare(space) > 0 || (compaction->pages > compaction->goal &&
						      space_log_reaches(space, compaction->goal))) {
			space_cut(space);
			txn->pager.changed = true;
		}
		err = compact_end_step(compaction, txn, err, &changed);
	}
	return err != 0 ? err : compact_trim(compaction->store);
}

/* Is there enough to be gained to move pages for it? */
static bool is_loose(const struct compaction *compaction)
{
	return compaction->pages > compaction->goal + compaction->goal / 64;
}

/* A value in pieces needs a tree: what is moved so takes some pages more. */
static int compact_lower_pieces(struct compaction *compaction)
{
	return compact_relocate(
		compaction, RELOCATE_PIECES, compaction->goal + compaction->room / 8);
}

static int compact_lower(struct compaction *compaction)
{
	int err = 0;

	for (unsigned round = 0; !err && round < ROUNDS && is_loose(compaction); round++) {
		err = compact_relocate(compaction, RELOCATE_WHOLE, compaction->goal);
		if (!err)
			err = compact_lower_pieces(compaction);
		if (!err)
			err = compact_cut(compaction);
	}
	return err;
}

int kt_compact(struct kt_store *store, kt_compact_fn *progress, void *arg)
{
	struct compaction compaction = {
		.store = store, .progress = progress, .arg = arg, .step_pages = STEP_PAGES_LEAST};
	int err;

	error_clear();
	err = compact_drain(&compaction);
	compaction.first_pages = compaction.pages;
	if (!err)
		err = compact_pack(&compaction);
	if (!err)
		err = compact_relocate(&compaction, RELOCATE_GATHER, UINT64_MAX);
	if (!err)
		err = compact_lower(&compaction);
	return err != 0 ? err : compact_cut(&compaction);
}
