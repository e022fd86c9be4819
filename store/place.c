#include "place.h"

#include "cell.h"
#include "node.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct placing {
	struct pager *pager;
	struct placed *placed;
	size_t count, capacity;
	struct run run; /* places not used yet */
};

static int next_place(struct placing *placing, uint64_t *ret_page)
{
	if (placing->run.count == 0) {
		int err = pager_alloc(
			placing->pager, placing->capacity - placing->count, &placing->run);

		if (err != 0)
			return err;
	}
	placing->run.count--;
	*ret_page = placing->run.start++;
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

/* Place what a parsed leaf cell refers to, beside its key. */
static int place_leaf_cell(struct placing *placing, uint8_t *at, const struct cell *cell)
{
	uint8_t *attr = at + cell->refs + (cell->flags & CELL_STAMPED ? 14 : 0);
	uint8_t *value = attr;
	int err = 0;

	if (cell->flags & CELL_ATTR_SPILLED) {
		err = place_at(placing, attr + 4);
		value += 12;
	} else if (cell->flags & CELL_ATTR) {
		value += 2;
	}
	if (err == 0 && cell->value.kind == CELL_TREE)
		err = place_at(placing, value + 16);
	return err;
}

static int place_children(struct placing *placing, uint8_t *node)
{
	unsigned count = node_header(node)->count;
	bool leaf = node_header(node)->kind == PAGE_LEAF;
	int err = 0;

	for (unsigned i = 0; err == 0 && i < count; i++) {
		uint8_t *at = node + node_slots(node)[i];
		struct cell cell;

		if (leaf && refers_to_nothing(at))
			continue;
		if (!node_cell(node, i, &cell))
			return -EUCLEAN;
		if (leaf)
			err = place_leaf_cell(placing, at, &cell);
		else
			err = place_at(placing, at);
		if (err == 0 && cell.spilled)
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
	if (err == 0)
		err = next_place(placing, &number);
	if (err != 0)
		return err;
	assert(placing->count < placing->capacity);
	placed = &placing->placed[placing->count++];
	placed->dirty = dirty;
	placed->data = page;
	placed->ref = page_seal(page, number, pager->txn, pager->seed);
	*ref = placed->ref;
	return 0;
}

int place_pages(struct pager *pager, struct format_tree *trees, struct placed **ret_placed,
	size_t *ret_count)
{
	struct placing placing = {.pager = pager, .capacity = pager->dirty_live};
	int err = 0;

	placing.placed = malloc((placing.capacity + 1) * sizeof(*placing.placed));
	if (placing.placed == NULL)
		return -ENOMEM;
	for (unsigned i = 0; err == 0 && i < TREE_COUNT; i++)
		if (trees[i].root & REF_DIRTY)
			err = place_page(&placing, &trees[i].root);
	if (err != 0) {
		free(placing.placed);
		return err;
	}
	assert(placing.count == placing.capacity && placing.run.count == 0);
	*ret_placed = placing.placed;
	*ret_count = placing.count;
	return 0;
}
