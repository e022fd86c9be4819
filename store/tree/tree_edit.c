#include "store/tree/tree_edit.h"

#include "store/error.h"
#include "keytree.h"
#include "store/tree/node.h"
#include "store/tree/node_edit.h"
#include "store/tree/node_list.h"
#include "store/tree/overflow.h"
#include "store/tree/pager.h"
#include "store/tree/tree_visit.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define CUTS_MAX 5			/* nodes that one change may add to a level */
#define MERGE_BELOW (PAGE_SIZE / 4)	/* a node with fewer bytes looks for a neighbour */
#define MERGE_LIMIT (PAGE_SIZE * 7 / 8) /* a merged node is not at once full again */

/* ---- changing -------------------------------------------------------------------------------- */

int tree_touch(struct pager *pager, struct format_tree *tree, struct path *path, unsigned to)
{
	for (unsigned level = path->depth; level-- > to;) {
		uint64_t ref = path->level[level].ref;
		uint8_t *node;
		int err;

		if (pager_is_writable(pager, ref))
			continue;
		err = pager_touch(pager, &ref, &node);
		if (err != 0)
			return err;
		path->level[level].ref = ref;
		path->level[level].node = node;
		if (level + 1 == path->depth)
			tree->root = ref;
		else
			node_set_child((uint8_t *)path->level[level + 1].node,
				path->level[level + 1].index, ref);
	}
	return 0;
}

/* The node of a touched path, which is in memory and may be written. */
static uint8_t *tree_writable(const struct path *path, unsigned level)
{
	assert(path->level[level].ref & REF_DIRTY);
	return (uint8_t *)path->level[level].node;
}

/* The new nodes of a cut: for each the cell that is put into its parent. */
struct siblings {
	unsigned count;
	struct {
		struct image image;
		uint8_t fixed[10];
		uint8_t tail[IMAGE_TAIL_MAX];
		uint8_t key[4096];
	} cell[CUTS_MAX];
};

/* The parent's cell for the node that begins at an index of the list. In a branch that cell's own
 * key moves up, with its overflow. */
static void tree_make_sibling(
	struct list *list, unsigned index, uint64_t ref, struct siblings *siblings)
{
	struct image *from = &list->images[index];
	unsigned number = siblings->count++;
	struct image *image = &siblings->cell[number].image;

	image->key_size = list_separator(list, index);
	image->key = memcpy(siblings->cell[number].key, from->key, image->key_size);
	store64(siblings->cell[number].fixed, ref);
	image->fixed = siblings->cell[number].fixed;
	image->fixed_size = sizeof(siblings->cell[number].fixed);
	image->tail = siblings->cell[number].tail;
	image->tail_size = 0;
	image->spilled = false;
	if (list->level > 0 && from->spilled) {
		image->spilled = true;
		image->tail_size = from->tail_size;
		memcpy(siblings->cell[number].tail, from->tail, from->tail_size);
		from->spilled = false;
		from->tail_size = 0;
	}
}

/* Build a list into its node and as many new nodes as are needed. */
static int tree_build_nodes(
	struct pager *pager, struct list *list, uint8_t *node, struct siblings *siblings)
{
	unsigned cuts[CUTS_MAX];
	unsigned count;
	uint8_t first[PAGE_SIZE];
	int err = list_cut(pager, list, cuts, CUTS_MAX, &count);

	siblings->count = 0;
	for (unsigned i = 0; !err && i < count; i++) {
		uint64_t ref;
		uint8_t *page;

		err = pager_new(pager, &ref, &page);
		if (err != 0)
			return err;
		tree_make_sibling(list, cuts[i], ref, siblings);
		list_build(list, cuts[i], i + 1 < count ? cuts[i + 1] : list->count, page);
	}
	if (err != 0 || list->stays)
		return err;
	list_build(list, 0, count > 0 ? cuts[0] : list->count, first);
	memcpy(node, first, PAGE_SIZE);
	return 0;
}

/* Begin a new node with a cell that came in order and found its node full. The full node stays as
 * it is, so nothing is rebuilt. */
