/* Changing a tree: inserting and removing cells, copy-on-write.
 *
 * A change copies the path from the root to the leaf into memory (pager.h) and works there. Nodes
 * are cut when full and merged with a neighbour when they fall below a quarter. The algorithms are
 * the textbook's (Bayer and McCreight 1972; prefixes and shortest separators: Bayer and Unterauer
 * 1977).
 */
#ifndef STORE_TREE_TREE_EDIT_H
#define STORE_TREE_TREE_EDIT_H

#include "store/tree/tree.h"

struct list;

/** Make the nodes of a path writable, from the root down to a level. */
int tree_touch(struct pager *pager, struct format_tree *tree, struct path *path, unsigned to);

/** Write a cell where tree_find() led for its key. The path is used up.
 *  @param exact  there is a cell with the key: replace it. The caller keeps or frees what the
 *                old cell referred to
 *  @param image  of a leaf cell with its whole key; not spilled
 *  @return 0 or an error, after which the transaction can only be aborted */
int tree_put(struct pager *pager, struct format_tree *tree, struct path *path, bool exact,
	const struct image *image);

/** Build a branch anew from a list of cells. The path is used up.
 *  @param level  of the branch; the path is writable from the root to there
 *  @param list   not in the pager's scratch memory; may refer to the branch's bytes */
int tree_rebuild(struct pager *pager, struct format_tree *tree, struct path *path, unsigned level,
	struct list *list);

/** Remove the cell a path leads to, and its key overflow. The caller frees what else the cell
 *  refers to. The path cannot be used afterwards. */
int tree_remove(struct pager *pager, struct format_tree *tree, struct path *path);

/** Receives a cell of a leaf; see tree_free(). */
typedef int tree_leaf_fn(void *arg, const struct cell *cell);

/** Free all nodes of a tree, and the overflow pages of their keys.
 *  @param each  called for each leaf cell before; may be NULL */
int tree_free(struct pager *pager, uint64_t root, unsigned depth, tree_leaf_fn *each, void *arg);

#endif
