#include "store/check/check_tree.h"

#include "store/error.h"
#include "store/value/extent.h"
#include "store/tree/node.h"
#include "store/tree/overflow.h"
#include "store/util/bytes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	bool shared;  /* extents: below a page that two versions share, to count its blocks */
	bool links;   /* links may be here */
	struct check_key last;
	struct check_sums sums;
	uint64_t end;	 /* extents: block behind the last one */
	uint64_t blocks; /* extents: so far */
};

void check_report(struct checker *checker, uint64_t page, const char *format, ...)
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

bool check_in_file(struct checker *checker, uint64_t page, uint64_t count)
{
	if (page >= PAGE_FIRST && page < checker->pager.page_count &&
		count <= checker->pager.page_count - page)
		return true;
	check_report(checker, page, "referred to, but not in the file");
	return false;
}

/* Pages between two steps: a MiB. */
#define STEP_PAGES 256

/* A page has been verified. */
static void check_advance(struct checker *checker)
{
	checker->seen++;
	if (checker->step != NULL && checker->seen % STEP_PAGES == 0 && checker->stopped == 0)
		checker->stopped = checker->step(checker->arg, checker->seen * PAGE_SIZE);
}

/* The walked tree leads to a page. Without a tree, the page is marked as used.
 * @return false: another way led there before; or the check is to stop */
static bool check_claim(struct checker *checker, uint64_t page, bool *ret_shared)
{
	uint8_t *state = &checker->state[page];

	*ret_shared = false;
	if (checker->stopped != 0)
		return false;
	if (checker->tree == 0 ? check_has_bit(checker->marked, page) : *state & PAGE_CLAIM) {
		check_report(checker, page, "used twice");
		return false;
	}
	if (checker->tree == 0) {
		check_set_bit(checker->marked, page);
		return true;
	}
	*ret_shared = (*state & PAGE_OWNER) == checker->tree;
	*state |= (uint8_t)(checker->tree << PAGE_CLAIM_SHIFT);
	if (checker->in_snapshot)
		check_set_bit(checker->kept, page);
	return true;
}

/* Was a page found good before, as what it is to be now? */
static bool check_is_known(const struct checker *checker, uint64_t page, bool block, uint32_t sum)
{
	uint8_t kind = PAGE_VERIFIED | (block ? PAGE_BLOCK : 0);

	return (checker->state[page] & (PAGE_VERIFIED | PAGE_BLOCK)) == kind &&
	       checker->sums[page] == sum;
}

static void check_note(struct checker *checker, uint64_t page, bool block, uint32_t sum)
{
	uint8_t kind = PAGE_VERIFIED | (block ? PAGE_BLOCK : 0);

	checker->state[page] =
		(uint8_t)((checker->state[page] & ~(PAGE_VERIFIED | PAGE_BLOCK)) | kind);
	checker->sums[page] = sum;
}

/* Claim and verify a page. ret_shared: the tree led to it in the version before, and to all that is
 * below. */
static const uint8_t *check_claim_page(struct checker *checker, uint64_t ref, bool *ret_shared)
{
	uint64_t number = ref_page(ref);
	const uint8_t *page = checker->pager.map + number * PAGE_SIZE;
	int err;

	*ret_shared = false;
	if (checker->stopped != 0 || !check_in_file(checker, number, 1) ||
		!check_claim(checker, number, ret_shared))
		return NULL;
	if ((checker->state[number] & (PAGE_VERIFIED | PAGE_BLOCK)) == PAGE_VERIFIED &&
		ref == ref_make(number, checker->sums[number]))
		return page;
	*ret_shared = false;
	err = pager_verify(&checker->pager, ref, &page);
	check_advance(checker);
	if (err) {
		check_report(checker, number, "%s", error_detail(err));
		return NULL;
	}
	check_note(checker, number, false, (uint32_t)node_header(page)->checksum);
	return page;
}

const uint8_t *check_page(struct checker *checker, uint64_t ref)
{
	bool shared;

	return check_claim_page(checker, ref, &shared);
}

/* A page below one that two versions share: it is verified and claimed by that. */
static const uint8_t *check_shared_page(struct checker *checker, uint64_t ref)
{
	uint64_t number = ref_page(ref);

	if (checker->stopped != 0 || !check_in_file(checker, number, 1))
		return NULL;
	if ((checker->state[number] & PAGE_OWNER) == checker->tree &&
		(checker->state[number] & (PAGE_VERIFIED | PAGE_BLOCK)) == PAGE_VERIFIED)
		return checker->pager.map + number * PAGE_SIZE;
	check_report(checker, number, "not the version that is referred to");
	return NULL;
}

static void check_overflow(struct checker *checker, uint64_t ref, uint64_t size)
{
	bool shared = false;

	while (size > 0) {
		const uint8_t *page = shared ? check_shared_page(checker, ref)
					     : check_claim_page(checker, ref, &shared);
		uint64_t part = size < OVERFLOW_PAYLOAD ? size : OVERFLOW_PAYLOAD;

		if (page == NULL)
			return;
		if (node_header(page)->kind != PAGE_OVERFLOW || node_header(page)->count != part) {
			check_report(checker, ref_page(ref),
				"not the overflow page that is referred to");
			return;
		}
		size -= part;
		ref = load64(page + sizeof(struct page_header));
		if (size == 0 && ref != 0)
			check_report(checker, ref_page(ref), "an overflow chain that is too long");
	}
}

