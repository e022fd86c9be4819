/* Bytes: their order, and numbers in them. The file's own numbers are little-endian, as this machine's
 * are (format.h); numbers in keys are big-endian, so that keys sort as the numbers do. */
#ifndef STORE_UTIL_BYTES_H
#define STORE_UTIL_BYTES_H

#include <stddef.h>
#include <stdint.h>

static inline uint16_t load16(const uint8_t *at)
{
	uint16_t value;

	__builtin_memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint32_t load32(const uint8_t *at)
{
	uint32_t value;

	__builtin_memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint64_t load48(const uint8_t *at)
{
	return load32(at) | (uint64_t)load16(at + 4) << 32;
}

static inline uint64_t load64(const uint8_t *at)
{
	uint64_t value;

	__builtin_memcpy(&value, at, sizeof(value));
	return value;
}

static inline void store16(uint8_t *at, uint16_t value)
{
	__builtin_memcpy(at, &value, sizeof(value));
}

static inline void store32(uint8_t *at, uint32_t value)
{
	__builtin_memcpy(at, &value, sizeof(value));
}

static inline void store48(uint8_t *at, uint64_t value)
{
	__builtin_memcpy(at, &value, 6);
}

static inline void store64(uint8_t *at, uint64_t value)
{
	__builtin_memcpy(at, &value, sizeof(value));
}

/** Turn a number into one whose bytes are big-endian, or back. */
static inline uint64_t big64(uint64_t number)
{
	return __builtin_bswap64(number);
}

static inline uint64_t big64_load(const void *at)
{
	return big64(load64(at));
}

static inline void big64_store(void *at, uint64_t number)
{
	store64(at, big64(number));
}

/** The order of two byte strings, which is that of keys: < 0 the first comes before the second. */
static inline int bytes_compare(const void *a, size_t a_size, const void *b, size_t b_size)
{
	size_t least = a_size < b_size ? a_size : b_size;
	int order = least > 0 ? __builtin_memcmp(a, b, least) : 0;

	return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

#endif
