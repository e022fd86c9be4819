/* Text as opposed to bytes. */
#ifndef MOUNT_TEXT_UTF8_H
#define MOUNT_TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/** Are bytes UTF-8 (RFC 3629): whole characters, each in its shortest form, and no surrogates?
 *  @param bytes  may be NULL if size is 0 */
bool utf8_is_valid(const void *bytes, size_t size);

#endif
