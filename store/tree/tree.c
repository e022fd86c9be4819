#include "store/tree/tree.h"

#include "store/error.h"
#include "keytree.h"
#include "store/tree/node.h"
#include "store/tree/pager.h"
#include "store/util/bytes.h"

#include <errno.h>
#include <string.h>

/* ---- finding --------------------------------------------------------------------------------- */

int tree_check_depth(const struct format_tree *tree)
{
	if (tree->depth > DEPTH_MAX || (tree->depth == 0) != (tree->root == 0))
		return error_damaged(ref_page(tree->root), "impossible depth of a tree");
	return 0;
}

/* Does the pager's edge lead to the last leaf of a tree? */
static bool tree_leads_to_end(const struct path *edge, const struct format_tree *tree)
{
	uint64_t ref = tree->root;

	if (edge->depth == 0 || edge->depth != tree->depth)
		return false;
	for (unsigned level = edge->depth - 1; level > 0; level--) {
		const uint8_t *node = edge->level[level].node;
		unsigned last = node_last(node);

		if (edge->level[level].ref != ref || edge->level[level].index != last)
			return false;
		ref = node_child(node, last);
	}
	return edge->level[0].ref == ref && node_header(edge->level[0].node)->count > 0;
}

/* A key that follows the one before belongs at the end of the same leaf: one comparison finds that,
 * instead of a search (benchmark: "load 1 million in order at once"). */
static int tree_find_behind(struct pager *pager, const struct format_tree *tree, const void *key,
	size_t size, struct path *path, bool *ret_found)
{
	const struct path *edge = &pager->edge;
	int err;

	*ret_found = false;
	if (!tree_leads_to_end(edge, tree))
		return 0;
	err = node_is_behind(pager, edge->level[0].node, key, size, ret_found);
	if (err != 0 || !*ret_found)
		return err;
	path->depth = edge->depth;
	memcpy(path->level, edge->level, edge->depth * sizeof(edge->level[0]));
	path->level[0].index = node_header(edge->level[0].node)->count;
	return 0;
}

int tree_find(struct pager *pager, const struct format_tree *tree, const void *key, size_t size,
	struct path *path, bool *ret_exact)
{
	uint64_t ref = tree->root;
	bool found = false;
	int err = tree_check_depth(tree);

	*ret_exact = false;
	if (!err && pager->edge.depth > 0)
		err = tree_find_behind(pager, tree, key, size, path, &found);
	if (found)
		return 0;
	path->depth = tree->depth;
	for (unsigned level = tree->depth; !err && level-- > 0;) {
		const uint8_t *node;

		err = pager_node(pager, ref, level, &node);
		if (err != 0)
			return err;
		path->level[level].ref = ref;
		path->level[level].node = node;
		if (level == 0) {
			err = node_search(pager, node, key, size, &path->level[0].index, ret_exact);
			return err != 0 ? err : pager_check(pager);
		}
		err = node_search_child(pager, node, key, size, &path->level[level].index);
		ref = node_child(node, path->level[level].index);
	}
	return err;
}

/* Go down from a child to the first or the last cell below it. */
static int tree_descend(
	struct pager *pager, uint64_t ref, unsigned level, bool last, struct path *path)
{
	for (;;) {
		const uint8_t *node;
		unsigned index;
		int err = pager_node(pager, ref, level, &node);

		if (err != 0)
			return err;
		index = last ? node_last(node) : 0;
		path->level[level].ref = ref;
		path->level[level].node = node;
		path->level[level].index = index;
		if (level == 0)
			return pager_check(pager);
		ref = node_child(node, index);
		level--;
	}
}

int tree_edge(struct pager *pager, const struct format_tree *tree, bool last, struct path *path)
{
	int err = tree_check_depth(tree);

	if (err != 0)
		return err;
	path->depth = tree->depth;
	if (tree->depth == 0)
		return -ENOENT;
	return tree_descend(pager, tree->root, tree->depth - 1, last, path);
}

