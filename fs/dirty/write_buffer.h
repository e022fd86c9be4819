/* The ranges of a file that were written and are not in the store yet.
 *
 *     file    |--------------------------------------|
 *     ranges      [data  ]        [data      ][room]
 *
 * Ranges lie in order; they neither overlap nor touch. A range grows in place when it is written at
 * its end, so a file that is written from front to back is one range.
 */
#ifndef FS_DIRTY_WRITE_BUFFER_H
#define FS_DIRTY_WRITE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A buffer with so many bytes is full. */
#define WRITE_BUFFER_BYTES_MAX (1024 * 1024)

/** So is a buffer with so many ranges. */
#define WRITE_BUFFER_RANGES_MAX 4096

struct write_range {
	uint64_t offset;
	size_t size;
	size_t capacity; /* of data */
	unsigned char *data;
};

/** Zeroed: empty. */
struct write_buffer {
	struct write_range *ranges;
	size_t count;
	size_t capacity; /* of ranges */
	size_t bytes;	 /* sum of their sizes */
};

/** Drop all ranges. */
void write_buffer_clear(struct write_buffer *buffer);

/** Write a range over what the buffer holds.
 *  @param data  size bytes; borrowed
 *  @return 0; -ENOMEM, and nothing has changed */
int write_buffer_write(struct write_buffer *buffer, uint64_t offset, const void *data, size_t size);

/** Copy what the buffer holds of a range over buf; the rest of buf stays. */
void write_buffer_read(const struct write_buffer *buffer, uint64_t offset, void *buf, size_t size);

/** Drop what lies in a range. @return 0; -ENOMEM, and nothing has changed */
int write_buffer_punch(struct write_buffer *buffer, uint64_t offset, uint64_t size);

/** The first range that ends behind an offset. @return false: there is none */
bool write_buffer_next(
	const struct write_buffer *buffer, uint64_t offset, uint64_t *ret_begin, uint64_t *ret_end);

/** Drop what lies at or behind an offset. */
void write_buffer_truncate(struct write_buffer *buffer, uint64_t offset);

/** End of the last range; 0 without ranges. */
uint64_t write_buffer_end(const struct write_buffer *buffer);

/** Is it time to publish the buffer? */
bool write_buffer_is_full(const struct write_buffer *buffer);

#endif
