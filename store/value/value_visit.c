#include "store/value/value_visit.h"

#include "store/value/extent.h"

static int visit_record(struct tree_visitor *visitor, const uint8_t *record, size_t size)
{
	struct extent extent;
	int err = extent_parse(visitor->pager, 0, record, size, &extent);

	return err ? err : visitor->extent(visitor, &extent);
}

/* A cell in the tree of extents of a value. */
static int visit_extent_cell(
	struct tree_visitor *visitor, const uint8_t *node, const struct cell *cell)
{
	(void)node;
	return visit_record(visitor, cell->value.data, cell->value.size);
}

int value_visit_cell(struct tree_visitor *visitor, const uint8_t *node, const struct cell *cell)
{
	const struct value *value = &cell->value;
	int err = 0;

	(void)node;
	if (cell->flags & CELL_ATTR_SPILLED)
		err = tree_visit_overflow(visitor, cell->attr_overflow, cell->attr_size);
	if (err)
		return err;
	if (value->kind == CELL_EXTENT) {
		err = visit_record(visitor, value->data, EXTENT_SIZE(value->blocks));
	} else if (value->kind == CELL_TREE) {
		int (*cell_of_entry)(struct tree_visitor *, const uint8_t *, const struct cell *) =
			visitor->cell;

		visitor->cell = visit_extent_cell;
		err = tree_visit(visitor, value->root, value->depth);
		visitor->cell = cell_of_entry;
	}
	return err;
}
