/* A line of JSON, written member by member: an object of bytes and numbers, without a tree of it in
 * memory first. For output of millions of lines; what is short is made with line.h.
 */
#ifndef MOUNT_TEXT_JSON_LINE_H
#define MOUNT_TEXT_JSON_LINE_H

#include "keytree.h"

#include <stdio.h>

/** A line being made. Zeroed at first; its memory is used again by the next one. */
struct jsonline {
	char *text;
	size_t size, capacity;
	int err; /* the first one; told by jsonline_end() */
};

void jsonline_begin(struct jsonline *line);

/** Add bytes: a string NAME if they are UTF-8, else NAME_base64. */
void jsonline_bytes(struct jsonline *line, const char *name, struct kt_slice bytes);

/** Add bytes as NAME_base64, whatever they are. */
void jsonline_base64(struct jsonline *line, const char *name, struct kt_slice bytes);

void jsonline_number(struct jsonline *line, const char *name, int64_t number);

/** End the object and write it. @return 0; -ENOMEM; -errno it could not be written */
int jsonline_end(struct jsonline *line, FILE *file);

void jsonline_fini(struct jsonline *line);

#endif