static int tree_out_of_order(const uint8_t *node)
{
	return error_damaged(node_header(node)->page, "keys out of order");
}

/* Does the first key of a leaf come before that of its right neighbour? */
static int tree_check_first_keys(struct pager *pager, const uint8_t *left, const uint8_t *right)
{
	uint8_t keys[2][KT_KEY_MAX];
	size_t sizes[2];
	int err = node_key(pager, left, 0, keys[0], &sizes[0]);

	if (!err)
		err = node_key(pager, right, 0, keys[1], &sizes[1]);
	if (!err && bytes_compare(keys[0], sizes[0], keys[1], sizes[1]) >= 0)
		err = tree_out_of_order(right);
	return err;
}

/* Are the first and the last key of a leaf certainly in order? node_validate() checks only the
 * order of the heads, and the part of a spilled key in the node may contradict the rest. */
static bool tree_is_plain(const uint8_t *leaf)
{
	unsigned last = node_last(leaf);

	return (last == 0 || node_heads(leaf)[0] < node_heads(leaf)[last]) &&
	       !node_is_spilled(leaf, 0) && !node_is_spilled(leaf, last);
}

int tree_check_order(struct pager *pager, const uint8_t *left, const uint8_t *right)
{
	uint8_t key[KT_KEY_MAX];
	size_t size;
	unsigned index;
	bool exact;
	int err;

	if (node_header(left)->count == 0 || node_header(right)->count == 0)
		return 0; /* while the tree is being changed */
	err = node_key(pager, left, node_last(left), key, &size);
	if (!err)
		err = node_search(pager, right, key, size, &index, &exact);
	if (!err && (index > 0 || exact))
		err = tree_out_of_order(right);
	if (err || (tree_is_plain(left) && !node_is_spilled(right, 0)))
		return err;
	return tree_check_first_keys(pager, left, right);
}

int tree_next(struct pager *pager, struct path *path)
{
	const uint8_t *leaf = path->level[0].node;

	if (path->depth == 0)
		return -ENOENT;
	if (path->level[0].index + 1 < node_header(path->level[0].node)->count) {
		path->level[0].index++;
		return pager_check(pager);
	}
	for (unsigned level = 1; level < path->depth; level++) {
		const uint8_t *node = path->level[level].node;
		unsigned index = path->level[level].index + 1;

		if (index < node_header(node)->count) {
			int err;

			path->level[level].index = index;
			err = tree_descend(pager, node_child(node, index), level - 1, false, path);
			return err != 0 ? err : tree_check_order(pager, leaf, path->level[0].node);
		}
	}
	return -ENOENT;
}

int tree_prev(struct pager *pager, struct path *path)
{
	const uint8_t *leaf = path->level[0].node;

	for (unsigned level = 0; level < path->depth; level++) {
		const uint8_t *node = path->level[level].node;
		int err;

		if (path->level[level].index == 0)
			continue;
		path->level[level].index--;
		if (level == 0)
			return pager_check(pager);
		err = tree_descend(
			pager, node_child(node, path->level[level].index), level - 1, true, path);
		return err != 0 ? err : tree_check_order(pager, path->level[0].node, leaf);
	}
	return -ENOENT;
}

int tree_bound(struct pager *pager, const struct path *path, unsigned level, uint8_t *key,
	size_t *ret_size, bool *ret_end)
{
	*ret_end = false;
	while (++level < path->depth)
		if (path->level[level].index + 1 < node_header(path->level[level].node)->count)
			return node_key(pager, path->level[level].node,
				path->level[level].index + 1, key, ret_size);
	*ret_end = true;
	return 0;
}

int tree_cell(const struct path *path, struct cell *cell)
{
	const uint8_t *node = path->level[0].node;

	if (!node_cell(node, path->level[0].index, cell))
		return error_damaged(ref_page(path->level[0].ref), "malformed cell");
	return 0;
}
