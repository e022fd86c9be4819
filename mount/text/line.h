/* Keys, names and JSON on a line: what the user types and what commands print.
 *
 * A line cannot hold every byte. In a key NUL is written %00 and newline %0A, as by escape.h: text
 * that reads like that gets one 25 more after its %. A name of the mount has no NUL, and spells
 * those of its key as %00 already; in it only newline is escaped. A terminal shows each other
 * control byte as a question mark.
 *
 * The main header of the folder. Beside it: utf8, base64, json_line (encodings); human, columns,
 * progress (for terminals); prometheus (for monitoring); output.h (was standard output written?).
 */
#ifndef MOUNT_TEXT_LINE_H
#define MOUNT_TEXT_LINE_H

#include "keytree.h"

#include <jansson.h>

/** A key from the command line. */
struct line_key {
	size_t size;
	char bytes[3 * KT_KEY_MAX]; /* room for the text, which may be longer */
};

/** Read a key as the user typed it. @return 0; -ENAMETOOLONG */
int line_read_key(const char *text, struct line_key *ret_key);

/** Print a key on standard output, and what ends it.
 *  @param end  newline; or NUL: the bytes of the key as they are
 *  @return 0; -ENOMEM; -errno the output could not be written */
int line_print_key(struct kt_slice key, char end);

/** Read a path of the mount from the command line, in place. */
void line_read_name(char *text);

/** A name of the mount as it is printed.
 *  @return of malloc(); NULL: no memory */
char *line_name_text(const char *name);

/** Print a name of the mount on standard output, without newline.
 *  @return 0; -ENOMEM; -errno the output could not be written */
int line_write_name(const char *name);

/** Add bytes to a JSON object: a string NAME if they are UTF-8, else NAME_base64.
 *  @return 0; -ENOMEM */
int line_json_bytes(json_t *object, const char *name, struct kt_slice bytes);

/** Add bytes to a JSON object, as NAME_base64 whatever they are.
 *  @return 0; -ENOMEM */
int line_json_base64(json_t *object, const char *name, struct kt_slice bytes);

/** Add a number to a JSON object.
 *  @return 0; -ENOMEM */
int line_json_number(json_t *object, const char *name, int64_t number);

/** Print a JSON object on one line of standard output.
 *  @param err     of making it
 *  @param object  taken; may be NULL when memory ran out
 *  @return err; -ENOMEM; -errno the output could not be written */
int line_json_print(int err, json_t *object);

#endif
