/* Keys and paths. See names.h for the rules.
 *
 * A component's bytes become text in two steps, each a bijection: the escapes in place (escape.h),
 * then those of whole names (shift_special). Cutting works on the bytes and looks at nothing but
 * the rest of the component, so that names_decode() can prove a name right with the piece before
 * it: it is right if encoding both together cuts where the piece ends.
 */
#include "fs/names/names.h"

#include "fs/names/escape.h"
#include "keytree.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define EMPTY "%empty"
#define VALUE "%value"
#define DOT "%2E"
#define DOT_DOT "%2E%2E"
#define MORE "%+"
#define SNAPSHOTS "%2Esnapshots"

static const unsigned char name_bytes[] = {'\0', '/'};

static struct escape_set name_set(char separator)
{
	return (struct escape_set){name_bytes, separator == '/' ? 1 : 2};
}

static bool text_is(const char *text, size_t size, const char *other)
{
	return size == strlen(other) && memcmp(text, other, size) == 0;
}

static bool ends_with_more(const char *text, size_t size)
{
	return size >= 2 && memcmp(text + size - 2, MORE, 2) == 0;
}

/* Does the text read like a special name with any number of "25" after its "%"? */
static bool reads_special(bool in_root, const char *text, size_t size)
{
	static const char *const specials[] = {EMPTY, VALUE, DOT, DOT_DOT, SNAPSHOTS};
	size_t count = sizeof(specials) / sizeof(specials[0]) - !in_root;
	size_t skip = 1;

	if (size == 0 || text[0] != '%')
		return false;
	while (size - skip >= 2 && memcmp(text + skip, "25", 2) == 0)
		skip += 2;
	for (size_t i = 0; i < count; i++) {
		if (text_is(text + skip, size - skip, specials[i] + 1))
			return true;
	}
	return false;
}

/* The name of a component that is named otherwise, or NULL. */
static const char *special_name(bool in_root, const unsigned char *bytes, size_t size)
{
	if (size == 0)
		return EMPTY;
	if (size == 1 && bytes[0] == '.')
		return DOT;
	if (size == 2 && bytes[0] == '.' && bytes[1] == '.')
		return DOT_DOT;
	if (in_root && text_is((const char *)bytes, size, NAMES_SNAPSHOTS))
		return SNAPSHOTS;
	return NULL;
}

/* Escape as many bytes as fit into capacity bytes of text. Returns the length of the text. */
static size_t escape_some(struct escape_set set, const unsigned char *bytes, size_t size,
	char *text, size_t capacity, size_t *ret_used)
{
	struct escape escape;
	size_t i = 0;

	escape_init(&escape, set, text, capacity);
	while (i < size && escape_add(&escape, bytes[i]))
		i++;
	*ret_used = i;
	return escape.size;
}

/* Try to name all the bytes. Returns false if they must be cut. */
static bool encode_whole(struct escape_set set, bool in_root, const unsigned char *bytes,
	size_t size, char *ret_name)
{
	const char *special = special_name(in_root, bytes, size);
	size_t used, length;

	if (special != NULL) {
		strcpy(ret_name, special);
		return true;
	}
	length = escape_some(set, bytes, size, ret_name, NAMES_MAX, &used);
	if (used < size || (length >= NAMES_PIECE_MAX && ends_with_more(ret_name, length)))
		return false;
	if (reads_special(in_root, ret_name, length)) {
		if (length + 2 > NAMES_MAX)
			return false;
		memmove(ret_name + 3, ret_name + 1, length - 1);
		memcpy(ret_name + 1, "25", 2);
		length += 2;
	}
	ret_name[length] = '\0';
	return true;
}

size_t names_encode(
	char separator, bool in_root, const void *rest, size_t size, char ret_name[NAMES_MAX + 1])
{
	struct escape_set set = name_set(separator);
	size_t length, used;

	if (encode_whole(set, in_root, rest, size, ret_name))
		return size;
	length = escape_some(set, rest, size - 1, ret_name, NAMES_PIECE_MAX, &used);
	strcpy(ret_name + length, MORE);
	return used;
}

size_t names_cut(char separator, const void *rest, size_t size)
{
	char text[NAMES_PIECE_MAX];
	size_t used;

	escape_some(name_set(separator), rest, size, text, sizeof(text), &used);
	return used;
}

bool names_are_pieces(char separator, const void *rest, size_t size)
{
	const unsigned char *bytes = rest;
	char text[NAMES_PIECE_MAX];
	size_t used;

	for (; size > 0; bytes += used, size -= used) {
		if (escape_some(name_set(separator), bytes, size, text, sizeof(text), &used) <
			NAMES_PIECE_MIN)
			return false;
	}
	return true;
}

void names_encode_piece(
	char separator, const void *piece, size_t size, char ret_name[NAMES_MAX + 1])
{
	size_t used;
	size_t length =
		escape_some(name_set(separator), piece, size, ret_name, NAMES_PIECE_MAX, &used);

	assert(used == size);
	strcpy(ret_name + length, MORE);
}

/* Decode a name by itself. The escapes of whole names first, then those in place. */
static void decode_alone(struct escape_set set, bool in_root, const char *name, size_t length,
	struct names_part *ret_part)
{
	char text[NAMES_MAX];

