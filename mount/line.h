/* Keys and values on a line: what the user types and what commands print.
 *
 * A line cannot hold every byte of a key. Control bytes are written as names of the mount write
 * NUL: % and two hexadecimal digits, %0A for a newline. Text that reads like that gets a 25 after
 * its %, as in the mount: the key %0A is written %250A. Everything else stands for itself, so an
 * ordinary key is written as it is. Reading and writing are inverse: for each key, what is written
 * is read as that key.
 */
#ifndef MOUNT_LINE_H
#define MOUNT_LINE_H

#include "keytree.h"

#include <jansson.h>
#include <stdio.h>

/** Read a key from the command line, in place.
 *  @param text  NUL-terminated; becomes the key's bytes
 *  @return size of the key */
size_t line_read_key(char *text);

/** Write a key so that it fits a line, without newline.
 *  @return 0 or EOF */
int line_write_key(FILE *stream, struct kt_slice key);

/** Read a path of the mount from the command line, in place: as a key, but %00 stays, which is how
 *  the mount's names spell NUL.
 *  @param text  NUL-terminated, and so it stays */
void line_read_name(char *text);

/** Write a name of the mount so that it fits a line, without newline.
 *  @return 0 or EOF */
int line_write_name(FILE *stream, const char *name);

/** Print keytree: SUBJECT: KEY: why on standard error.
 *  @param subject  the store as the user named it */
void line_complain(const char *subject, const char *key, size_t key_size, const char *why);

/** Add bytes to a JSON object: a string NAME if they are UTF-8, else NAME_base64.
 *  @return 0; -ENOMEM */
int line_json_bytes(json_t *object, const char *name, struct kt_slice bytes);

/** Print a JSON object on one line of standard output.
 *  @param object  taken; NULL means that memory ran out while it was made
 *  @return 0; -ENOMEM; -EIO the output could not be written */
int line_json_print(json_t *object);

#endif
