/* Keys and names by escape.h of the file system, JSON by jansson. */
#include "mount/text/line.h"
#include "mount/text/base64.h"
#include "mount/text/human.h"
#include "mount/text/output.h"

#include "fs/names/escape.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a line cannot hold, of a key and of a name. */
static const struct escape_set key_set = {(const unsigned char *)"\0\n", 2};
static const struct escape_set name_set = {(const unsigned char *)"\n", 1};

int line_read_key(const char *text, struct line_key *ret_key)
{
	size_t size = strlen(text);

	if (size > sizeof(ret_key->bytes))
		return -ENAMETOOLONG;
	size = escape_decode(key_set, text, size, ret_key->bytes);
	if (size > KT_KEY_MAX)
		return -ENAMETOOLONG;
	ret_key->size = size;
	return 0;
}

/* Bytes as they are printed. A terminal does not get those that it would obey.
 * @return of malloc(), with a NUL behind; NULL: no memory */
static char *make_text(struct escape_set set, const char *bytes, size_t size, size_t *ret_size)
{
	char *text = malloc(3 * size + 1); /* a byte becomes three at most */
	struct escape escape;

	if (text == NULL)
		return NULL;
	escape_init(&escape, set, text, 3 * size);
	for (size_t i = 0; i < size; i++)
		escape_add(&escape, (unsigned char)bytes[i]);
	text[escape.size] = '\0';
	for (size_t i = 0; i < escape.size && human_is_reading(); i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == '\177')
			text[i] = '?';
	}
	*ret_size = escape.size;
	return text;
}

static int write_escaped(struct escape_set set, const char *bytes, size_t size)
{
	char *text = make_text(set, bytes, size, &size);
	int err = text != NULL ? output_wrote(fwrite(text, 1, size, stdout) == size) : -ENOMEM;

	free(text);
	return err;
}

int line_print_key(struct kt_slice key, char end)
{
	int err = end == '\0' ? output_wrote(fwrite(key.data, 1, key.size, stdout) == key.size)
			      : write_escaped(key_set, key.data, key.size);

	return err != 0 ? err : output_wrote(putchar(end) != EOF);
}

void line_read_name(char *text)
{
	text[escape_decode(name_set, text, strlen(text), text)] = '\0';
}

char *line_name_text(const char *name)
{
	size_t size;

	return make_text(name_set, name, strlen(name), &size);
}

int line_write_name(const char *name)
{
	return write_escaped(name_set, name, strlen(name));
}

int line_json_base64(json_t *object, const char *name, struct kt_slice bytes)
{
	char *text = malloc(BASE64_TEXT_SIZE(bytes.size));
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
		return line_json_base64(object, name, bytes);
	return json_object_set_new(object, name, string) != 0 ? -ENOMEM : 0;
}

int line_json_number(json_t *object, const char *name, int64_t number)
{
	return json_object_set_new(object, name, json_integer(number)) != 0 ? -ENOMEM : 0;
}

int line_json_print(int err, json_t *object)
{
	if (!err && object == NULL)
		err = -ENOMEM;
	if (!err)
		err = output_wrote(
			json_dumpf(object, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF);
	json_decref(object);
	return err;
}
