/* Text of JSON (RFC 8259) in a buffer that grows. See json_line.h. */
#include "mount/text/json_line.h"
#include "mount/text/base64.h"
#include "mount/text/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that one byte of a string becomes at most: \u0000. */
#define ESCAPE_MAX 6

/* Make room for more. @return where it is; NULL: no memory */
static char *json_line_reserve(struct json_line *line, size_t size)
{
	size_t capacity = line->capacity + line->capacity / 2;
	char *text;

	if (line->capacity - line->size >= size)
		return line->text + line->size;
	capacity = capacity < line->size + size ? line->size + size : capacity;
	text = realloc(line->text, capacity);
	if (text == NULL) {
		line->err = -ENOMEM;
		return NULL;
	}
	line->text = text;
	line->capacity = capacity;
	return text + line->size;
}

static void json_line_add(struct json_line *line, const char *text, size_t size)
{
	char *to = json_line_reserve(line, size);

	if (to == NULL)
		return;
	memcpy(to, text, size);
	line->size += size;
}

/* Begin a member; the name needs no escapes. */
static void json_line_add_name(struct json_line *line, const char *name, const char *ending)
{
	json_line_add(line, ",\"", line->size > 1 ? 2 : 0);
	if (line->size <= 1)
		json_line_add(line, "\"", 1);
	json_line_add(line, name, strlen(name));
	json_line_add(line, ending, strlen(ending));
	json_line_add(line, "\":", 2);
}

/* @return how many bytes a byte of a string has become */
static size_t json_line_escape(unsigned char byte, char *to)
{
	static const char hex[] = "0123456789abcdef";
	const char *letter = memchr("\bb\ff\nn\rr\tt", byte, 10);

	to[0] = '\\';
	if (byte == '"' || byte == '\\' || (letter != NULL && byte < ' ')) {
		to[1] = byte < ' ' ? letter[1] : (char)byte;
		return 2;
	}
	memcpy(to + 1, "u00", 3);
	to[4] = hex[byte >> 4];
	to[5] = hex[byte & 15];
	return ESCAPE_MAX;
}

static void json_line_add_string(struct json_line *line, struct kt_slice bytes)
{
	const char *from = bytes.data;
	char *to = json_line_reserve(line, ESCAPE_MAX * bytes.size + 2);

	if (to == NULL)
		return;
	*to++ = '"';
	for (size_t i = 0; i < bytes.size; i++) {
		unsigned char byte = (unsigned char)from[i];

		if (byte < ' ' || byte == '"' || byte == '\\')
			to += json_line_escape(byte, to);
		else
			*to++ = (char)byte;
	}
	*to++ = '"';
	line->size = (size_t)(to - line->text);
}

void json_line_begin(struct json_line *line)
{
	line->size = 0;
	line->err = 0;
	json_line_add(line, "{", 1);
}

void json_line_bytes(struct json_line *line, const char *name, struct kt_slice bytes)
{
	if (!utf8_is_valid(bytes.data, bytes.size)) {
		json_line_base64(line, name, bytes);
		return;
	}
	json_line_add_name(line, name, "");
	json_line_add_string(line, bytes);
}

void json_line_base64(struct json_line *line, const char *name, struct kt_slice bytes)
{
	char *to;

	json_line_add_name(line, name, "_base64");
	json_line_add(line, "\"", 1);
	to = json_line_reserve(line, BASE64_TEXT_SIZE(bytes.size));
	if (to == NULL)
		return;
	base64_encode(bytes.data, bytes.size, to);
	line->size += BASE64_TEXT_SIZE(bytes.size) - 1;
	json_line_add(line, "\"", 1);
}

void json_line_number(struct json_line *line, const char *name, int64_t number)
{
	char text[32];

	json_line_add_name(line, name, "");
	json_line_add(line, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, number));
}

int json_line_end(struct json_line *line, FILE *file)
{
	json_line_add(line, "}\n", 2);
	if (line->err != 0)
		return line->err;
	errno = 0;
	if (fwrite(line->text, 1, line->size, file) != line->size)
		return errno != 0 ? -errno : -EIO;
	return 0;
}

void json_line_fini(struct json_line *line)
{
	free(line->text);
}
