/* Changing values.
 *
 * Functions change a description (struct value), which the caller puts back into its cell. The
 * buffer holds the bytes that the description points to.
 */
#ifndef STORE_VALUE_VALUE_EDIT_H
#define STORE_VALUE_VALUE_EDIT_H

#include "store/value/value.h"

/** Memory that a changed value points to: inline bytes or an extent record. */
struct value_buffer {
	uint8_t bytes[INLINE_MAX];
};

/** Make a new value.
 *  @param data         size bytes; borrowed
 *  @param inline_room  bytes that its cell has room for; a larger value goes to blocks
 *  @param buffer       what ret_value points to, unless that is data itself */
int value_make(struct pager *pager, const void *data, uint64_t size, size_t inline_room,
	struct value_buffer *buffer, struct value *ret_value);

/** Write part of a value, growing it if necessary. offset + size is at most INT64_MAX.
 *  @param value        changed
 *  @param inline_room  as in value_make()
 *  @param buffer       what value points to afterwards; not what it points to before */
int value_write(struct pager *pager, struct value *value, uint64_t offset, const void *data,
	size_t size, size_t inline_room, struct value_buffer *buffer);

/** Set the size of a value, at most INT64_MAX. Bytes that are added are a hole. As value_write().
 * */
int value_resize(struct pager *pager, struct value *value, uint64_t size, size_t inline_room,
	struct value_buffer *buffer);

/** Make a range of a value read as zeros, freeing whole blocks. As value_write(). */
int value_punch(struct pager *pager, struct value *value, uint64_t offset, uint64_t size,
	size_t inline_room, struct value_buffer *buffer);

#endif
