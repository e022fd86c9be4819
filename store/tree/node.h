/* Tree nodes: reading. The layout is in format.h; node_edit.h changes nodes.
 *
 * A search compares 4-byte heads, which lie side by side, and reads a cell only when heads are
 * equal.
 */
#ifndef STORE_TREE_NODE_H
#define STORE_TREE_NODE_H

#include "store/tree/cell.h"

struct pager;

static inline const struct page_header *node_header(const uint8_t *node)
{
	return (const struct page_header *)(const void *)node;
}

/** Index of the last cell; 0 also of a node whose page has become unreadable, and reads as zeros. */
static inline unsigned node_last(const uint8_t *node)
{
	unsigned count = node_header(node)->count;

	return count > 0 ? count - 1 : 0;
}

/** Bytes before the heads of a node with a prefix of that size. */
static inline size_t node_heads_at(size_t prefix)
{
	return sizeof(struct page_header) + (prefix + 3) / 4 * 4;
}

static inline const uint32_t *node_heads(const uint8_t *node)
{
	return (const uint32_t *)(const void *)(node + node_heads_at(node_header(node)->prefix));
}

static inline const uint16_t *node_slots(const uint8_t *node)
{
	return (const uint16_t *)(const void *)(node_heads(node) + node_header(node)->count);
}

static inline const uint8_t *node_prefix(const uint8_t *node)
{
	return node + sizeof(struct page_header);
}

/** Head of a key: its first four bytes as a big-endian number, padded with zeros.
 *  @param suffix  the bytes behind the node's prefix */
uint32_t node_head(const uint8_t *suffix, size_t size);

/** Parse the cell at an index of a validated node.
 *  @return true; false: damaged */
bool node_cell(const uint8_t *node, unsigned index, struct cell *ret_cell);

/** The value of a cell at an index of a validated leaf, if it is as cell_inline() expects. */
static inline bool node_inline(
	const uint8_t *node, unsigned index, const uint8_t **ret_data, size_t *ret_size)
{
	unsigned at = node_slots(node)[index];

	return at < PAGE_SIZE && cell_inline(node + at, PAGE_SIZE - at, ret_data, ret_size);
}

/** The child at an index of a validated branch. */
uint64_t node_child(const uint8_t *node, unsigned index);

/** Find the first cell whose key is >= key.
 *  @param pager      to read spilled keys
 *  @param ret_index  0 to count
 *  @param ret_exact  that cell's key is key
 *  @return 0; -EUCLEAN */
int node_search(struct pager *pager, const uint8_t *node, const void *key, size_t size,
	unsigned *ret_index, bool *ret_exact);

/** Does a key come behind all cells of a leaf? @return 0; -EUCLEAN */
int node_is_behind(
	struct pager *pager, const uint8_t *node, const void *key, size_t size, bool *ret_behind);

/** Find the child of a branch below which a key belongs. @return 0; -EUCLEAN */
int node_search_child(struct pager *pager, const uint8_t *node, const void *key, size_t size,
	unsigned *ret_index);

/** Put together the key of a cell.
 *  @param buf       KT_KEY_MAX bytes
 *  @param ret_size  bytes of the key
 *  @return 0; -EUCLEAN */
int node_key(
	struct pager *pager, const uint8_t *node, unsigned index, uint8_t *buf, size_t *ret_size);

/** Put together the part of a cell's key that the node itself holds: all, unless it is spilled.
 *  @param buf  PREFIX_MAX + SUFFIX_MAX bytes
 *  @return bytes */
size_t node_key_held(const uint8_t *node, unsigned index, const struct cell *cell, uint8_t *buf);

/** Put together the suffix of the key of a leaf's cell, which is what follows the node's prefix.
 *  @param suffix    SUFFIX_MAX bytes, all of which may be written
 *  @param ret_size  bytes of it
 *  @return true; false: the node does not hold all of it, or is damaged; node_key() tells */
bool node_suffix(const uint8_t *node, unsigned index, uint8_t *suffix, size_t *ret_size);

/** Does a leaf hold only a part of a cell's key? Then node_key() reads overflow pages, and can
 *  fail. */
bool node_is_spilled(const uint8_t *node, unsigned index);

/** Are the functions here and in node_edit.h safe on a page? The order of the cells is checked by
 * their heads only: with a wrong order a search misses keys, but reads nothing outside the page.
 *  @return NULL: yes; else what is wrong */
const char *node_validate(const uint8_t *node);

#endif
