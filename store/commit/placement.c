#include "store/commit/placement.h"

#include "store/tree/cell.h"
#include "store/tree/node.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct placing {
	struct pager *pager;
	struct placed *placed;
	size_t count;
	struct {
		size_t wanted;	/* pages that still need a place */
		struct run run; /* places not used yet */
	} sorts[2];		/* 0: leaves and overflow pages, 1: branches */
};

/* Branches are replaced by nearly every commit, leaves seldom. Kept apart, the places of branches
 * come free in runs again. */
static unsigned sort_of(const uint8_t *page)
{
	return node_header(page)->kind == PAGE_BRANCH;
}

static int next_place(struct placing *placing, const uint8_t *page, uint64_t *ret_page)
{
	unsigned sort = sort_of(page);
	struct run *run = &placing->sorts[sort].run;

	if (run->count == 0) {
		int err = pager_alloc(placing->pager, placing->sorts[sort].wanted, run);

		if (err != 0)
			return err;
		placing->sorts[sort].wanted -= run->count;
	}
	run->count--;
	*ret_page = run->start++;
	return 0;
}

static int place_page(struct placing *placing, uint64_t *ref);

/* Place what an unaligned reference in a page means, and put its new value there. */
static int place_at(struct placing *placing, uint8_t *at)
{
	uint64_t ref = load64(at);
	int err;

	if (!(ref & REF_DIRTY))
		return 0;
	err = place_page(placing, &ref);
	store64(at, ref);
	return err;
}

/* Does a leaf cell refer to no page but by an extent? True of most. */
static bool refers_to_nothing(const uint8_t *cell)
{
	return (cell[0] & (CELL_VALUE | CELL_ATTR_SPILLED)) <= CELL_EXTENT &&
	       !(load16(cell + LEAF_REST_AT - 2) & SUFFIX_SPILLED);
}

/* The same of a branch cell means that its child is in the file, and its key all there: two bits of
 * the eight bytes from byte 2 on tell it. */
static uint64_t unplaced(const uint8_t *cell)
{
	return load64(cell + 2) & (REF_DIRTY >> 16 | (uint64_t)SUFFIX_SPILLED << 48);
}

/* The first cell from index on that may refer to a page in memory. Mostly only one child of a
 * branch does, so this looks at hundreds. */
static unsigned next_unplaced(const uint8_t *node, unsigned index)
{
	const uint16_t *slots = node_slots(node);
	unsigned count = node_header(node)->count;

	if (node_header(node)->kind == PAGE_LEAF) {
		while (index < count && refers_to_nothing(node + slots[index]))
			index++;
		return index;
	}
	while (index + 4 <= count &&
		(unplaced(node + slots[index]) | unplaced(node + slots[index + 1]) |
			unplaced(node + slots[index + 2]) | unplaced(node + slots[index + 3])) == 0)
		index += 4;
	while (index < count && unplaced(node + slots[index]) == 0)
		index++;
	return index;
}

/* Place what a parsed leaf cell refers to, beside its key. */
static int place_leaf_cell(struct placing *placing, uint8_t *at, const struct cell *cell)
{
	uint8_t *attr = at + cell->refs + (cell->flags & CELL_STAMPED ? 14 : 0) +
			(cell->flags & CELL_SHARED ? 4 : 0);
	uint8_t *value = attr;
	int err = 0;

	if (cell->flags & CELL_ATTR_SPILLED) {
		err = place_at(placing, attr + 4);
		value += 12;
	} else if (cell->flags & CELL_ATTR) {
		value += 2;
	}
	if (!err && cell->value.kind == CELL_TREE)
		err = place_at(placing, value + 16);
	return err;
}

static int place_children(struct placing *placing, uint8_t *node)
{
	unsigned count = node_header(node)->count;
	bool leaf = node_header(node)->kind == PAGE_LEAF;
	int err = 0;

	for (unsigned i = next_unplaced(node, 0); !err && i < count;
		i = next_unplaced(node, i + 1)) {
		uint8_t *at = node + node_slots(node)[i];
		struct cell cell;

		if (!node_cell(node, i, &cell))
			return -EUCLEAN;
		err = leaf ? place_leaf_cell(placing, at, &cell) : place_at(placing, at);
		if (!err && cell.spilled)
			err = place_at(placing, (uint8_t *)cell.rest + rest_size(cell.suffix) + 2);
	}
	return err;
}

/* Place a page in memory and, before it, those below it. */
static int place_page(struct placing *placing, uint64_t *ref)
{
	struct pager *pager = placing->pager;
	uint64_t dirty = *ref;
	uint8_t *page = pager->dirty[dirty & ~REF_DIRTY];
	struct placed *placed;
	uint64_t number;
	int err;

	if (node_header(page)->kind == PAGE_OVERFLOW)
		err = place_at(placing, page + sizeof(struct page_header));
	else
		err = place_children(placing, page);
	if (!err)
		err = next_place(placing, page, &number);
	if (err != 0)
		return err;
	assert(placing->count < pager->dirty_live);
	placed = &placing->placed[placing->count++];
	placed->dirty = dirty;
	placed->data = page;
	placed->ref = page_seal(page, number, pager->txn, pager->seed);
	*ref = placed->ref;
	return 0;
}

static int compare_places(const void *a, const void *b)
{
	uint64_t x = ref_page(((const struct placed *)a)->ref);
	uint64_t y = ref_page(((const struct placed *)b)->ref);

	return (x > y) - (x < y);
}

int place_pages(struct pager *pager, struct format_tree *trees, struct placed **ret_placed,
	size_t *ret_count)
{
	struct placing placing = {.pager = pager};
	int err = 0;

	placing.placed = malloc((pager->dirty_live + 1) * sizeof(*placing.placed));
	if (placing.placed == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < pager->dirty_count; i++)
		if (pager->dirty[i] != NULL)
			placing.sorts[sort_of(pager->dirty[i])].wanted++;
	for (unsigned i = 0; !err && i < TREE_COUNT; i++)
		if (trees[i].root & REF_DIRTY)
			err = place_page(&placing, &trees[i].root);
	if (err != 0) {
		free(placing.placed);
		return err;
	}
	assert(placing.count == pager->dirty_live);
	qsort(placing.placed, placing.count, sizeof(*placing.placed), compare_places);
	*ret_placed = placing.placed;
	*ret_count = placing.count;
	return 0;
}
