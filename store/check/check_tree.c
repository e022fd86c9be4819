#include "store/check/check_tree.h"

#include "store/error.h"
#include "store/value/extent.h"
#include "store/tree/node.h"
#include "store/tree/overflow.h"

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
	struct check_key last;
	uint64_t entries, key_bytes, value_bytes;
	uint64_t end;	 /* extents: block behind the last one */
	uint64_t blocks; /* extents: so far */
	uint64_t *links; /* counts links; NULL: none may be here */
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

/* Mark pages as used by the trees that are walked.
 * @return false: one was marked already, or lies outside the file; or it is to stop */
static bool check_mark(struct checker *checker, uint64_t page, uint64_t count)
{
	bool fresh = true;

	if (checker->stopped != 0 || !check_in_file(checker, page, count))
		return false;
	for (uint64_t i = page; i < page + count; i++) {
		if (check_has_bit(checker->walked, i)) {
			check_report(checker, i, "used twice");
			fresh = false;
		}
		if (checker->walked != checker->marked && !check_has_bit(checker->marked, i))
			check_report(checker, i, "of a snapshot, but not kept");
		check_set_bit(checker->walked, i);
	}
	return fresh;
}

const uint8_t *check_page(struct checker *checker, uint64_t ref)
{
	const uint8_t *page;
	int err;

	if (!check_mark(checker, ref_page(ref), 1))
		return NULL;
	err = pager_verify(&checker->pager, ref, &page);
	check_advance(checker);
	if (err != 0) {
		check_report(checker, ref_page(ref), "%s", error_detail(err));
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

/* Mark and verify the blocks of an extent. */
static void check_extent(struct checker *checker, const struct extent *extent)
{
	const uint8_t *data = checker->pager.map + extent->page * PAGE_SIZE;

	if (!check_mark(checker, extent->page, extent->count))
		return;
	if (extent->birth > checker->newest)
		check_report(checker, extent->page, "born after the last commit");
	for (uint64_t i = 0; i < extent->count && checker->stopped == 0; i++) {
		uint64_t sum = block_checksum(data + i * PAGE_SIZE, checker->pager.seed);

		check_advance(checker);
		if ((uint32_t)sum != extent->sums[i])
			check_report(checker, extent->page + i, "block %llu of a value is damaged",
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
	size_t size = a->size < b->size ? a->size : b->size;
	int order = memcmp(a->bytes, b->bytes, size);

	return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

static void check_leaf_cell(
	struct walk *walk, uint64_t page, const struct check_key *key, const struct cell *cell)
{
	struct checker *checker = walk->checker;

	if (walk->last.set && check_compare_keys(&walk->last, key) >= 0)
		check_report(checker, page, "keys out of order");
	walk->last = *key;
	walk->last.set = true;
	walk->entries++;
	walk->key_bytes += key->size;
	walk->value_bytes += cell->value.size;
	if (walk->extents) {
		if (key->size != 8 || cell->value.kind != CELL_INLINE)
			check_report(checker, page, "malformed extent");
		else
			check_extent_record(walk, page, __builtin_bswap64(load64(key->bytes)),
				cell->value.data, cell->value.size);
		return;
	}
	if (cell->version > checker->newest)
		check_report(checker, page, "written after the last commit");
	if (cell->flags & CELL_ATTR_SPILLED)
		check_overflow(checker, cell->attr_overflow, cell->attr_size);
	if (cell->value.kind != CELL_LINK)
		check_value(checker, page, &cell->value);
	else if (walk->links != NULL)
		++*walk->links;
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
		check_report(walk->checker, ref_page(ref), "a node on the wrong level");
		return;
	}
	keys = malloc(2 * sizeof(*keys));
	if (keys == NULL) {
		check_report(walk->checker, ref_page(ref), "out of memory");
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
		if (key->set && next->set && check_compare_keys(key, next) >= 0)
			check_report(walk->checker, ref_page(ref), "keys out of order");
		if (i == 0 && low->set && key->set && check_compare_keys(low, key) > 0)
			check_report(
				walk->checker, ref_page(ref), "a key outside its node's range");
		check_cell(walk, node, i, key, next);
	}
	free(keys);
}

void check_tree(struct checker *checker, const struct format_tree *tree, uint64_t *links)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	struct check_key none = {.set = false};

	if (walk == NULL) {
		check_report(checker, 0, "out of memory");
		return;
	}
	walk->checker = checker;
	walk->links = links;
	if (tree->depth > DEPTH_MAX || (tree->depth == 0) != (tree->root == 0))
		check_report(checker, ref_page(tree->root), "impossible depth of a tree");
	else if (tree->depth > 0)
		check_node(walk, tree->root, tree->depth - 1, &none, &none);
	if (walk->entries != tree->entries || walk->key_bytes != tree->key_bytes ||
		walk->value_bytes != tree->value_bytes)
		check_report(checker, ref_page(tree->root),
			"a tree holds %llu entries instead of %llu, or other sums of sizes",
			(unsigned long long)walk->entries, (unsigned long long)tree->entries);
	free(walk);
}

int check_root(struct checker *checker, uint64_t root, unsigned depth)
{
	struct check_key none = {.set = false};
	struct walk *walk = calloc(1, sizeof(*walk));
	uint64_t links = 0; /* what they lead to is nobody's now */

	if (walk == NULL)
		return -ENOMEM;
	walk->checker = checker;
	walk->links = &links;
	check_node(walk, root, depth - 1, &none, &none);
	free(walk);
	return 0;
}
