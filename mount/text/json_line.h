/* A line of JSON, written member by member: an object of bytes and numbers, without a tree of it in
 * memory first. For output of millions of lines; what is short is made with line.h.
 */
#ifndef MOUNT_TEXT_JSON_LINE_H
#define MOUNT_TEXT_JSON_LINE_H

#include "keytree.h"

#include <stdio.h>

/** A line being made. Zeroed at first; its memory is used again by the next one. */
struct json_line {
	char *text;
	size_t size, capacity;
	int err; /* the first one; told by json_line_end() */
};

void json_line_begin(struct json_line *line);

/** Add bytes: a string NAME if they are UTF-8, else NAME_base64. */
void json_line_bytes(struct json_line *line, const char *name, struct kt_slice bytes);

/** Add bytes as NAME_base64, whatever they are. */
void json_line_base64(struct json_line *line, const char *name, struct kt_slice bytes);

void json_line_number(struct json_line *line, const char *name, int64_t number);

/** End the object and write it. @return 0; -ENOMEM; -errno it could not be written */
int json_line_end(struct json_line *line, FILE *file);

void json_line_fini(struct json_line *line);

#endif