static int tree_begin_node(struct pager *pager, uint8_t *node, unsigned level,
	const struct image *image, struct siblings *ret_siblings)
{
	unsigned count = node_header(node)->count;
	struct list *list;
	int err = list_begin(pager, level, &list);

	if (!err)
		err = list_take(pager, list, node, count - 1, count, NULL);
	if (!err)
		err = list_add(list, image);
	if (err != 0)
		return err;
	list->stays = true;
	return tree_build_nodes(pager, list, node, ret_siblings);
}

/* Put cells into a node at an index, in place if that goes.
 * ret_siblings: the nodes that had to be added behind it. */
static int tree_splice(struct pager *pager, struct path *path, unsigned level, unsigned index,
	const struct siblings *cells, bool in_order, struct siblings *ret_siblings)
{
	uint8_t *node = tree_writable(path, level);
	unsigned count = node_header(node)->count;
	struct list *list;
	unsigned done = 0;
	int err;

	ret_siblings->count = 0;
	while (done < cells->count && node_insert(node, index + done, &cells->cell[done].image))
		done++;
	if (done == cells->count)
		return 0;
	index += done;
	count += done;
	in_order = index == count && (level > 0 || in_order);
	if (in_order && count > 0 && done + 1 == cells->count &&
		node_suits(node, &cells->cell[done].image))
		return tree_begin_node(pager, node, level, &cells->cell[done].image, ret_siblings);
	err = list_begin(pager, level, &list);
	if (!err)
		err = list_take(pager, list, node, 0, index, NULL);
	for (unsigned i = done; !err && i < cells->count; i++)
		err = list_add(list, &cells->cell[i].image);
	if (!err)
		err = list_take(pager, list, node, index, count, NULL);
	if (err != 0)
		return err;
	list->append = in_order;
	return tree_build_nodes(pager, list, node, ret_siblings);
}

/* Put a new root above the old one. */
static int tree_grow(struct pager *pager, struct format_tree *tree, const struct siblings *siblings)
{
	struct list *list;
	struct siblings none;
	uint8_t first_fixed[10] = {0};
	struct image first = {
		.key = first_fixed, .fixed = first_fixed, .fixed_size = 10, .tail = first_fixed};
	uint64_t ref;
	uint8_t *root;
	int err = pager_new(pager, &ref, &root);

	if (err != 0)
		return err;
	if (tree->depth == DEPTH_MAX)
		return error_damaged(0, "a tree that is too deep");
	store64(first_fixed, tree->root);
	err = list_begin(pager, tree->depth, &list);
	if (!err)
		err = list_add(list, &first);
	for (unsigned i = 0; !err && i < siblings->count; i++)
		err = list_add(list, &siblings->cell[i].image);
	if (!err)
		err = tree_build_nodes(pager, list, root, &none);
	if (err != 0)
		return err;
	assert(none.count == 0);
	tree->root = ref;
	tree->depth++;
	return 0;
}

/* Put cells, up[level % 2], into the node of a path on a level; what is cut goes up. */
static int tree_push_up(struct pager *pager, struct format_tree *tree, struct path *path,
	unsigned level, struct siblings up[2], bool in_order)
{
	for (; up[level % 2].count > 0; level++) {
		int err;

		if (level == path->depth)
			return tree_grow(pager, tree, &up[level % 2]);
		err = tree_splice(pager, path, level, path->level[level].index + (level > 0),
			&up[level % 2], in_order, &up[(level + 1) % 2]);
		if (err != 0)
			return err;
		if (level == 0 && in_order && up[1].count > 0) {
			pager->last_append = load64(up[1].cell[up[1].count - 1].fixed);
			pager->appended++;
		}
	}
	return 0;
}

/* Insert a cell that did not fit its leaf; what is cut goes up.
 * in_order: it came behind the one inserted before. */
static int tree_insert(struct pager *pager, struct format_tree *tree, struct path *path,
	const struct image *image, bool in_order)
{
	struct siblings up[2];

	up[0].count = 1;
	up[0].cell[0].image = *image;
	return tree_push_up(pager, tree, path, 0, up, in_order);
}

static int tree_first_leaf(struct pager *pager, struct format_tree *tree, const struct image *image)
{
	struct list *list;
	struct siblings none;
	uint8_t *node;
	int err = pager_new(pager, &tree->root, &node);

	if (err != 0)
		return err;
	tree->depth = 1;
	err = list_begin(pager, 0, &list);
	if (!err)
		err = list_add(list, image);
	return err != 0 ? err : tree_build_nodes(pager, list, node, &none);
}

