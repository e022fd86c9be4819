/* kt_check(): read everything, believe nothing.
 *
 * All trees of the current commit are walked from their roots, then those of each snapshot. Every
 * page is verified anew, marked in a bitmap, and not entered twice, so that no file, however made,
 * keeps the walk busy for ever. At the end each page of the file must be marked exactly once: used,
 * dead but kept, or in the free space. A page of a snapshot must be one of the first two, and a
 * dead one must be of the snapshot that keeps it.
 */
#include "current.h"
#include "error.h"
#include "extent.h"
#include "node.h"
#include "overflow.h"
#include "shared.h"
#include "space.h"
#include "spacelog.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct checker {
	struct kt_store *store;
	struct pager pager;
	kt_check_fn *found;
	kt_check_step_fn *step;
	void *arg;
	uint64_t findings;
	uint64_t seen;		 /* pages verified */
	int stopped;		 /* what step returned */
	uint8_t *marked;	 /* a bit per page: of this commit, dead, or free */
	uint8_t *walked;	 /* the same: of the trees that are being walked */
	uint64_t newest;	 /* nothing in these trees is younger than this commit */
	struct kt_txn *txn;	 /* holds what is checked */
	struct format_slot slot; /* of that commit */
};

/* A key while a tree is walked. */
struct check_key {
	bool set;
	size_t size;
	uint8_t bytes[KT_KEY_MAX];
};

/* One tree while it is walked. */
struct walk {
	struct checker *checker;
	bool extents; /* a value's tree of extents */
	struct check_key last;
	uint64_t entries, key_bytes, value_bytes;
	uint64_t end;	 /* extents: block behind the last one */
	uint64_t blocks; /* extents: so far */
	uint64_t *links; /* counts links; NULL: none may be here */
};

