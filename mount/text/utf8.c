/* A character is 1 to 4 bytes. See utf8.h. */
#include "mount/text/utf8.h"

#include <stdint.h>
#include <string.h>

/* Length of the valid character that begins with a byte of 0x80 or more; 0: none does. */
static size_t character(const unsigned char *at, size_t left)
{
	size_t length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
	/* the second byte says whether it is too long a form, a surrogate, or too large */
	unsigned char least = at[0] == 0xe0 ? 0xa0 : at[0] == 0xf0 ? 0x90 : 0x80;
	unsigned char most = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : 0xbf;

	if (at[0] < 0xc2 || at[0] > 0xf4 || left < length || at[1] < least || at[1] > most)
		return 0;
	for (size_t i = 2; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	}
	return length;
}

bool utf8_is_valid(const void *bytes, size_t size)
{
	const unsigned char *at = bytes;
	size_t i = 0, length;
	uint64_t word;

	while (i < size) {
		if (size - i >= sizeof(word)) { /* plain ASCII at once */
			memcpy(&word, at + i, sizeof(word));
			if ((word & 0x8080808080808080u) == 0) {
				i += sizeof(word);
				continue;
			}
		}
		length = at[i] < 0x80 ? 1 : character(at + i, size - i);
		if (length == 0)
			return false;
		i += length;
	}
	return true;
}
