/* What a version of a tree has lost since the version before: pages that its walk did not claim,
 * though the version before led to them. The walk of the old tree stops at pages that both share, so
 * it costs as much as the difference. */
#include "store/check/check_tree.h"

#include "store/tree/node.h"
#include "store/value/extent.h"
#include "store/value/value_visit.h"

#include <string.h>

struct forgetting {
	struct tree_visitor visitor;
	struct checker *checker;
	uint8_t tree; /* + 1 */
	struct check_sums *gone;
};

/* A page of the old tree. @return true: the new one does not lead to it, or by another way */
static bool forget_page(struct forgetting *forgetting, uint64_t page)
{
	uint8_t *state = &forgetting->checker->state[page];

	if ((*state & PAGE_OWNER) != forgetting->tree)
		return false;
	if ((*state & PAGE_CLAIM) == forgetting->tree << PAGE_CLAIM_SHIFT) {
		*state &= (uint8_t)~PAGE_CLAIM; /* shared: it stays where it is */
		return false;
	}
	*state &= (uint8_t)~PAGE_OWNER;
	return true;
}

static int forget_enter(struct tree_visitor *visitor, uint64_t ref, const uint8_t **ret_page)
{
	struct forgetting *forgetting = (struct forgetting *)(void *)visitor;
	bool entered = forget_page(forgetting, ref_page(ref));

	*ret_page = entered ? visitor->pager->map + ref_page(ref) * PAGE_SIZE : NULL;
	return 0;
}

static int forget_extent(struct tree_visitor *visitor, const struct extent *extent)
{
	for (uint64_t i = 0; i < extent->count; i++)
		forget_page((struct forgetting *)(void *)visitor, extent->page + i);
	return 0;
}

static int forget_cell(struct tree_visitor *visitor, const uint8_t *node, const struct cell *cell)
{
	struct check_sums *gone = ((struct forgetting *)(void *)visitor)->gone;

	gone->entries++;
	gone->key_bytes +=
		cell->spilled ? cell->key_size : node_header(node)->prefix + cell->suffix;
	gone->value_bytes += cell->value.size;
	gone->links += cell->value.kind == CELL_LINK;
	return value_visit_cell(visitor, node, cell);
}

int check_forget(struct checker *checker, unsigned number, struct check_sums *ret_gone)
{
	const struct format_tree *tree = &checker->before[number];
	struct forgetting forgetting = {.visitor = {.enter = forget_enter,
						.cell = forget_cell,
						.extent = forget_extent,
						.pager = &checker->pager},
		.checker = checker,
		.tree = (uint8_t)(number + 1),
		.gone = ret_gone};

	return tree_visit(&forgetting.visitor, tree->root, tree->depth);
}

void check_version_end(struct checker *checker)
{
	for (uint64_t page = PAGE_FIRST; page < checker->pager.page_count; page++) {
		uint8_t *state = &checker->state[page];
		uint8_t claim = (*state & PAGE_CLAIM) >> PAGE_CLAIM_SHIFT;

		if (claim == 0)
			continue;
		if (*state & PAGE_OWNER)
			check_report(checker, page, "used twice");
		*state = (uint8_t)((*state & ~(PAGE_OWNER | PAGE_CLAIM)) | claim);
	}
}

void check_version_reset(struct checker *checker)
{
	for (uint64_t page = PAGE_FIRST; page < checker->pager.page_count; page++)
		checker->state[page] &= (uint8_t) ~(PAGE_OWNER | PAGE_CLAIM);
	memset(checker->before, 0, sizeof(checker->before));
	memset(checker->totals, 0, sizeof(checker->totals));
	checker->links_differ = true;
}
