/* kt_check(): read everything, believe nothing.
 *
 * Each snapshot, the oldest first, and then the current commit is a version of the trees. Of a
 * version only what it does not share with the version before is walked, so each page is verified
 * once, whatever the number of snapshots. A page belongs to versions in a row: nothing refers to it
 * again after the commit that freed it. For each version and tree:
 *
 *     walk    check_tree.c claims the pages that are new in the tree, verifies them, and stops at
 *             pages that the version before had: all below these is the same and was verified
 *     forget  check_forget.c walks the tree of the version before, stops at pages that both have,
 *             and takes the others from the tree. The entries of a tree are counted by what came
 *             and what went
 *     close   a page that is claimed and still in a tree of the version before is reached twice
 *
 * No page is claimed twice in a version, so no file, however made, keeps a walk busy for ever. After
 * a version with a finding the next one is walked as a whole. At the end each page of the file must
 * be marked exactly once: used, dead but kept, or in the free space. A page of a snapshot must be
 * one of the first two, and a dead one must be of the snapshot that keeps it.
 */
#include "store/check/check_tree.h"
#include "store/commit/commit.h"
#include "store/history/reclaim.h"
#include "store/history/snapshot.h"
#include "store/share/current.h"
#include "store/share/pins.h"
#include "store/share/writer_lock.h"
#include "store/error.h"
#include "store/entry/shared_entry.h"
#include "store/space/space.h"
#include "store/space/space_log.h"

#include <errno.h>
#include <stdlib.h>

/* ---- shared entries -------------------------------------------------------------------------- */

static void report_shared(void *arg, const char *message)
{
	check_report(arg, 0, "%s", message);
}

/* Check the trees of a version: of a snapshot, or of the current commit. A version that is damaged
 * shares nothing with the next one, which is then walked as a whole.
 * @return true: they are sound, and keys and shared entries are not known to agree yet */
static bool check_version(
	struct checker *checker, uint64_t newest, const struct format_tree *trees, unsigned count)
{
	uint64_t findings = checker->findings;

	if (!checker->sound || newest < checker->newest)
		check_version_reset(checker);
	checker->newest = newest;
	for (unsigned i = 0; i < count; i++)
		check_tree(checker, i, &trees[i], i == TREE_ENTRIES);
	check_version_end(checker);
	checker->sound = checker->findings == findings;
	return checker->sound && checker->links_differ;
}

/* Check that keys and shared entries agree. */
static int check_links(struct checker *checker, struct kt_txn *txn)
{
	uint64_t findings = checker->findings;
	int err = shared_entry_check(
		txn, checker->totals[TREE_ENTRIES].links, report_shared, checker);

	checker->links_differ = err || checker->findings != findings;
	return err;
}

static int check_current(struct checker *checker)
{
	const struct format_slot *slot = &checker->slot;

	return check_version(checker, slot->txn, slot->trees, TREE_COUNT)
		       ? check_links(checker, checker->txn)
		       : 0;
}

static int check_snapshot_trees(struct checker *checker, const struct format_snapshot *kept)
{
	struct kt_txn *txn;
	int err;

	if (!check_version(checker, kept->txn, kept->trees, SNAPSHOT_TREES))
		return 0;
	err = kt_begin(checker->store, KT_READ, &txn);
	if (err)
		return err;
	err = txn_show(txn->txn, kept);
	if (!err)
		err = check_links(checker, txn);
	kt_abort(txn);
	return err;
}

/* ---- free space ------------------------------------------------------------------------------ */

static void check_log(struct checker *checker, const struct format_space *space)
{
	uint64_t ref = space->head;
	uint64_t seq = space->head_seq;

	while (ref != 0 && seq >= space->tail_seq) {
		const struct format_log *log =
			(const struct format_log *)(const void *)check_page(checker, ref);

		if (log == NULL)
			return;
		if (log->header.kind != PAGE_LOG || log->seq != seq) {
			check_report(
				checker, ref_page(ref), "not the log page that is referred to");
			return;
		}
		ref = log->prev;
		seq--;
	}
}