static void report(struct checker *checker, uint64_t page, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void report(struct checker *checker, uint64_t page, const char *format, ...)
{
	char message[256];
	va_list args;

	if (checker->stopped != 0) /* nothing after that is known */
		return;
	checker->findings++;
	if (checker->found == NULL)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	checker->found(checker->arg, page, message);
}

/* ---- pages ----------------------------------------------------------------------------------- */

static bool has_bit(const uint8_t *bits, uint64_t page)
{
	return (bits[page / 8] & (1U << (page % 8))) != 0;
}

static void set_bit(uint8_t *bits, uint64_t page)
{
	bits[page / 8] |= (uint8_t)(1U << (page % 8));
}

static bool in_file(struct checker *checker, uint64_t page, uint64_t count)
{
	if (page >= PAGE_FIRST && page < checker->pager.page_count &&
		count <= checker->pager.page_count - page)
		return true;
	report(checker, page, "referred to, but not in the file");
	return false;
}

/* Pages between two steps: a MiB. */
#define STEP_PAGES 256

/* A page has been verified. */
static void advance(struct checker *checker)
{
	checker->seen++;
	if (checker->step != NULL && checker->seen % STEP_PAGES == 0 && checker->stopped == 0)
		checker->stopped = checker->step(checker->arg, checker->seen * PAGE_SIZE);
}

/* Mark pages as used by the trees that are walked.
 * @return false: one was marked already, or lies outside the file; or it is to stop */
static bool mark(struct checker *checker, uint64_t page, uint64_t count)
{
	bool fresh = true;

	if (checker->stopped != 0 || !in_file(checker, page, count))
		return false;
	for (uint64_t i = page; i < page + count; i++) {
		if (has_bit(checker->walked, i)) {
			report(checker, i, "used twice");
			fresh = false;
		}
		if (checker->walked != checker->marked && !has_bit(checker->marked, i))
			report(checker, i, "of a snapshot, but not kept");
		set_bit(checker->walked, i);
	}
	return fresh;
}

/* Mark and verify a page. @return its bytes; NULL: not to be entered */
static const uint8_t *check_page(struct checker *checker, uint64_t ref)
{
	const uint8_t *page;
	int err;

	if (!mark(checker, ref_page(ref), 1))
		return NULL;
	err = pager_verify(&checker->pager, ref, &page);
	advance(checker);
	if (err != 0) {
		report(checker, ref_page(ref), "%s", error_detail(err));
		return NULL;
	}
	return page;
}

static void check_overflow(struct checker *checker, uint64_t ref, uint64_t size)
{
	while (size > 0) {
		const uint8_t *page = check_page(checker, ref);
		uint64_t part = size < OVERFLOW_PAYLOAD ? size : OVERFLOW_PAYLOAD;

		if (page == NULL)
			return;
		if (node_header(page)->kind != PAGE_OVERFLOW || node_header(page)->count != part) {
			report(checker, ref_page(ref), "not the overflow page that is referred to");
			return;
		}
		size -= part;
		ref = load64(page + sizeof(struct page_header));
		if (size == 0 && ref != 0)
			report(checker, ref_page(ref), "an overflow chain that is too long");
	}
}

/* ---- values ---------------------------------------------------------------------------------- */

static void check_node(struct walk *walk, uint64_t ref, unsigned level, const struct check_key *low,
	const struct check_key *high);

/* Mark and verify the blocks of an extent. */
static void check_extent(struct checker *checker, const struct extent *extent)
{
	const uint8_t *data = checker->pager.map + extent->page * PAGE_SIZE;

	if (!mark(checker, extent->page, extent->count))
		return;
	if (extent->birth > checker->newest)
		report(checker, extent->page, "born after the last commit");
	for (uint64_t i = 0; i < extent->count && checker->stopped == 0; i++) {
		uint64_t sum = block_checksum(data + i * PAGE_SIZE, checker->pager.seed);

		advance(checker);
		if ((uint32_t)sum != extent->sums[i])
			report(checker, extent->page + i, "block %llu of a value is damaged",
				(unsigned long long)(extent->block + i));
	}
}

static void check_record(
	struct walk *walk, uint64_t page, uint64_t block, const uint8_t *data, size_t size)
{
	struct extent extent;
	int err = extent_parse(&walk->checker->pager, block, data, size, &extent);

	if (err != 0) {
		report(walk->checker, page, "%s", error_detail(err));
		return;
	}
	if (extent.block < walk->end)
		report(walk->checker, page, "extents overlap");
	walk->end = extent.block + extent.count;
	walk->blocks += extent.count;
	check_extent(walk->checker, &extent);
}

static void check_value(struct checker *checker, uint64_t page, const struct value *value)
{
	struct walk walk = {.checker = checker, .extents = true};
	struct check_key none = {.set = false};
	uint64_t most = value->size / PAGE_SIZE + (value->size % PAGE_SIZE != 0);

	if (value->kind == CELL_INLINE)
		return;
	if (value->kind == CELL_EXTENT)
		check_record(&walk, page, 0, value->data, EXTENT_SIZE(value->blocks));
	else if (value->depth > 0)
		check_node(&walk, value->root, value->depth - 1U, &none, &none);
	if (walk.blocks != value->blocks)
		report(checker, page, "a value has %llu blocks instead of %llu",
			(unsigned long long)walk.blocks, (unsigned long long)value->blocks);
	if (walk.end > most)
		report(checker, page, "a value has blocks behind its end");
}

/* ---- trees ----------------------------------------------------------------------------------- */

static int compare(const struct check_key *a, const struct check_key *b)
{
	size_t size = a->size < b->size ? a->size : b->size;
	int order = memcmp(a->bytes, b->bytes, size);

	return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

static void check_leaf_cell(
	struct walk *walk, uint64_t page, const struct check_key *key, const struct cell *cell)
{
	struct checker *checker = walk->checker;

	if (walk->last.set && compare(&walk->last, key) >= 0)
		report(checker, page, "keys out of order");
	walk->last = *key;
	walk->last.set = true;
	walk->entries++;
	walk->key_bytes += key->size;
	walk->value_bytes += cell->value.size;
	if (walk->extents) {
		if (key->size != 8 || cell->value.kind != CELL_INLINE)
			report(checker, page, "malformed extent");
		else
			check_record(walk, page, __builtin_bswap64(load64(key->bytes)),
				cell->value.data, cell->value.size);
		return;
	}
	if (cell->version > checker->newest)
		report(checker, page, "written after the last commit");
	if (cell->flags & CELL_ATTR_SPILLED)
		check_overflow(checker, cell->attr_overflow, cell->attr_size);
	if (cell->value.kind != CELL_LINK)
		check_value(checker, page, &cell->value);
	else if (walk->links != NULL)
		++*walk->links;
	else
		report(checker, page, "a link where none may be");
}

/* Check the cell at an index. key: of it; next: of the cell behind, or the node's upper bound. */
static void check_cell(struct walk *walk, const uint8_t *node, unsigned index,
	const struct check_key *key, const struct check_key *next)
{
	uint64_t page = node_header(node)->page;
	struct cell cell;

	if (!node_cell(node, index, &cell)) {
		report(walk->checker, page, "malformed cell");
		return;
	}
	if (cell.spilled)
		check_overflow(walk->checker, cell.key_overflow, cell.key_size);
	if (node_header(node)->level > 0)
		check_node(walk, cell.value.root, node_header(node)->level - 1U, key, next);
	else
		check_leaf_cell(walk, page, key, &cell);
}

static bool load_cell_key(
	struct walk *walk, const uint8_t *node, unsigned index, struct check_key *key)
{
	int err = node_key(&walk->checker->pager, node, index, key->bytes, &key->size);

	key->set = err == 0;
	if (err != 0)
		report(walk->checker, node_header(node)->page, "%s", error_detail(err));
	return err == 0;
}

/* Check a node and all below it, whose keys must be in [low, high). */
static void check_node(struct walk *walk, uint64_t ref, unsigned level, const struct check_key *low,
	const struct check_key *high)
{
	const uint8_t *node = check_page(walk->checker, ref);
	struct check_key *keys;
	unsigned count;

	if (node == NULL)
		return;
	if (node_header(node)->level != level ||
		node_header(node)->kind != (level == 0 ? PAGE_LEAF : PAGE_BRANCH)) {
		report(walk->checker, ref_page(ref), "a node on the wrong level");
		return;
	}
	keys = malloc(2 * sizeof(*keys));
	if (keys == NULL) {
		report(walk->checker, ref_page(ref), "out of memory");
		return;
	}
	count = node_header(node)->count;
	keys[0] = *low;
	if (level == 0 && !load_cell_key(walk, node, 0, &keys[0]))
		count = 0;
	for (unsigned i = 0; i < count; i++) {
		struct check_key *key = &keys[i % 2], *next = &keys[(i + 1) % 2];

		if (i + 1 == count)
			*next = *high;
		else if (!load_cell_key(walk, node, i + 1, next))
			break;
		if (key->set && next->set && compare(key, next) >= 0)
			report(walk->checker, ref_page(ref), "keys out of order");
		if (i == 0 && low->set && key->set && compare(low, key) > 0)
			report(walk->checker, ref_page(ref), "a key outside its node's range");
		check_cell(walk, node, i, key, next);
	}
	free(keys);
}

static void check_tree(struct checker *checker, const struct format_tree *tree, uint64_t *links)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	struct check_key none = {.set = false};

	if (walk == NULL) {
		report(checker, 0, "out of memory");
		return;
	}
	walk->checker = checker;
	walk->links = links;
	if (tree->depth > DEPTH_MAX || (tree->depth == 0) != (tree->root == 0))
		report(checker, ref_page(tree->root), "impossible depth of a tree");
	else if (tree->depth > 0)
		check_node(walk, tree->root, tree->depth - 1, &none, &none);
	if (walk->entries != tree->entries || walk->key_bytes != tree->key_bytes ||
		walk->value_bytes != tree->value_bytes)
		report(checker, ref_page(tree->root),
			"a tree holds %llu entries instead of %llu, or other sums of sizes",
			(unsigned long long)walk->entries, (unsigned long long)tree->entries);
	free(walk);
}

/* ---- shared entries -------------------------------------------------------------------------- */

static void report_shared(void *arg, const char *message)
{
	report(arg, 0, "%s", message);
}

/* Check the trees of a commit.
 * ret_links: how many links there are; none if the trees are damaged, which are not walked again */
static void check_trees(struct checker *checker, const struct format_tree *trees, unsigned count,
	uint64_t *ret_links, bool *ret_sound)
{
	uint64_t before = checker->findings;

	*ret_links = 0;
	for (unsigned i = 0; i < count; i++)
		check_tree(checker, &trees[i], i == TREE_ENTRIES ? ret_links : NULL);
	*ret_sound = checker->findings == before;
}

/* Check that keys and shared entries agree in the commit that is read. */
static int check_current(struct checker *checker)
{
	uint64_t links;
	bool sound;

	check_trees(checker, checker->slot.trees, TREE_COUNT, &links, &sound);
	return sound ? shared_check(checker->txn, links, report_shared, checker) : 0;
}

/* The same of a snapshot. */
static int check_kept(struct checker *checker, const struct format_snapshot *kept)
{
	struct kt_txn *txn;
	uint64_t links;
	bool sound;
	int err;

	check_trees(checker, kept->trees, SNAPSHOT_TREES, &links, &sound);
	if (!sound || (links == 0 && kept->trees[TREE_SHARED].root == 0))
		return 0;
	err = kt_begin(checker->store, KT_READ, &txn);
	if (err != 0)
		return err;
	err = txn_show(txn->txn, kept);
	if (err == 0)
		err = shared_check(txn, links, report_shared, checker);
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
			report(checker, ref_page(ref), "not the log page that is referred to");
			return;
		}
		ref = log->prev;
		seq--;
	}
}

