/* Integers in blobs: of fixed width, little-endian; and varints, which have 7 bits in a byte, low
 * ones first, and no more bytes than they need. */
#ifndef FS_META_VARINT_H
#define FS_META_VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A reader, and the bytes that are left to read. */
struct varint_reader {
	const unsigned char *at;
	size_t left;
	bool bad; /* the bytes were not valid: everything that is read since is 0 */
};

/** @param size  1 to 8 bytes */
uint64_t varint_read_fixed(struct varint_reader *reader, size_t size);
uint64_t varint_read(struct varint_reader *reader);

/** Pass over bytes. @return where they are, if the reader is not bad then */
const unsigned char *varint_skip(struct varint_reader *reader, uint64_t size);

/** Most bytes of a varint. */
#define VARINT_MAX 10

/** @return behind what was written */
unsigned char *varint_write_fixed(unsigned char *at, uint64_t value, size_t size);
unsigned char *varint_write(unsigned char *at, uint64_t value);

#endif
