/* Values: their bytes, wherever they are kept.
 *
 * Small ones stand in their cell. Others are in blocks: one extent, described in the cell, or a
 * tree of extents by block number. Blocks are written to the file when the value is, not at commit:
 * their pages are new, so nobody sees them before. A block of another transaction is never changed
 * but replaced (I1); one of this transaction is written in place.
 *
 * Functions that change a value work on a description (struct value) and leave it to the caller to
 * put it back into its cell. The buffer keeps what the description points to.
 */
#ifndef STORE_VALUE_H
#define STORE_VALUE_H

#include "cell.h"

struct pager;

/** Room for what a changed value points to: inline bytes or an extent record. */
struct value_buffer {
	uint8_t bytes[INLINE_MAX];
};

/** Make a new value.
 *  @param data         size bytes; borrowed
 *  @param inline_room  bytes that its cell has room for; a larger value goes to blocks
 *  @param buffer       what ret_value points to, unless that is data itself */
int value_make(struct pager *pager, const void *data, uint64_t size, size_t inline_room,
	struct value_buffer *buffer, struct value *ret_value);

/** Free the blocks and the tree of a value. */
int value_free(struct pager *pager, const struct value *value);

/** Read part of a value. @param ret_read  bytes read, fewer only at its end */
int value_read(struct pager *pager, const struct value *value, uint64_t offset, void *buf,
	size_t size, size_t *ret_read);

/** The bytes of a whole value, if they lie side by side in the map.
 *  @param ret_data  the bytes; NULL if they do not */
int value_view(struct pager *pager, const struct value *value, const void **ret_data);

/** Write part of a value, growing it if need be. offset + size is at most INT64_MAX.
 *  @param value        changed
 *  @param inline_room  as in value_make()
 *  @param buffer       what value points to afterwards; not what it points to before */
int value_write(struct pager *pager, struct value *value, uint64_t offset, const void *data,
	size_t size, size_t inline_room, struct value_buffer *buffer);

/** Set the size of a value, at most INT64_MAX; what is added is a hole. As value_write(). */
int value_resize(struct pager *pager, struct value *value, uint64_t size, size_t inline_room,
	struct value_buffer *buffer);

/** Make a range of a value read as zeros, freeing whole blocks. As value_write(). */
int value_punch(struct pager *pager, struct value *value, uint64_t offset, uint64_t size,
	size_t inline_room, struct value_buffer *buffer);

/** Find the next stored range at or after an offset, in whole blocks where the value is in blocks.
 *  @return 0; -ENXIO there is none */
int value_next_data(struct pager *pager, const struct value *value, uint64_t offset,
	uint64_t *ret_begin, uint64_t *ret_end);

/** Bytes of disk the value takes, without tree nodes. */
uint64_t value_stored(const struct value *value);

#endif