/* Take the cell a touched path leads to out of its leaf, with its key overflow. */
static int tree_take_out(struct pager *pager, struct path *path)
{
	struct cell cell;
	int err = tree_cell(path, &cell);

	if (!err && cell.spilled)
		err = overflow_free(pager, cell.key_overflow, cell.key_size);
	if (!err)
		node_remove(tree_writable(path, 0), path->level[0].index);
	return err;
}

/* Is a cell added to the end of a leaf to whose end the cell before was added? Then keys seem to
 * come in order, and a full leaf stays full. */
static bool tree_notice_order(struct pager *pager, const struct path *path)
{
	uint64_t leaf = path->level[0].ref;
	bool at_end = path->level[0].index == node_header(path->level[0].node)->count;
	bool in_order = at_end && pager->last_append == leaf;

	pager->last_append = at_end ? leaf : 0;
	return in_order;
}

static void tree_note_edge(struct pager *pager, const struct path *path)
{
	pager->edge.depth = path->depth;
	memcpy(pager->edge.level, path->level, path->depth * sizeof(path->level[0]));
}

int tree_put(struct pager *pager, struct format_tree *tree, struct path *path, bool exact,
	const struct image *image)
{
	bool in_order;
	int err;

	if (path->depth == 0)
		return tree_first_leaf(pager, tree, image);
	err = tree_touch(pager, tree, path, 0);
	if (err != 0)
		return err;
	if (exact && node_overwrite(tree_writable(path, 0), path->level[0].index, image))
		return 0;
	if (exact)
		err = tree_take_out(pager, path);
	if (err != 0)
		return err;
	in_order = tree_notice_order(pager, path);
	if (node_insert(tree_writable(path, 0), path->level[0].index, image)) {
		if (in_order)
			tree_note_edge(pager, path);
		return 0;
	}
	return tree_insert(pager, tree, path, image, in_order);
}

/* ---- removing -------------------------------------------------------------------------------- */

/* Free an empty node that has no neighbour; its parent is then empty too. */
static int tree_drop_empty(
	struct pager *pager, struct path *path, unsigned level, bool *ret_dropped)
{
	if (node_header(path->level[level].node)->count > 0)
		return 0;
	node_remove(tree_writable(path, level + 1), 0);
	*ret_dropped = true;
	return pager_free(pager, path->level[level].ref);
}

/* Free one of two neighbours and remove the right one's cell from their parent; the left one's cell
 * then leads to the node that is kept. */
static int tree_join(
	struct pager *pager, struct path *path, unsigned level, uint64_t kept, uint64_t gone)
{
	uint8_t *parent = tree_writable(path, level + 1);
	unsigned index = path->level[level + 1].index;
	unsigned left = index > 0 ? index - 1 : 0;
	struct cell cell;
	int err = 0;

	if (!node_cell(parent, left + 1, &cell))
		return error_damaged(ref_page(path->level[level + 1].ref), "malformed cell");
	if (cell.spilled)
		err = overflow_free(pager, cell.key_overflow, cell.key_size);
	if (!err)
		err = pager_free(pager, gone);
	if (err != 0)
		return err;
	node_set_child(parent, left, kept);
	node_remove(parent, left + 1);
	return 0;
}

/* Merge the node at a level of a path with a neighbour, if there is one and both fit one node. An
 * empty node is freed without rebuilding its neighbour.
 * ret_merged: one of the two was freed, and its cell removed from the parent. */
