/* Keys on a line: one pass each way, and JSON by jansson. */
#include "line.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Control bytes that are escaped: in a key from NUL on. In a name of the mount from 1 on, as a name
 * has spelled its NULs already. */
enum line_kind {
	LINE_KEY = 0,
	LINE_NAME = 1,
};

static bool is_control(enum line_kind kind, unsigned char byte)
{
	return (byte < 0x20 && byte >= (unsigned char)kind) || byte == 0x7f;
}

/* The value of an upper-case hexadecimal digit; -1 if it is none. */
static int digit_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* The control byte that two digits spell; -1 if they spell none. */
static int spelled_control(enum line_kind kind, const char *text, size_t size)
{
	int high, low;

	if (size < 2)
		return -1;
	high = digit_value(text[0]);
	low = digit_value(text[1]);
	if (high < 0 || low < 0 || !is_control(kind, (unsigned char)(high * 16 + low)))
		return -1;
	return high * 16 + low;
}

/* Does the text behind a % read like a control byte, with any number of 25 before it?
 * @return how many 25 there are; -1 if it does not */
static int escape_depth(enum line_kind kind, const char *text, size_t size)
{
	int depth = 0;

	while (size >= 2 && text[0] == '2' && text[1] == '5') {
		text += 2;
		size -= 2;
		depth++;
	}
	return spelled_control(kind, text, size) >= 0 ? depth : -1;
}

static size_t read_bytes(enum line_kind kind, char *text)
{
	size_t size = strlen(text), used = 0;

	for (size_t i = 0; i < size; i++) {
		int depth = text[i] == '%' ? escape_depth(kind, text + i + 1, size - i - 1) : -1;

		if (depth == 0) {
			text[used++] = (char)spelled_control(kind, text + i + 1, 2);
			i += 2;
		} else {
			text[used++] = text[i];
			i += depth > 0 ? 2 : 0;
		}
	}
	return used;
}

size_t line_read_key(char *text)
{
	return read_bytes(LINE_KEY, text);
}

void line_read_name(char *text)
{
	text[read_bytes(LINE_NAME, text)] = '\0';
}

static int write_bytes(FILE *stream, enum line_kind kind, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char byte = (unsigned char)bytes[i];
		int wrote;

		if (is_control(kind, byte))
			wrote = fprintf(stream, "%%%02X", byte);
		else if (byte == '%' && escape_depth(kind, bytes + i + 1, size - i - 1) >= 0)
			wrote = fputs("%25", stream);
		else
			wrote = putc(byte, stream);
		if (wrote < 0)
			return EOF;
	}
	return 0;
}

int line_write_key(FILE *stream, struct kt_slice key)
{
	return write_bytes(stream, LINE_KEY, key.data, key.size);
}

int line_write_name(FILE *stream, const char *name)
{
	return write_bytes(stream, LINE_NAME, name, strlen(name));
}

void line_complain(const char *subject, const char *key, size_t key_size, const char *why)
{
	fprintf(stderr, "keytree: %s: ", subject);
	line_write_key(stderr, (struct kt_slice){key, key_size});
	fprintf(stderr, ": %s\n", why);
}

static void base64_encode(const unsigned char *bytes, size_t size, char *text)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < size; i += 3) {
		size_t rest = size - i;
		uint32_t group = (uint32_t)bytes[i] << 16;

		group |= rest > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
		group |= rest > 2 ? bytes[i + 2] : 0;
		*text++ = digits[group >> 18];
		*text++ = digits[group >> 12 & 63];
		*text++ = rest > 1 ? digits[group >> 6 & 63] : '=';
		*text++ = rest > 2 ? digits[group & 63] : '=';
	}
	*text = '\0';
}

static int add_base64(json_t *object, const char *name, struct kt_slice bytes)
{
	char *text = malloc((bytes.size + 2) / 3 * 4 + 1);
	char full_name[64];
	int err;

	if (text == NULL)
		return -ENOMEM;
	base64_encode(bytes.data, bytes.size, text);
	snprintf(full_name, sizeof(full_name), "%s_base64", name);
	err = json_object_set_new(object, full_name, json_string(text));
	free(text);
	return err != 0 ? -ENOMEM : 0;
}

int line_json_bytes(json_t *object, const char *name, struct kt_slice bytes)
{
	const char *text = bytes.size > 0 ? bytes.data : "";
	json_t *string = json_stringn(text, bytes.size);

	if (string == NULL) /* not UTF-8 */
		return add_base64(object, name, bytes);
	return json_object_set_new(object, name, string) != 0 ? -ENOMEM : 0;
}

int line_json_print(json_t *object)
{
	int err;

	if (object == NULL)
		return -ENOMEM;
	err = json_dumpf(object, stdout, JSON_COMPACT) != 0 || putchar('\n') < 0 ? -EIO : 0;
	json_decref(object);
	return err;
}