static void mark_unused(struct checker *checker, const struct run *run, const char *what)
{
	for (uint64_t page = run->start; page < run->start + run->count; page++) {
		if (has_bit(checker->marked, page))
			report(checker, page, "%s, but in use", what);
		set_bit(checker->marked, page);
	}
}

static int mark_free(void *arg, struct run run, bool pending)
{
	(void)pending;
	mark_unused(arg, &run, "free");
	return 0;
}

/* Load the free space anew from the file, and mark it. */
static int check_space(struct checker *checker)
{
	const struct format_slot *slot = &checker->slot;
	struct spacelog_source source;
	struct space *space;
	int err;

	commit_log_source(slot, &checker->pager, &source);
	err = spacelog_load(&source, &space);

	if (err == -EUCLEAN) {
		report(checker, slot->page, "%s", error_detail(err));
		return 0;
	}
	if (err != 0)
		return err;
	space_each(space, mark_free, checker);
	space_close(space);
	for (uint64_t page = PAGE_FIRST; page < slot->page_count; page++)
		if (!has_bit(checker->marked, page))
			report(checker, page, "neither in use nor free");
	return 0;
}

/* ---- dropped trees --------------------------------------------------------------------------- */

static int check_dropped_tree(void *arg, const struct format_reclaim *record)
{
	struct check_key none = {.set = false};
	struct walk *walk = calloc(1, sizeof(*walk));
	uint64_t links = 0; /* what they lead to was dropped, too */

	if (walk == NULL)
		return -ENOMEM;
	walk->checker = arg;
	walk->links = &links;
	check_node(walk, record->root, record->depth - 1, &none, &none);
	free(walk);
	return 0;
}