static int tree_merge(struct pager *pager, struct path *path, unsigned level, bool *ret_merged)
{
	uint8_t *parent = tree_writable(path, level + 1);
	unsigned index = path->level[level + 1].index;
	unsigned left = index > 0 ? index - 1 : 0;
	uint64_t refs[2];
	const uint8_t *nodes[2];
	struct image separator;
	uint8_t separator_key[4096];
	uint8_t merged[PAGE_SIZE];
	struct list *list;
	uint8_t *target;
	unsigned cuts;
	int err;

	*ret_merged = false;
	if (node_header(parent)->count < 2)
		return tree_drop_empty(pager, path, level, ret_merged);
	for (unsigned i = 0; i < 2; i++) {
		refs[i] = node_child(parent, left + i);
		err = pager_node(pager, refs[i], level, &nodes[i]);
		if (err != 0)
			return err;
	}
	for (unsigned i = 0; i < 2; i++) {
		if (node_header(nodes[i])->count == 0) {
			*ret_merged = true;
			return tree_join(pager, path, level, refs[1 - i], refs[i]);
		}
	}
	separator.key = separator_key;
	err = node_key(pager, parent, left + 1, separator_key, &separator.key_size);
	if (!err)
		err = list_begin(pager, level, &list);
	if (!err)
		err = list_take(pager, list, nodes[0], 0, node_header(nodes[0])->count, NULL);
	if (!err)
		err = list_take(pager, list, nodes[1], 0, node_header(nodes[1])->count,
			level > 0 ? &separator : NULL);
	if (err != 0 || !list_fits(list, MERGE_LIMIT))
		return err;
	err = list_cut(pager, list, NULL, 0, &cuts); /* spills what must be */
	if (err != 0)
		return err;
	list_build(list, 0, list->count, merged);
	err = pager_touch(pager, &refs[0], &target);
	if (err != 0)
		return err;
	memcpy(target, merged, PAGE_SIZE);
	*ret_merged = true;
	return tree_join(pager, path, level, refs[0], refs[1]);
}

/* While the root has one child, or no cell, free it: the tree becomes lower. */
static int tree_shrink(struct pager *pager, struct format_tree *tree)
{
	while (tree->depth > 0) {
		const uint8_t *root;
		uint64_t old = tree->root;
		int err = pager_node(pager, old, tree->depth - 1, &root);

		if (err != 0)
			return err;
		if (node_header(root)->count > 1 ||
			(tree->depth == 1 && node_header(root)->count > 0))
			return 0;
		if (node_header(root)->count > 0) {
			tree->root = node_child(root, 0);
			tree->depth--;
		} else {
			tree->root = 0;
			tree->depth = 0;
		}
		err = pager_free(pager, old);
		if (err != 0)
			return err;
	}
	return 0;
}

int tree_remove(struct pager *pager, struct format_tree *tree, struct path *path)
{
	int err = tree_touch(pager, tree, path, 0);

	if (!err)
		err = tree_take_out(pager, path);
	for (unsigned level = 0; !err && level + 1 < path->depth; level++) {
		bool merged = false;

		if (node_used(path->level[level].node) < MERGE_BELOW)
			err = tree_merge(pager, path, level, &merged);
		if (!merged)
			break;
	}
	return err != 0 ? err : tree_shrink(pager, tree);
}

int tree_rebuild(struct pager *pager, struct format_tree *tree, struct path *path, unsigned level,
	struct list *list)
{
	struct siblings up[2];
	int err = tree_build_nodes(pager, list, tree_writable(path, level), &up[(level + 1) % 2]);

	if (!err)
		err = tree_push_up(pager, tree, path, level + 1, up, false);
	return err != 0 ? err : tree_shrink(pager, tree);
}

/* ---- freeing --------------------------------------------------------------------------------- */

struct tree_freeing {
	struct tree_visitor visitor;
	tree_leaf_fn *each;
	void *arg;
};

static int freeing_enter(struct tree_visitor *visitor, uint64_t ref, const uint8_t **ret_page)
{
	return pager_page(visitor->pager, ref, ret_page);
}

static int freeing_cell(struct tree_visitor *visitor, const uint8_t *node, const struct cell *cell)
{
	struct tree_freeing *freeing = (struct tree_freeing *)(void *)visitor;

	(void)node;
	return freeing->each(freeing->arg, cell);
}

static int freeing_leave(struct tree_visitor *visitor, uint64_t ref)
{
	return pager_free(visitor->pager, ref);
}

int tree_free(struct pager *pager, uint64_t root, unsigned depth, tree_leaf_fn *each, void *arg)
{
	struct tree_freeing freeing = {
		.visitor = {.enter = freeing_enter, .leave = freeing_leave, .pager = pager},
		.each = each,
		.arg = arg};

	if (each != NULL)
		freeing.visitor.cell = freeing_cell;
	return tree_visit(&freeing.visitor, root, depth);
}
