/* A copy-on-write B+tree: finding, inserting and removing cells.
 *
 * A change copies the path from the root to the leaf into memory (pager.h) and works there. Nodes
 * are cut when full and merged with a neighbour when they fall below a quarter. The algorithms are
 * the textbook's (Bayer and McCreight 1972; prefixes and shortest separators: Bayer and Unterauer
 * 1977).
 */
#ifndef STORE_TREE_H
#define STORE_TREE_H

#include "cell.h"

struct pager;

/** The way from the root to a cell. level[0] is the leaf. */
struct path {
	unsigned depth;
	struct {
		uint64_t ref;
		const uint8_t *node;
		unsigned index; /* leaf: of the cell, 0 to count; branch: of the child */
	} level[DEPTH_MAX];
};

/** Find the place of a key.
 *  @param ret_path   to the first cell of its leaf whose key is >= key; depth 0 in an empty tree
 *  @param ret_exact  that cell's key is key
 *  @return 0; -EUCLEAN */
int tree_find(struct pager *pager, const struct format_tree *tree, const void *key, size_t size,
	struct path *ret_path, bool *ret_exact);

/** Find the first or the last cell of a tree.
 *  @return 0; -ENOENT the tree is empty; -EUCLEAN */
int tree_edge(
	struct pager *pager, const struct format_tree *tree, bool last, struct path *ret_path);

/** Move a path to the next cell, also from behind the last cell of a leaf.
 *  @return 0; -ENOENT there is none (the path is then unusable); -EUCLEAN */
int tree_next(struct pager *pager, struct path *path);

/** Move a path to the previous cell. @return as tree_next() */
int tree_prev(struct pager *pager, struct path *path);

/** Parse the leaf cell a path leads to. @return 0; -EUCLEAN */
int tree_cell(const struct path *path, struct cell *ret_cell);

/** Write a cell where tree_find() led for its key. The path is used up.
 *  @param exact  there is a cell with the key: replace it. What it referred to is the caller's
 *                to keep or free
 *  @param image  of a leaf cell with its whole key; not spilled
 *  @return 0 or an error, after which the transaction can only be aborted */
int tree_put(struct pager *pager, struct format_tree *tree, struct path *path, bool exact,
	const struct image *image);

/** Remove the cell a path leads to, and its key overflow. What else it refers to is the caller's to
 *  free. The path is used up. */
int tree_remove(struct pager *pager, struct format_tree *tree, struct path *path);

/** Receives a page of a tree; see tree_free(). */
typedef int tree_leaf_fn(void *arg, const struct cell *cell);

/** Free all nodes of a tree, and the overflow pages of their keys.
 *  @param each  called for each leaf cell before; may be NULL */
int tree_free(struct pager *pager, uint64_t root, unsigned depth, tree_leaf_fn *each, void *arg);

#endif
