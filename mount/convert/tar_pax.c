/* The records of pax headers, "SIZE KEY=VALUE\n" each. See tar_input.h.
 *
 * A name of an extended attribute follows SCHILY.xattr., or LIBARCHIVE.xattr. with the value in
 * base64. GNU tar writes "%25" and "%3D" for '%' and '=' in it, libarchive as many other bytes that
 * way: all are decoded, and neither leaves a '%' as it is.
 */
#include "mount/convert/tar_input.h"

#include "mount/text/base64.h"

#include "fs/clock.h"
#include "fs/meta/xattr_list.h"

#include <sys/sysmacros.h>

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Records that must be a number, if they are there. */
static const char *const pax_numbers[] = {
	"size", "uid", "gid", "SCHILY.devmajor", "SCHILY.devminor", "mtime", "atime"};

struct pax_record {
	struct kt_slice key, value;
};

static bool pax_is(const struct kt_slice *key, const char *name)
{
	return key->size == strlen(name) && memcmp(key->data, name, key->size) == 0;
}

static bool pax_begins(const struct kt_slice *key, const char *prefix, struct kt_slice *ret_rest)
{
	size_t size = strlen(prefix);

	if (key->size < size || memcmp(key->data, prefix, size) != 0)
		return false;
	*ret_rest = (struct kt_slice){(const char *)key->data + size, key->size - size};
	return true;
}

static bool pax_number(const struct kt_slice *value, uint64_t *ret_number)
{
	return value->size > 0 && tar_digits(value->data, value->size, ret_number) == value->size &&
	       *ret_number <= INT64_MAX;
}

/* Seconds with a fraction: "-1.25". Digits after the ninth do not count. */
static bool pax_time(const struct kt_slice *value, int64_t *ret_ns)
{
	const char *bytes = value->data;
	size_t at = value->size > 0 && bytes[0] == '-', digits;
	const int64_t sign = at > 0 ? -1 : 1;
	int64_t nanoseconds = 0, unit = 100000000;
	uint64_t seconds;

	digits = tar_digits(bytes + at, value->size - at, &seconds);
	if (digits == 0 || seconds > INT64_MAX)
		return false;
	at += digits;
	if (at < value->size && bytes[at++] != '.')
		return false;
	for (; at < value->size && isdigit((unsigned char)bytes[at]); at++, unit /= 10)
		nanoseconds += (bytes[at] - '0') * unit;
	*ret_ns = clock_ns(sign * (int64_t)seconds, sign * nanoseconds);
	return at == value->size;
}

/* Split the next record off. @return false: there is none, or it is malformed */
static bool pax_next(struct kt_slice *left, struct pax_record *ret_record)
{
	const char *bytes = left->data, *equals;
	uint64_t size = 0;
	size_t digits = tar_digits(bytes, left->size, &size);

	if (digits == 0 || size > left->size || size < digits + 3 || bytes[digits] != ' ' ||
		bytes[size - 1] != '\n')
		return false;
	digits++;
	equals = memchr(bytes + digits, '=', size - 1 - digits);
	if (equals == NULL)
		return false;
	ret_record->key = (struct kt_slice){bytes + digits, (size_t)(equals - bytes) - digits};
	ret_record->value =
		(struct kt_slice){equals + 1, (size_t)(bytes + size - 1 - (equals + 1))};
	*left = (struct kt_slice){bytes + size, left->size - size};
	return true;
}

static int pax_hex(char digit)
{
	return digit >= '0' && digit <= '9'   ? digit - '0'
	       : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
	       : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
					      : -1;
}

/* Decode the name of an extended attribute. @return whether it can be one */
static bool pax_decode_name(const struct kt_slice *from, char name[256])
{
	const char *bytes = from->data;
	size_t used = 0;

	for (size_t at = 0; at < from->size; at++) {
		int high = at + 2 < from->size && bytes[at] == '%' ? pax_hex(bytes[at + 1]) : -1;
		int low = high >= 0 ? pax_hex(bytes[at + 2]) : -1;

		if (used == 255)
			return false;
		name[used] = bytes[at];
		if (low >= 0) {
			name[used] = (char)(high << 4 | low);
			at += 2;
		}
		if (name[used++] == '\0')
			return false;
	}
	name[used] = '\0';
	return used > 0;
}

static int pax_set_xattr(struct tar_input *input, const struct kt_slice *encoded,
	const struct kt_slice *value, struct tar_entry *entry)
{
	struct kt_slice list;
	char name[256];
	int err;

	if (!pax_decode_name(encoded, name))
		return tar_input_malformed(input,
			"the name of an extended attribute is empty or longer than 255 bytes");
	err = xattr_list_set(entry->attr.xattrs, name, value, &list);
	if (err != 0)
		return err;
	free((void *)entry->attr.xattrs.data);
	entry->attr.xattrs = list;
	return 0;
}

