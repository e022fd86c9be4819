/* Lists of cells on their way from nodes to nodes.
 *
 * The cells of a node are taken apart into a list of images, others are added, and the list is
 * built into one node, or cut into several; each gets the longest prefix its keys share.
 */
#ifndef STORE_TREE_NODE_LIST_H
#define STORE_TREE_NODE_LIST_H

#include "store/tree/cell.h"

struct pager;

/** Most cells a list can hold: those of two nodes and the new ones. */
#define LIST_MAX 768

/** Bytes for the keys of a list: each at most prefix and suffix, or few that are spilled. */
#define LIST_KEYS (2 * PAGE_SIZE * 64)

/** Cells on their way from nodes to nodes, in order. Lies in the pager's scratch memory. */
struct list {
	uint8_t level;
	bool append; /* the cells came in ascending order: a cut leaves the left node full */
	bool stays;  /* the first image is the last of a full node that stays as it is */
	unsigned count;
	size_t used; /* bytes of keys */
	struct image images[LIST_MAX];
	uint8_t keys[LIST_KEYS];
};

/** Begin an empty list in the pager's scratch memory; ends the one before.
 *  @return 0; -ENOMEM */
int list_begin(struct pager *pager, unsigned level, struct list **ret_list);

/** Begin an empty list in memory of the caller's. */
void list_init(struct list *list, unsigned level);

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

/** How many images, from the first on, fit one node. */
unsigned list_fill(const struct list *list);

/** Spill the keys that are too long for a node of the first images. */
int list_spill(struct pager *pager, struct list *list, unsigned count);

/** Drop the first images; the others become the first. */
void list_drop(struct list *list, unsigned count);

/** Size of the shortest prefix of an image's key that is greater than another key, which is less
 *  than the image's. */
size_t list_parting(const uint8_t *key, size_t size, const struct image *image);

/** Build the images [from, to) of a list into a node. They must fit.
 *  @param node  PAGE_SIZE bytes, not referred to by the list */
void list_build(const struct list *list, unsigned from, unsigned to, uint8_t *node);

/** Size of the shortest key that separates the node that begins at index from the one before. It is
 *  a prefix of that image's key. */
size_t list_separator(const struct list *list, unsigned index);

#endif
