/* Bytes that a text cannot hold, written as %XX inside it: a bijection.
 *
 * A set names the bytes that are escaped, NUL for instance. Such a byte is written as its code,
 * %00, in place; every other byte stands for itself. Text that already reads like a code, "%00",
 * gets one "25" more after its "%": "%2500"; and "%2500" becomes "%252500". So each byte string has
 * exactly one escaped text, and each text that has no byte of the set is the escaped text of
 * exactly one byte string.
 */
#ifndef FS_NAMES_ESCAPE_H
#define FS_NAMES_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

/** The bytes that are escaped; '%' cannot be one of them. */
struct escape_set {
	const unsigned char *bytes;
	size_t count;
};

/** Escapes a byte string, byte by byte. */
struct escape {
	struct escape_set set;
	char *text;	 /* what was written so far; not NUL-terminated */
	size_t size;	 /* of it */
	size_t capacity; /* room at text */
	size_t run;	 /* where the last run of "%", "%25", "%2525" ... begins in text */
	unsigned stage;	 /* digits seen behind that run: 0, 1; or ESCAPE_NO_RUN */
	char digit;	 /* the first of them */
};

/** Start with an empty text.
 *  @param text  room for capacity bytes; borrowed while the escape is in use */
void escape_init(struct escape *escape, struct escape_set set, char *text, size_t capacity);

/** Escape one byte more. The text grows by 1 byte, or by 3.
 *  @return false: there is no room, and the text is unchanged */
bool escape_add(struct escape *escape, unsigned char byte);

/** Turn a text back into bytes. Every text has a meaning.
 *  @param ret_bytes  room for size bytes; may be the text itself
 *  @return how many bytes it is, at most size */
size_t escape_decode(struct escape_set set, const char *text, size_t size, void *ret_bytes);

#endif