/* libarchive's base64 may lack the '=' at its end. */
static int pax_set_base64(struct tar_input *input, const struct kt_slice *encoded,
	const struct kt_slice *value, struct tar_entry *entry)
{
	size_t padded = (value->size + 3) / 4 * 4, size;
	char *text = malloc(padded + 1);
	int err = text != NULL ? 0 : -ENOMEM;

	if (err != 0)
		return err;
	memset(text, '=', padded);
	memcpy(text, value->data, value->size);
	if (base64_decode(text, padded, (unsigned char *)text, &size) == 0) {
		const struct kt_slice decoded = {text, size};

		err = pax_set_xattr(input, encoded, &decoded, entry);
	} else {
		err = tar_input_malformed(
			input, "the value of an extended attribute is not valid base64");
	}
	free(text);
	return err;
}

/* GNU's sparse files; of the name, the path is a stand-in. */
static int pax_set_sparse(struct tar_input *input, const struct kt_slice *key,
	const struct kt_slice *value, struct tar_entry *entry)
{
	uint64_t number = 0;
	bool valid = pax_number(value, &number);

	entry->is_sparse = true;
	if (pax_is(key, "map"))
		return tar_sparse_list(input, value->data, value->size, entry);
	if (pax_is(key, "name")) {
		entry->has_name = true;
		return tar_bytes_set(&entry->path, value->data, value->size);
	}
	if (!valid)
		return tar_input_malformed(input, "the list of its holes is malformed");
	if (pax_is(key, "size") || pax_is(key, "realsize"))
		entry->size = number;
	else if (pax_is(key, "major"))
		entry->sparse_version = (unsigned)(number > 0);
	else if (pax_is(key, "offset"))
		entry->next_offset = number;
	else if (pax_is(key, "numbytes"))
		return tar_sparse_add(input, entry, entry->next_offset, number);
	return 0;
}

/* Records with a number. @return whether the key is one of them, and the value valid */
static bool pax_set_number(struct tar_input *input, const struct kt_slice *key, uint64_t number,
	struct tar_entry *entry)
{
	struct attr *attr = &entry->attr;

	if (pax_is(key, "size")) {
		input->body = number;
		input->padding = -(size_t)number % TAR_BLOCK_SIZE;
		entry->size = entry->is_sparse ? entry->size : number;
	} else if (pax_is(key, "uid")) {
		attr->uid = (uid_t)number;
	} else if (pax_is(key, "gid")) {
		attr->gid = (gid_t)number;
	} else if (pax_is(key, "SCHILY.devmajor")) {
		attr->rdev = makedev((unsigned)number, minor(attr->rdev));
	} else if (pax_is(key, "SCHILY.devminor")) {
		attr->rdev = makedev(major(attr->rdev), (unsigned)number);
	} else {
		return false;
	}
	return true;
}

static int pax_set(
	struct tar_input *input, const struct pax_record *record, struct tar_entry *entry)
{
	const struct kt_slice *key = &record->key, *value = &record->value;
	struct kt_slice rest;
	uint64_t number;
	int64_t ns;

	if (pax_begins(key, "SCHILY.xattr.", &rest))
		return pax_set_xattr(input, &rest, value, entry);
	if (pax_begins(key, "LIBARCHIVE.xattr.", &rest))
		return pax_set_base64(input, &rest, value, entry);
	if (value->size == 0) /* as if the record were not there */
		return 0;
	if (pax_begins(key, "GNU.sparse.", &rest))
		return pax_set_sparse(input, &rest, value, entry);
	if (pax_is(key, "path"))
		return entry->has_name ? 0 : tar_bytes_set(&entry->path, value->data, value->size);
	if (pax_is(key, "linkpath"))
		return tar_bytes_set(&entry->target, value->data, value->size);
	if (pax_is(key, "mtime") && pax_time(value, &ns)) {
		entry->mtime_ns = ns;
	} else if (pax_is(key, "atime") && pax_time(value, &ns)) {
		entry->attr.atime_ns = ns;
		entry->attr.fields |= ATTR_ATIME;
	} else if (!pax_number(value, &number) || !pax_set_number(input, key, number, entry)) {
		for (size_t i = 0; i < sizeof(pax_numbers) / sizeof(pax_numbers[0]); i++) {
			if (pax_is(key, pax_numbers[i]))
				return tar_input_malformed(
					input, "a size, owner or time is not a number");
		}
	}
	return 0;
}

int tar_pax_apply(struct tar_input *input, const struct tar_bytes *records, struct tar_entry *entry)
{
	struct kt_slice left = {records->data, records->size};
	struct pax_record record;
	int err = 0;

	while (!err && left.size > 0) {
		if (!pax_next(&left, &record))
			return tar_input_malformed(input, "malformed pax records");
		err = pax_set(input, &record, entry);
	}
	return err;
}
