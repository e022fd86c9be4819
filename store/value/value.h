/* Values: their bytes, wherever they are kept. Here they are read; value_edit.h changes them.
 *
 * Small ones stand in their cell. Others are in blocks: one extent, described in the cell, or a
 * tree of extents by block number. Blocks are written to the file when the value is, not at commit:
 * their pages are new, so nobody sees them before. A block of another transaction is never changed
 * but replaced (I1); one of this transaction is written in place.
 */
#ifndef STORE_VALUE_VALUE_H
#define STORE_VALUE_VALUE_H

#include "store/tree/cell.h"

struct extent;
struct pager;

/** Free the blocks and the tree of a value. */
int value_free(struct pager *pager, const struct value *value);

/** Read part of a value. @param ret_read  bytes read, fewer only at its end */
int value_read(struct pager *pager, const struct value *value, uint64_t offset, void *buf,
	size_t size, size_t *ret_read);

/** The bytes of a whole value, if they lie side by side in the map.
 *  @param ret_data  the bytes; NULL if they do not */
int value_view(struct pager *pager, const struct value *value, const void **ret_data);

/** Find the next stored range at or after an offset, in whole blocks where the value is in blocks.
 *  @return 0; -ENXIO there is none */
int value_next_data(struct pager *pager, const struct value *value, uint64_t offset,
	uint64_t *ret_begin, uint64_t *ret_end);

/** A range of a value that is not where it was in another one. */
struct value_change {
	uint64_t begin, end; /* whole blocks, but for the end of the value */
	bool stored;	     /* else a hole */
};

/** Find the next range of a value, from an offset on where a range may begin or end, that lies in
 * other pages than the same range of what the value was before, or has become a hole. Both are in
 * blocks, and nothing of either has been written since.
 *  @param from  what reads the value that was before
 *  @return 0; -ENXIO there is none */
int value_next_change(struct pager *from, const struct value *before, struct pager *to,
	const struct value *value, uint64_t offset, struct value_change *ret_change);

/** Bytes of disk the value takes, without tree nodes. */
uint64_t value_stored(const struct value *value);

/** Blocks that so many bytes take. */
static inline uint64_t value_blocks(uint64_t size)
{
	return size / PAGE_SIZE + (size % PAGE_SIZE != 0);
}

/** The one extent of a value of kind CELL_EXTENT. @return as extent_parse() */
int value_extent(struct pager *pager, const struct value *value, struct extent *ret_extent);

/** Compare the blocks [first, end) of a value with their checksums, before what they hold is
 * written once more under a new one.
 *  @return 0; -EBADMSG; -EUCLEAN */
int value_verify(struct pager *pager, const struct value *value, uint64_t first, uint64_t end);

/** A link has no bytes of its own. @return -EUCLEAN */
int value_not_followed(void);

#endif
