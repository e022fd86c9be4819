/* Integers in blobs. See varint.h. */
#include "fs/meta/varint.h"

uint64_t varint_read_fixed(struct varint_reader *reader, size_t size)
{
	uint64_t value = 0;

	if (reader->left < size) {
		reader->bad = true;
		reader->left = 0;
		return 0;
	}
	for (size_t i = 0; i < size; i++)
		value |= (uint64_t)reader->at[i] << (8 * i);
	reader->at += size;
	reader->left -= size;
	return value;
}

uint64_t varint_read(struct varint_reader *reader)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint64_t byte = varint_read_fixed(reader, 1);

		value |= (byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if ((byte == 0 && shift > 0) || (shift == 63 && byte > 1))
			reader->bad = true;
		return value;
	}
	reader->bad = true;
	return 0;
}

const unsigned char *varint_skip(struct varint_reader *reader, uint64_t size)
{
	const unsigned char *at = reader->at;

	if (size > reader->left) {
		reader->bad = true;
		size = reader->left;
	}
	reader->at += size;
	reader->left -= (size_t)size;
	return at;
}

unsigned char *varint_write_fixed(unsigned char *at, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		*at++ = (unsigned char)(value >> (8 * i));
	return at;
}

unsigned char *varint_write(unsigned char *at, uint64_t value)
{
	for (; value >= 0x80; value >>= 7u)
		*at++ = (unsigned char)(value | 0x80);
	*at++ = (unsigned char)value;
	return at;
}