static void check_mark_unused(struct checker *checker, const struct run *run, const char *what)
{
	for (uint64_t page = run->start; page < run->start + run->count; page++) {
		if (check_has_bit(checker->marked, page))
			check_report(checker, page, "%s, but in use", what);
		check_set_bit(checker->marked, page);
	}
}

static int check_mark_free(void *arg, struct run run, bool pending)
{
	(void)pending;
	check_mark_unused(arg, &run, "free");
	return 0;
}

/* Load the free space anew from the file, and mark it. */
static int check_space(struct checker *checker)
{
	const struct format_slot *slot = &checker->slot;
	struct space_log_source source;
	struct space *space;
	int err;

	commit_log_source(slot, &checker->pager, &source);
	err = space_log_load(&source, &space);

	if (err == -EUCLEAN) {
		check_report(checker, slot->page, "%s", error_detail(err));
		return 0;
	}
	if (err != 0)
		return err;
	space_each(space, check_mark_free, checker);
	space_close(space);
	for (uint64_t page = PAGE_FIRST; page < slot->page_count; page++)
		if (!check_has_bit(checker->marked, page))
			check_report(checker, page, "neither in use nor free");
	return 0;
}

/* ---- dropped trees --------------------------------------------------------------------------- */

static int check_dropped_tree(void *arg, const struct format_reclaim *record)
{
	return check_root(arg, record->root, record->depth);
}

/* Walk what kt_clear() left to be freed. */
static int check_dropped(struct checker *checker)
{
	int err = reclaim_each(checker->txn->txn, check_dropped_tree, checker);

	if (err == -EUCLEAN) {
		check_report(checker, 0, "%s", error_detail(err));
		err = 0;
	}
	return err;
}

/* ---- snapshots ------------------------------------------------------------------------------- */

static int check_mark_dead(void *arg, const struct dead *dead)
{
	struct checker *checker = arg;

	if (check_in_file(checker, dead->run.start, dead->run.count))
		check_mark_unused(checker, &dead->run, "dead");
	return 0;
}

static int check_mark_dead_of(void *arg, struct kt_txn *txn, const struct format_snapshot *kept)
{
	return snapshot_each_dead(txn, kept->txn, check_mark_dead, arg);
}

static int check_find_dead(void *arg, const struct dead *dead)
{
	struct checker *checker = arg;

	for (uint64_t page = dead->run.start; page < dead->run.start + dead->run.count; page++)
		if (page < checker->pager.page_count && !(checker->state[page] & PAGE_OWNER))
			check_report(checker, page, "kept, but of no snapshot");
	return 0;
}

static int check_snapshot(void *arg, struct kt_txn *txn, const struct format_snapshot *kept)
{
	struct checker *checker = arg;
	int err = check_snapshot_trees(checker, kept);

	return err ? err : snapshot_each_dead(txn, kept->txn, check_find_dead, checker);
}

/* The dead pages of all snapshots are marked before the current commit is, whose pages are not
 * dead. */
static int check_snapshots(struct checker *checker)
{
	int err = snapshot_each(checker->txn, check_mark_dead_of, checker);

	checker->in_snapshot = true;
	if (!err)
		err = snapshot_each(checker->txn, check_snapshot, checker);
	checker->in_snapshot = false;
	if (err == -EUCLEAN) {
		check_report(checker, 0, "%s", error_detail(err));
		checker->sound = false;
		err = 0;
	}
	return err;
}

/* ---- all ------------------------------------------------------------------------------------- */

/* Mark the pages of the current trees. */
static void check_mark_current(struct checker *checker)
{
	for (uint64_t page = PAGE_FIRST; page < checker->pager.page_count; page++) {
		if (!(checker->state[page] & PAGE_OWNER))
			continue;
		if (check_has_bit(checker->marked, page))
			check_report(checker, page, "dead, but in use");
		check_set_bit(checker->marked, page);
	}
}