	ret_part->kind = NAMES_COMPONENT;
	ret_part->size = 0;
	memcpy(text, name, length);
	if (length >= NAMES_PIECE_MAX && ends_with_more(text, length)) {
		ret_part->kind = NAMES_PIECE;
		length -= 2;
	} else if (text_is(text, length, VALUE)) {
		ret_part->kind = NAMES_VALUE;
		return;
	} else if (text_is(text, length, EMPTY)) {
		return;
	} else if (text_is(text, length, DOT) || text_is(text, length, DOT_DOT)) {
		ret_part->size = length / strlen(DOT);
		memset(ret_part->bytes, '.', ret_part->size);
		return;
	} else if (in_root && text_is(text, length, SNAPSHOTS)) {
		ret_part->size = strlen(NAMES_SNAPSHOTS);
		memcpy(ret_part->bytes, NAMES_SNAPSHOTS, ret_part->size);
		return;
	} else if (reads_special(in_root, text, length)) {
		length -= 2;
		memmove(text + 1, text + 3, length - 1);
	}
	ret_part->size = escape_decode(set, text, length, ret_part->bytes);
}

/* Is the part what follows the piece, when both are cut together? */
static bool follows_piece(char separator, bool in_root, const void *piece, size_t piece_size,
	const struct names_part *part)
{
	unsigned char both[NAMES_PIECE_MAX + NAMES_MAX];
	char name[NAMES_MAX + 1];

	assert(piece_size <= NAMES_PIECE_MAX);
	if (part->kind == NAMES_VALUE || part->size == 0)
		return false;
	memcpy(both, piece, piece_size);
	memcpy(both + piece_size, part->bytes, part->size);
	return names_encode(separator, in_root, both, piece_size + part->size, name) == piece_size;
}

int names_decode(char separator, bool in_root, const void *piece, size_t piece_size,
	const char *name, struct names_part *ret_part)
{
	size_t length = strlen(name);

	if (length > NAMES_MAX)
		return -ENAMETOOLONG;
	if (length == 0 || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EINVAL;
	if (in_root && !strcmp(name, NAMES_SNAPSHOTS))
		return -EINVAL;
	decode_alone(name_set(separator), in_root, name, length, ret_part);
	if (memchr(ret_part->bytes, separator, ret_part->size))
		return -EINVAL;
	if (piece != NULL && !follows_piece(separator, in_root, piece, piece_size, ret_part))
		return -EINVAL;
	return 0;
}

/* Append the names of one component to a path that has used bytes. Returns how many it has then. */
static size_t append_component(char separator, bool in_root, const unsigned char *bytes,
	size_t size, char *path, size_t used)
{
	size_t done;

	do {
		char name[NAMES_MAX + 1];
		size_t length;

		done = names_encode(separator, in_root, bytes, size, name);
		if (used > 0)
			path[used++] = '/';
		length = strlen(name);
		assert(used + length < NAMES_PATH_SIZE);
		memcpy(path + used, name, length + 1);
		used += length;
		bytes += done;
		size -= done;
	} while (size > 0);
	return used;
}

int names_path_of_key(char separator, const void *key, size_t key_size, bool value, char *ret_path)
{
	const unsigned char *bytes = key;
	size_t used = 0;

	if (key_size > KT_KEY_MAX)
		return -ENAMETOOLONG;
	for (;;) {
		const unsigned char *end = key_size ? memchr(bytes, separator, key_size) : NULL;
		size_t size = end ? (size_t)(end - bytes) : key_size;

		used = append_component(separator, bytes == key, bytes, size, ret_path, used);
		if (end == NULL)
			break;
		bytes += size + 1;
		key_size -= size + 1;
	}
	if (value)
		strcpy(ret_path + used, "/" VALUE);
	return 0;
}

/* Copy the next name of a path. Returns where the path goes on, or NULL if the name is too long. */
static const char *next_name(const char *path, char ret_name[NAMES_MAX + 1])
{
	size_t length = strcspn(path, "/");

	if (length > NAMES_MAX)
		return NULL;
	memcpy(ret_name, path, length);
	ret_name[length] = '\0';
	return path + length;
}

/* Append one part of a path to a key, behind a separator if a component ended before it. */
static int append_part(char separator, bool behind_component, const struct names_part *part,
	unsigned char *key, size_t *size)
{
	if (*size + behind_component + part->size > KT_KEY_MAX)
		return -ENAMETOOLONG;
	if (behind_component)
		key[(*size)++] = (unsigned char)separator;
	memcpy(key + *size, part->bytes, part->size);
	*size += part->size;
	return 0;
}

int names_key_of_path(
	char separator, const char *path, void *ret_key, size_t *ret_key_size, bool *ret_value)
{
	struct names_part part, last = {.kind = NAMES_VALUE};
	char name[NAMES_MAX + 1];
	bool first = true, in_root = true;
	size_t size = 0;

	for (;; path++) {
		bool in_piece = !first && last.kind == NAMES_PIECE;
		int err;

		path = next_name(path, name);
		if (path == NULL)
			return -ENAMETOOLONG;
		in_root = in_root && (first || in_piece);
		err = names_decode(
			separator, in_root, in_piece ? last.bytes : NULL, last.size, name, &part);
		if (err)
			return err;
		if (part.kind == NAMES_VALUE && (first || *path != '\0'))
			return -EINVAL;
		if (part.kind == NAMES_PIECE && *path == '\0')
			return -EINVAL;
		if (part.kind != NAMES_VALUE)
			err = append_part(separator, !first && !in_piece, &part, ret_key, &size);
		if (err)
			return err;
		if (*path == '\0')
			break;
		last = part;
		first = false;
	}
	*ret_key_size = size;
	*ret_value = part.kind == NAMES_VALUE;
	return 0;
}