/* ---- values ---------------------------------------------------------------------------------- */

static void check_node(struct walk *walk, uint64_t ref, unsigned level, const struct check_key *low,
	const struct check_key *high);

/* Claim and verify the blocks of an extent. */
static void check_extent(struct checker *checker, const struct extent *extent)
{
	const uint8_t *data = checker->pager.map + extent->page * PAGE_SIZE;

	if (checker->stopped != 0 || !check_in_file(checker, extent->page, extent->count))
		return;
	if (extent->birth > checker->newest)
		check_report(checker, extent->page, "born after the last commit");
	for (uint64_t i = 0; i < extent->count && checker->stopped == 0; i++) {
		uint64_t page = extent->page + i, sum;
		bool shared;

		if (!check_claim(checker, page, &shared) ||
			check_is_known(checker, page, true, extent->sums[i]))
			continue;
		sum = block_checksum(data + i * PAGE_SIZE, checker->pager.seed);
		check_advance(checker);
		if ((uint32_t)sum == extent->sums[i])
			check_note(checker, page, true, (uint32_t)sum);
		else
			check_report(checker, page, "block %llu of a value is damaged",
				(unsigned long long)(extent->block + i));
	}
}

static void check_extent_record(
	struct walk *walk, uint64_t page, uint64_t block, const uint8_t *data, size_t size)
{
	struct extent extent;
	int err = extent_parse(&walk->checker->pager, block, data, size, &extent);

	if (err != 0) {
		check_report(walk->checker, page, "%s", error_detail(err));
		return;
	}
	if (extent.block < walk->end)
		check_report(walk->checker, page, "extents overlap");
	walk->end = extent.block + extent.count;
	walk->blocks += extent.count;
	if (!walk->shared)
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
		check_extent_record(&walk, page, 0, value->data, EXTENT_SIZE(value->blocks));
	else if (value->depth > 0)
		check_node(&walk, value->root, value->depth - 1U, &none, &none);
	if (walk.blocks != value->blocks)
		check_report(checker, page, "a value has %llu blocks instead of %llu",
			(unsigned long long)walk.blocks, (unsigned long long)value->blocks);
	if (walk.end > most)
		check_report(checker, page, "a value has blocks behind its end");
}

/* ---- trees ----------------------------------------------------------------------------------- */

static int check_compare_keys(const struct check_key *a, const struct check_key *b)
{
	return bytes_compare(a->bytes, a->size, b->bytes, b->size);
}

static void check_leaf_cell(
	struct walk *walk, uint64_t page, const struct check_key *key, const struct cell *cell)
{
	struct checker *checker = walk->checker;

	if (walk->last.set && check_compare_keys(&walk->last, key) >= 0)
		check_report(checker, page, "keys out of order");
	walk->last = *key;
	walk->last.set = true;
	walk->sums.entries++;
	walk->sums.key_bytes += key->size;
	walk->sums.value_bytes += cell->value.size;
	if (walk->extents) {
		if (key->size != 8 || cell->value.kind != CELL_INLINE)
			check_report(checker, page, "malformed extent");
		else
			check_extent_record(walk, page, big64_load(key->bytes), cell->value.data,
				cell->value.size);
		return;
	}
	if (cell->version > checker->newest)
		check_report(checker, page, "written after the last commit");
	if (cell->flags & CELL_ATTR_SPILLED)
		check_overflow(checker, cell->attr_overflow, cell->attr_size);
	if (cell->value.kind != CELL_LINK)
		check_value(checker, page, &cell->value);
	else if (walk->links)
		walk->sums.links++;
	else
		check_report(checker, page, "a link where none may be");
}

