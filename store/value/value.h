/* Values: reading and changing their bytes.
 *
 *     value.h        reading
 *     value_edit.h   changing
 *     extent.h       the extent tree of a large value
 *     block_write.h  writing bytes as blocks
 *
 * A small value stands in its cell. A larger one is in blocks: one extent, described in the cell,
 * or a tree of extents by block number. Blocks are written to the file at once, not at commit:
 * their pages are new, so no reader sees them before the commit. A block of an earlier transaction
 * is never changed but replaced (I1); a block of this transaction is changed in place.
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

/** Get the bytes of a whole value, if they are contiguous in the map.
 *  @param ret_data  the bytes; NULL if they are not contiguous */
int value_view(struct pager *pager, const struct value *value, const void **ret_data);

/** Find the next stored range at or after an offset, in whole blocks where the value is in blocks.
 *  @return 0; -ENXIO there is none */
int value_next_data(struct pager *pager, const struct value *value, uint64_t offset,
	uint64_t *ret_begin, uint64_t *ret_end);

/** A range of a value that lies in other pages than before. */
struct value_change {
	uint64_t begin, end; /* whole blocks, but for the end of the value */
	bool stored;	     /* else a hole */
};

/** Find the next range of a value that lies in other pages than the same range of its earlier
 * version, or has become a hole. Both versions are in blocks, and neither was written since.
 *  @param from    pager of the earlier version
 *  @param offset  where to begin: 0, or the end of a range that was found
 *  @return 0; -ENXIO there is none */
int value_next_change(struct pager *from, const struct value *before, struct pager *to,
	const struct value *value, uint64_t offset, struct value_change *ret_change);

/** Bytes of disk that a value takes, without tree nodes. */
uint64_t value_stored(const struct value *value);

/** Blocks that a number of bytes takes. */
static inline uint64_t value_blocks(uint64_t size)
{
	return size / PAGE_SIZE + (size % PAGE_SIZE != 0);
}

/** The one extent of a value of kind CELL_EXTENT. @return as extent_parse() */
int value_extent(struct pager *pager, const struct value *value, struct extent *ret_extent);

/** Verify the checksums of the blocks [first, end) of a value, before their content is written
 * again under new checksums.
 *  @return 0; -EBADMSG; -EUCLEAN */
int value_verify(struct pager *pager, const struct value *value, uint64_t first, uint64_t end);

/** Report a link where a value is expected. @return -EUCLEAN */
int value_not_followed(void);

#endif