/* What a snapshot leads to is used by the current commit, or dropped by it, or dead. */
static void check_kept(struct checker *checker)
{
	for (uint64_t page = PAGE_FIRST; page < checker->pager.page_count; page++)
		if (check_has_bit(checker->kept, page) && !check_has_bit(checker->marked, page))
			check_report(checker, page, "of a snapshot, but not kept");
}

static int check_commit(struct checker *checker)
{
	const struct format_slot *slot = &checker->slot;
	int err;

	checker->pager = (struct pager){.map = checker->store->map,
		.page_count = slot->page_count,
		.seed = checker->store->seed,
		.seen = checker->store->seen,
		.faults = atomic_load(&checker->store->seen->faults),
		.io = checker->store->io};
	checker->marked = calloc(slot->page_count / 8 + 1, 1);
	checker->kept = calloc(slot->page_count / 8 + 1, 1);
	checker->state = calloc(slot->page_count, 1);
	checker->sums = calloc(slot->page_count, sizeof(*checker->sums));
	if (checker->marked == NULL || checker->kept == NULL || checker->state == NULL ||
		checker->sums == NULL)
		return -ENOMEM;
	checker->links_differ = true;
	err = check_snapshots(checker);
	if (!err)
		err = check_current(checker);
	if (err)
		return err;
	check_mark_current(checker);
	check_log(checker, &slot->space);
	err = check_dropped(checker);
	if (err)
		return err;
	check_kept(checker);
	return check_space(checker);
}

/* The slot of the commit that is being read. @return 0; -EAGAIN it has been written over */
static int check_find_slot(struct checker *checker)
{
	const struct kt_store *store = checker->store;
	const struct root *root = atomic_load(&store->root);
	uint64_t txn = kt_txn_id(checker->txn);

	/* A failed sync has wiped the slots, and nobody writes any more. */
	if (current_is_poisoned(store)) {
		checker->slot = store->slot;
		return store->slot.txn == txn ? 0 : -EIO;
	}
	/* The root is not freed before what is pinned. */
	if (root->txn != txn)
		return -EAGAIN;
	return current_slot(store, root->published, &checker->slot);
}

/* Begin to read the current commit, and find its slot. Where others commit all the time, it may be
 * written over before it is found. */
static int check_pin_slot(struct checker *checker)
{
	int err;

	do {
		err = kt_begin(checker->store, KT_READ, &checker->txn);
		if (err != 0)
			return err;
		err = check_find_slot(checker);
		if (err != 0)
			kt_abort(checker->txn);
	} while (err == -EAGAIN);
	return err;
}

/* What is read, one commit, is held by a transaction; or, in memory, where no slots are written,
 * by the turn. */
static int check_pinned(struct checker *checker)
{
	struct kt_store *store = checker->store;
	int err = store->io->durable ? check_pin_slot(checker)
				     : writer_lock_take(store, WRITER_LOCK_WAIT);

	if (err != 0)
		return err;
	if (!store->io->durable) {
		checker->slot = store->slot;
		err = kt_begin(store, KT_READ, &checker->txn);
	}
	if (!err) {
		err = check_commit(checker);
		kt_abort(checker->txn);
	}
	if (!store->io->durable)
		writer_lock_release(store);
	return err;
}

int kt_check(struct kt_store *store, kt_check_fn *found, void *arg, uint64_t *ret_findings)
{
	return kt_check_steps(store, found, NULL, arg, ret_findings);
}

int kt_check_steps(struct kt_store *store, kt_check_fn *found, kt_check_step_fn *step, void *arg,
	uint64_t *ret_findings)
{
	struct checker checker = {.store = store, .found = found, .step = step, .arg = arg};
	int err;

	error_clear();
	err = check_pinned(&checker);
	if (!err)
		err = checker.stopped;
	free(checker.marked);
	free(checker.kept);
	free(checker.state);
	free(checker.sums);
	if (!err)
		*ret_findings = checker.findings;
	return err;
}
