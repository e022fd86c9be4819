/* Cells of nodes: between their bytes (format.h) and the structures that code works with.
 *
 * Parsing checks every size against the room there is, so that content of the file can never
 * lead out of its page. A cell that is to be written is an image: the key apart from the bytes
 * before and behind it, because how much of the key a cell repeats depends on the node it goes to.
 */
#ifndef STORE_TREE_CELL_H
#define STORE_TREE_CELL_H

#include "store/format.h"
#include "store/util/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A value as its cell describes it. */
struct value {
	uint8_t kind;	     /* CELL_INLINE, CELL_EXTENT, CELL_TREE, CELL_LINK */
	uint8_t depth;	     /* CELL_TREE: of its extent tree; 0: all hole */
	uint64_t size;	     /* bytes */
	uint64_t blocks;     /* CELL_EXTENT, CELL_TREE: blocks stored; CELL_LINK: of the link */
	uint64_t root;	     /* CELL_TREE: of its extent tree; CELL_LINK: id */
	const uint8_t *data; /* CELL_INLINE: the bytes; CELL_EXTENT: the record */
};

/** A parsed leaf cell. Pointers lead into the node. */
struct cell {
	uint8_t flags;
	uint16_t suffix;     /* bytes of the key behind the prefix that the node holds */
	const uint8_t *rest; /* these bytes from the fifth on */
	uint16_t key_size;   /* with spilled: of the whole key */
	uint64_t key_overflow;
	bool spilled;
	uint64_t version;
	int64_t mtime_ns;
	uint32_t keys; /* with CELL_SHARED */
	uint32_t attr_size;
	uint64_t attr_overflow; /* with CELL_ATTR_SPILLED */
	const uint8_t *attr;	/* with CELL_ATTR */
	struct value value;
	size_t size; /* bytes of the cell */
	size_t refs; /* offset in the cell of what follows the key: placement.c */
};

/** A cell to be written. */
struct image {
	const uint8_t *key; /* the whole key; of a spilled one at least the part the node holds */
	size_t key_size;    /* of that */
	bool spilled;	    /* tail begins with key size and overflow reference */
	const uint8_t *fixed;
	size_t fixed_size;
	const uint8_t *tail;
	size_t tail_size;
};

#define IMAGE_FIXED_MAX 10 /* child and suffix size of a branch cell */
#define IMAGE_TAIL_MAX                                                                             \
	(10 + 14 + 4 + 12 + 8 + EXTENT_SIZE(EXTENT_CELL_BLOCKS) + ATTR_INLINE_MAX + INLINE_MAX)

/** Room for the bytes of an image. */
struct image_buffer {
	uint8_t fixed[IMAGE_FIXED_MAX];
	uint8_t tail[IMAGE_TAIL_MAX];
};

/** Where the rest of the key stands in a cell, behind the two bytes of the suffix size. */
#define LEAF_REST_AT 3
#define BRANCH_REST_AT 10

/** Bytes of a suffix that the cell itself holds: the first four stand in the node's heads. */
static inline size_t rest_size(size_t suffix)
{
	return suffix > 4 ? suffix - 4 : 0;
}

/** Parse a leaf cell.
 *  @param at    its first byte
 *  @param room  bytes from there to the end of the cells
 *  @return true; false: it does not fit the room or makes no sense */
bool cell_parse(const uint8_t *at, size_t room, struct cell *ret_cell);

/** Find the bytes of an inline value behind a key, a stamp and nothing else: what reads meet most.
 *  @return true; false: it is not so, or damaged; cell_parse() tells */
static inline bool cell_inline(
	const uint8_t *at, size_t room, const uint8_t **ret_data, size_t *ret_size)
{
	size_t suffix, fixed, size;

	if (room < LEAF_REST_AT || (at[0] & ~CELL_STAMPED) != CELL_INLINE)
		return false;
	suffix = load16(at + 1);
	fixed = LEAF_REST_AT + rest_size(suffix) + (at[0] & CELL_STAMPED ? 14 : 0) + 2;
	if (suffix > SUFFIX_MAX || fixed > room)
		return false;
	size = load16(at + fixed - 2);
	if (size > room - fixed)
		return false;
	*ret_data = at + fixed;
	*ret_size = size;
	return true;
}

/** Parse a branch cell. Of ret_cell suffix, rest, key_size, key_overflow, spilled, fixed and size
 * are set, and value.root is the child.
 *  @return as cell_parse() */
bool cell_parse_branch(const uint8_t *at, size_t room, struct cell *ret_cell);

/** Bytes that a leaf cell takes beside rest and value, without key overflow. */
size_t cell_overhead(const struct cell *cell);

/** Make the image of a leaf cell. Key fields of the cell count only if it is spilled; key and
 *  key_size of the image are the caller's to set.
 *  @param cell       flags say which parts there are, the value kind included
 *  @param buffer     holds the bytes, as long as the image is used */
void cell_image(const struct cell *cell, struct image_buffer *buffer, struct image *ret_image);

/** Make the image of a branch cell, as cell_image(). Of cell value.root is the child. */
void cell_image_branch(
	const struct cell *cell, struct image_buffer *buffer, struct image *ret_image);

#endif
