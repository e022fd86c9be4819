/* Bytes as text: base64 (RFC 4648), with padding. */
#ifndef MOUNT_TEXT_BASE64_H
#define MOUNT_TEXT_BASE64_H

#include <stddef.h>

/** Room for the text of so many bytes, with its NUL. */
#define BASE64_TEXT_SIZE(size) (((size) + 2) / 3 * 4 + 1)

/** @param ret_text  room for BASE64_TEXT_SIZE(size); NUL-terminated */
void base64_encode(const unsigned char *bytes, size_t size, char *ret_text);

/** @param text       length bytes; borrowed
 *  @param ret_bytes  room for length / 4 * 3 bytes; may be the text itself
 *  @return 0; -EINVAL it is not base64 as base64_encode() writes it */
int base64_decode(const char *text, size_t length, unsigned char *ret_bytes, size_t *ret_size);

#endif