/* Walk what kt_clear() left to be freed. */
static int check_dropped(struct checker *checker)
{
	int err = reclaim_each(checker->txn->txn, check_dropped_tree, checker);

	if (err == -EUCLEAN) {
		report(checker, 0, "%s", error_detail(err));
		err = 0;
	}
	return err;
}

/* ---- snapshots ------------------------------------------------------------------------------- */

static int mark_dead(void *arg, const struct dead *dead)
{
	struct checker *checker = arg;

	if (in_file(checker, dead->run.start, dead->run.count))
		mark_unused(checker, &dead->run, "dead");
	return 0;
}

static int mark_dead_of(void *arg, struct kt_txn *txn, const struct format_snapshot *kept)
{
	return snapshot_each_dead(txn, kept->txn, mark_dead, arg);
}

static int find_dead(void *arg, const struct dead *dead)
{
	struct checker *checker = arg;

	for (uint64_t page = dead->run.start; page < dead->run.start + dead->run.count; page++)
		if (page < checker->pager.page_count && !has_bit(checker->walked, page))
			report(checker, page, "kept, but of no snapshot");
	return 0;
}

static int check_snapshot(void *arg, struct kt_txn *txn, const struct format_snapshot *kept)
{
	struct checker *checker = arg;
	int err;

	checker->walked = calloc(checker->pager.page_count / 8 + 1, 1);
	if (checker->walked == NULL)
		return -ENOMEM;
	checker->newest = kept->txn;
	err = check_kept(checker, kept);
	if (err == 0)
		err = snapshot_each_dead(txn, kept->txn, find_dead, checker);
	free(checker->walked);
	return err;
}

