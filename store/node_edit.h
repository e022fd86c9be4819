/* Tree nodes: changing them, and building them from lists of cells.
 *
 * Cells are added in place while their keys share the node's prefix and there is room. When not,
 * the node's cells are taken apart into a list of images, and the list is built into one node, or
 * cut into several; each gets the longest prefix its keys share.
 */
#ifndef STORE_NODE_EDIT_H
#define STORE_NODE_EDIT_H

#include "cell.h"

struct pager;

/** Most cells a list can hold: two nodes and what is spliced in. */
#define LIST_MAX 768

/** Bytes for the keys of a list: each at most prefix and suffix, or few that are spilled. */
#define LIST_KEYS (2 * PAGE_SIZE * 64)

/** Cells on their way from nodes to nodes, in order. Lies in the pager's scratch memory. */
struct list {
	uint8_t level;
	bool append; /* the cells came in ascending order: a cut leaves the left node full */
	unsigned count;
	size_t used; /* bytes of keys */
	struct image images[LIST_MAX];
	uint8_t keys[LIST_KEYS];
};

/** Write an empty node. @param node  PAGE_SIZE bytes */
void node_init(uint8_t *node, unsigned level);

/** Add a cell at an index if it can be done in place: the key shares the prefix, and there is room.
 *  @return true: done */
bool node_insert(uint8_t *node, unsigned index, const struct image *image);

/** Remove a cell. */
void node_remove(uint8_t *node, unsigned index);

/** Overwrite the cell at an index by one of the same key and the same size of its parts.
 *  @return true: done; false: the sizes differ, nothing changed */
bool node_overwrite(uint8_t *node, unsigned index, const struct image *image);

/** Set the child at an index of a branch. */
void node_set_child(uint8_t *node, unsigned index, uint64_t ref);

/** Bytes a node uses: header, prefix and cells. */
size_t node_used(const uint8_t *node);

/** Begin an empty list in the pager's scratch memory; ends the one before.
 *  @return 0; -ENOMEM */
int list_begin(struct pager *pager, unsigned level, struct list **ret_list);

/** Append the cells [from, to) of a node. The list refers to the node's bytes.
 *  @param first_key  of a branch's first cell, which has none: the key it gets here, or NULL
 *  @return 0; -EUCLEAN */
int list_take(struct pager *pager, struct list *list, const uint8_t *node, unsigned from,
	unsigned to, const struct image *first_key);

/** Append one image; its key is copied, the rest referred to. @return 0; -EUCLEAN too many */
int list_add(struct list *list, const struct image *image);

/** Write a key that is too long for its node to overflow pages.
 *  @param image   becomes spilled
 *  @param tail    room for the image's new tail
 *  @return 0 or an error of pager_new() */
int image_spill(struct pager *pager, struct image *image, uint8_t tail[IMAGE_TAIL_MAX]);

/** Does the whole list fit one node? @param limit  bytes the node may use */
bool list_fits(const struct list *list, size_t limit);

/** Cut a list into nodes.
 *  @param ret_cuts   the index of the first image of each node but the first
 *  @param max        how many cuts there is room for
 *  @param ret_count  how many cuts
 *  @return 0; -EUCLEAN */
int list_cut(struct pager *pager, struct list *list, unsigned *ret_cuts, unsigned max,
	unsigned *ret_count);

/** Build the images [from, to) of a list into a node. They must fit.
 *  @param node  PAGE_SIZE bytes, not referred to by the list */
void list_build(const struct list *list, unsigned from, unsigned to, uint8_t *node);

/** Size of the shortest key that separates the node that begins at index from the one before. It is
 *  a prefix of that image's key. */
size_t list_separator(const struct list *list, unsigned index);

#endif
