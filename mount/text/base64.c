/* Base64, three bytes at a time. See base64.h. */
#include "mount/text/base64.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const unsigned char *bytes, size_t size, char *ret_text)
{
	for (size_t i = 0; i < size; i += 3) {
		size_t rest = size - i;
		uint32_t group = (uint32_t)bytes[i] << 16;

		group |= rest > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
		group |= rest > 2 ? bytes[i + 2] : 0;
		*ret_text++ = digits[group >> 18];
		*ret_text++ = digits[group >> 12 & 63];
		*ret_text++ = rest > 1 ? digits[group >> 6 & 63] : '=';
		*ret_text++ = rest > 2 ? digits[group & 63] : '=';
	}
	*ret_text = '\0';
}

/* Value of a digit; -1: it is none. */
static int digit_value(char digit)
{
	const char *at = digit != '\0' ? strchr(digits, digit) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

/* Decode four digits, of which the last ones may be padding. @return bytes; -1 */
static int decode_group(const char *text, unsigned char bytes[3])
{
	int padding = text[3] != '=' ? 0 : text[2] != '=' ? 1 : 2;
	uint32_t group = 0;

	for (int i = 0; i < 4; i++) {
		int value = i < 4 - padding ? digit_value(text[i]) : 0;

		if (value < 0)
			return -1;
		group = group << 6 | (uint32_t)value;
	}
	if (group & ((UINT32_C(1) << 8 * padding) - 1)) /* bits that no byte has */
		return -1;
	bytes[0] = (unsigned char)(group >> 16);
	bytes[1] = (unsigned char)(group >> 8);
	bytes[2] = (unsigned char)group;
	return 3 - padding;
}

int base64_decode(const char *text, size_t length, unsigned char *ret_bytes, size_t *ret_size)
{
	size_t size = 0;

	if (length % 4 != 0)
		return -EINVAL;
	for (size_t i = 0; i < length; i += 4) {
		unsigned char bytes[3];
		int count = decode_group(text + i, bytes);

		if (count < 0 || (count < 3 && i + 4 < length))
			return -EINVAL;
		memcpy(ret_bytes + size, bytes, (size_t)count);
		size += (size_t)count;
	}
	*ret_size = size;
	return 0;
}
