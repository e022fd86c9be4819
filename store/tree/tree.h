/* A B+tree: finding cells, and walking from one to the next. tree_edit.h changes it.
 *
 * The main header of the folder, which in reading order has:
 *
 *     page        page numbers, references, checksums
 *     pager       pages of one transaction, from the file or changed in memory
 *     unsynced    pages that were written since the last flush
 *     cell, node  reading a node; node_edit changes one in place, node_list builds some anew
 *     overflow    keys and attributes that are too long for a node
 *     path, tree  finding a key, and going on from there; readahead prefetches leaves
 *     tree_edit   inserting and removing, copy-on-write
 *     tree_visit  visiting all pages of a tree
 *     pager_savepoint  going back within a transaction
 */
#ifndef STORE_TREE_TREE_H
#define STORE_TREE_TREE_H

#include "store/tree/cell.h"
#include "store/tree/path.h"

struct pager;

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

/** The first key that may stand behind the node of a path on a level.
 *  @param key      KT_KEY_MAX bytes
 *  @param ret_end  there is no node behind it */
int tree_bound(struct pager *pager, const struct path *path, unsigned level, uint8_t *key,
	size_t *ret_size, bool *ret_end);

/** Can a tree have such a root and depth? A path has room for DEPTH_MAX levels. @return 0; -EUCLEAN
 *   */
int tree_check_depth(const struct format_tree *tree);

/** Does a leaf come before the next one of a walk from left to right? In a damaged file the same
 *  leaf might come again and again. It cannot if all pairs of neighbours are checked: the first key
 *  of the leaf then grows with each step.
 *  @return 0; -EUCLEAN */
int tree_check_order(struct pager *pager, const uint8_t *left, const uint8_t *right);

/** Parse the leaf cell a path leads to. @return 0; -EUCLEAN */
int tree_cell(const struct path *path, struct cell *ret_cell);

#endif
