#include "store/tree/tree_visit.h"

#include "store/error.h"
#include "store/tree/node.h"
#include "store/tree/overflow.h"
#include "store/tree/page.h"

static int visit_leave(struct tree_visitor *visitor, uint64_t ref)
{
	return visitor->leave != NULL ? visitor->leave(visitor, ref) : 0;
}

int tree_visit_overflow(struct tree_visitor *visitor, uint64_t ref, uint64_t size)
{
	while (size > 0) {
		uint64_t part = size < OVERFLOW_PAYLOAD ? size : OVERFLOW_PAYLOAD, next;
		const uint8_t *page;
		int err = visitor->enter(visitor, ref, &page);

		if (err || page == NULL)
			return err;
		if (node_header(page)->kind != PAGE_OVERFLOW || node_header(page)->count != part)
			return error_damaged(
				ref_page(ref), "not the overflow page that is referred to");
		next = overflow_next(page);
		err = visit_leave(visitor, ref);
		if (err)
			return err;
		ref = next;
		size -= part;
	}
	return 0;
}

static int visit_cell(struct tree_visitor *visitor, const uint8_t *node, unsigned index)
{
	unsigned level = node_header(node)->level;
	struct cell cell;
	int err = 0;

	if (!node_cell(node, index, &cell))
		return error_damaged(node_header(node)->page, "malformed cell");
	if (cell.spilled)
		err = tree_visit_overflow(visitor, cell.key_overflow, cell.key_size);
	if (err)
		return err;
	if (level > 0)
		return tree_visit(visitor, cell.value.root, level);
	return visitor->cell != NULL ? visitor->cell(visitor, node, &cell) : 0;
}

int tree_visit(struct tree_visitor *visitor, uint64_t root, unsigned depth)
{
	const uint8_t *node;
	int err;

	if (depth == 0)
		return 0;
	if (depth > DEPTH_MAX)
		return error_damaged(ref_page(root), "impossible depth of a tree");
	err = visitor->enter(visitor, root, &node);
	if (err || node == NULL)
		return err;
	if (node_header(node)->level != depth - 1 ||
		node_header(node)->kind != (depth == 1 ? PAGE_LEAF : PAGE_BRANCH))
		return error_damaged(ref_page(root), "a node on the wrong level");
	for (unsigned i = 0; !err && i < node_header(node)->count; i++)
		err = visit_cell(visitor, node, i);
	return err ? err : visit_leave(visitor, root);
}
