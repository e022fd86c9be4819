/* A list of extended attributes. See xattr_list.h. */
#include "fs/meta/xattr_list.h"

#include "fs/meta/varint.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct varint_reader reader_of(struct kt_slice list)
{
	return (struct varint_reader){.at = list.data, .left = list.size};
}

static struct xattr read_one(struct varint_reader *reader)
{
	struct xattr xattr;

	xattr.name.size = (size_t)varint_read_fixed(reader, 1);
	xattr.name.data = varint_skip(reader, xattr.name.size);
	xattr.value.size = (size_t)varint_read(reader);
	xattr.value.data = varint_skip(reader, xattr.value.size);
	return xattr;
}

/* Compare names as strings: a prefix comes first. */
static int compare_names(struct kt_slice a, struct kt_slice b)
{
	int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);

	return order ? order : (a.size > b.size) - (a.size < b.size);
}

bool xattr_list_check(struct kt_slice list)
{
	struct varint_reader reader = reader_of(list);
	struct kt_slice last = {0};

	while (reader.left > 0) {
		struct xattr xattr = read_one(&reader);

		if (reader.bad || xattr.name.size == 0 ||
			memchr(xattr.name.data, '\0', xattr.name.size) != NULL ||
			(last.size > 0 && compare_names(last, xattr.name) >= 0))
			return false;
		last = xattr.name;
	}
	return last.size > 0;
}

struct xattr_list_cursor xattr_list_begin(struct kt_slice list)
{
	return (struct xattr_list_cursor){.left = list};
}

bool xattr_list_next(struct xattr_list_cursor *walk, struct xattr *ret_xattr)
{
	struct varint_reader reader = reader_of(walk->left);

	if (reader.left == 0)
		return false;
	*ret_xattr = read_one(&reader);
	assert(!reader.bad);
	walk->left = (struct kt_slice){reader.at, reader.left};
	return true;
}

bool xattr_list_find(struct kt_slice list, const char *name, struct kt_slice *ret_value)
{
	struct xattr_list_cursor walk = xattr_list_begin(list);
	size_t size = strlen(name);
	struct xattr xattr;

	while (xattr_list_next(&walk, &xattr)) {
		if (xattr.name.size == size && memcmp(xattr.name.data, name, size) == 0) {
			*ret_value = xattr.value;
			return true;
		}
	}
	return false;
}

static unsigned char *write_one(unsigned char *at, struct xattr xattr)
{
	at = varint_write_fixed(at, xattr.name.size, 1);
	memcpy(at, xattr.name.data, xattr.name.size);
	at = varint_write(at + xattr.name.size, xattr.value.size);
	if (xattr.value.size > 0)
		memcpy(at, xattr.value.data, xattr.value.size);
	return at + xattr.value.size;
}

int xattr_list_set(struct kt_slice list, const char *name, const struct kt_slice *value,
	struct kt_slice *ret_list)
{
	struct xattr one = {.name = {name, strlen(name)}}, other;
	struct xattr_list_cursor walk = xattr_list_begin(list);
	bool written = value == NULL;
	unsigned char *bytes, *at;
	size_t room = list.size;

	assert(one.name.size >= 1 && one.name.size <= 255);
	if (value != NULL) {
		one.value = *value;
		room += 1 + one.name.size + VARINT_MAX + value->size;
	}
	bytes = at = malloc(room > 0 ? room : 1);
	if (bytes == NULL)
		return -ENOMEM;
	while (xattr_list_next(&walk, &other)) {
		int order = compare_names(one.name, other.name);

		if (order <= 0 && !written) {
			at = write_one(at, one);
			written = true;
		}
		if (order != 0)
			at = write_one(at, other);
	}
	if (!written)
		at = write_one(at, one);
	*ret_list = (struct kt_slice){bytes, (size_t)(at - bytes)};
	if (ret_list->size == 0) {
		free(bytes);
		ret_list->data = NULL;
	}
	return 0;
}