/* Check the cell at an index. key: of it; next: of the cell behind, or the node's upper bound. */
static void check_cell(struct walk *walk, const uint8_t *node, unsigned index,
	const struct check_key *key, const struct check_key *next)
{
	uint64_t page = node_header(node)->page;
	struct cell cell;

	if (!node_cell(node, index, &cell)) {
		check_report(walk->checker, page, "malformed cell");
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

	key->set = !err;
	if (err != 0)
		check_report(walk->checker, node_header(node)->page, "%s", error_detail(err));
	return !err;
}

/* The first or the last key below a node that was verified before. */
static bool check_edge_key(struct walk *walk, const uint8_t *node, bool last, struct check_key *key)
{
	unsigned index = last ? node_last(node) : 0;

	while (node_header(node)->level > 0) {
		node = check_shared_page(walk->checker, node_child(node, index));
		if (node == NULL)
			return false;
		index = last ? node_last(node) : 0;
	}
	return load_cell_key(walk, node, index, key);
}

/* Two versions share a node and all below it. That was verified; only its keys must fit here. */
static void check_shared_node(struct walk *walk, const uint8_t *node, const struct check_key *low,
	const struct check_key *high)
{
	uint64_t page = node_header(node)->page;
	struct check_key *key = malloc(sizeof(*key));

	if (key == NULL) {
		check_report(walk->checker, page, "out of memory");
		return;
	}
	if (check_edge_key(walk, node, false, key)) {
		if (walk->last.set && check_compare_keys(&walk->last, key) >= 0)
			check_report(walk->checker, page, "keys out of order");
		if (low->set && check_compare_keys(low, key) > 0)
			check_report(walk->checker, page, "a key outside its node's range");
	}
	if (check_edge_key(walk, node, true, key)) {
		if (high->set && check_compare_keys(key, high) >= 0)
			check_report(walk->checker, page, "keys out of order");
		walk->last = *key;
	}
	free(key);
}

static void check_node_cells(struct walk *walk, const uint8_t *node, const struct check_key *low,
	const struct check_key *high)
{
	unsigned count = node_header(node)->count, level = node_header(node)->level;
	uint64_t page = node_header(node)->page;
	struct check_key *keys = malloc(2 * sizeof(*keys));

	if (keys == NULL) {
		check_report(walk->checker, page, "out of memory");
		return;
	}
	keys[0] = *low;
	if (level == 0 && !load_cell_key(walk, node, 0, &keys[0]))
		count = 0;
	for (unsigned i = 0; i < count; i++) {
		struct check_key *key = &keys[i % 2], *next = &keys[(i + 1) % 2];

		if (i + 1 == count)
			*next = *high;
		else if (!load_cell_key(walk, node, i + 1, next))
			break;
		if (key->set && next->set && check_compare_keys(key, next) >= 0)
			check_report(walk->checker, page, "keys out of order");
		if (i == 0 && low->set && key->set && check_compare_keys(low, key) > 0)
			check_report(walk->checker, page, "a key outside its node's range");
		check_cell(walk, node, i, key, next);
	}
	free(keys);
}

/* Check a node and all below it, whose keys must be in [low, high). */
static void check_node(struct walk *walk, uint64_t ref, unsigned level, const struct check_key *low,
	const struct check_key *high)
{
	bool was_shared = walk->shared, shared = false;
	const uint8_t *node = was_shared ? check_shared_page(walk->checker, ref)
					 : check_claim_page(walk->checker, ref, &shared);

	if (node == NULL)
		return;
	if (node_header(node)->level != level ||
		node_header(node)->kind != (level == 0 ? PAGE_LEAF : PAGE_BRANCH)) {
		check_report(walk->checker, ref_page(ref), "a node on the wrong level");
		return;
	}
	if (shared && !walk->extents) {
		check_shared_node(walk, node, low, high);
		return;
	}
	walk->shared = was_shared || shared;
	check_node_cells(walk, node, low, high);
	walk->shared = was_shared;
}

/* What the tree holds is what it held, without what is gone, with what is new. */
static void check_tree_sums(
	struct checker *checker, unsigned number, const struct check_sums *new, bool links)
{
	struct check_sums *total = &checker->totals[number], gone = {0};

	if (check_forget(checker, number, &gone) != 0)
		check_report(checker, ref_page(checker->before[number].root),
			"the trees of two versions do not fit");
	total->entries += new->entries - gone.entries;
	total->key_bytes += new->key_bytes - gone.key_bytes;
	total->value_bytes += new->value_bytes - gone.value_bytes;
	total->links += new->links - gone.links;
	if (links && (new->links > 0 || gone.links > 0))
		checker->links_differ = true;
}

void check_tree(
	struct checker *checker, unsigned number, const struct format_tree *tree, bool links)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	const struct check_sums *total = &checker->totals[number];
	struct check_key none = {.set = false};

	if (walk == NULL) {
		check_report(checker, 0, "out of memory");
		return;
	}
	walk->checker = checker;
	walk->links = links;
	checker->tree = number + 1;
	if (tree->depth > DEPTH_MAX || (tree->depth == 0) != (tree->root == 0))
		check_report(checker, ref_page(tree->root), "impossible depth of a tree");
	else if (tree->depth > 0)
		check_node(walk, tree->root, tree->depth - 1, &none, &none);
	check_tree_sums(checker, number, &walk->sums, links);
	if (number == TREE_SHARED && tree->root != checker->before[number].root)
		checker->links_differ = true;
	checker->before[number] = *tree;
	checker->tree = 0;
	if (total->entries != tree->entries || total->key_bytes != tree->key_bytes ||
		total->value_bytes != tree->value_bytes)
		check_report(checker, ref_page(tree->root),
			"a tree holds %llu entries instead of %llu, or other sums of sizes",
			(unsigned long long)total->entries, (unsigned long long)tree->entries);
	free(walk);
}

int check_root(struct checker *checker, uint64_t root, unsigned depth)
{
	struct check_key none = {.set = false};
	struct walk *walk = calloc(1, sizeof(*walk));

	if (walk == NULL)
		return -ENOMEM;
	walk->checker = checker;
	walk->links = true; /* what they lead to is nobody's now */
	check_node(walk, root, depth - 1, &none, &none);
	free(walk);
	return 0;
}