/* The dead pages of all snapshots are marked before the first is walked, since a snapshot sees
 * pages that a later one keeps. */
static int check_snapshots(struct checker *checker)
{
	int err = snapshot_each(checker->txn, mark_dead_of, checker);

	if (err == 0)
		err = snapshot_each(checker->txn, check_snapshot, checker);
	if (err == -EUCLEAN) {
		report(checker, 0, "%s", error_detail(err));
		err = 0;
	}
	return err;
}

/* ---- all ------------------------------------------------------------------------------------- */

static int check_store(struct checker *checker)
{
	const struct format_slot *slot = &checker->slot;
	int err;

	checker->pager = (struct pager){.map = checker->store->map,
		.page_count = slot->page_count,
		.seed = checker->store->seed,
		.seen = checker->store->seen};
	checker->marked = calloc(slot->page_count / 8 + 1, 1);
	if (checker->marked == NULL)
		return -ENOMEM;
	checker->walked = checker->marked;
	checker->newest = slot->txn;
	err = check_current(checker);
	check_log(checker, &slot->space);
	if (err == 0)
		err = check_dropped(checker);
	if (err == 0)
		err = check_snapshots(checker);
	return err != 0 ? err : check_space(checker);
}

/* The slot of the commit that is being read. @return 0; -EAGAIN it has been written over */
static int find_slot(struct checker *checker)
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
static int pin_slot(struct checker *checker)
{
	int err;

	do {
		err = kt_begin(checker->store, KT_READ, &checker->txn);
		if (err != 0)
			return err;
		err = find_slot(checker);
		if (err != 0)
			kt_abort(checker->txn);
	} while (err == -EAGAIN);
	return err;
}

/* What is read, one commit, is held by a transaction; or, in memory, where no slots are written,
 * by the turn. */
static int check_one(struct checker *checker)
{
	struct kt_store *store = checker->store;
	int err = store->io->durable ? pin_slot(checker) : turn_take(store, false);

	if (err != 0)
		return err;
	if (!store->io->durable) {
		checker->slot = store->slot;
		err = kt_begin(store, KT_READ, &checker->txn);
	}
	if (err == 0) {
		err = check_store(checker);
		kt_abort(checker->txn);
	}
	if (!store->io->durable)
		turn_give(store);
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
	int err = check_one(&checker);

	if (err == 0)
		err = checker.stopped;
	free(checker.marked);
	if (err == 0)
		*ret_findings = checker.findings;
	return err;
}
