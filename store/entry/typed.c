/* Entries, more conveniently: defaults, updates through a callback, numbers and strings. All of it
 * is built on the calls of entry.c. */
#include "store/entry/entry.h"
#include "store/error.h"
#include "store/commit/txn.h"

#include <errno.h>
#include <string.h>

int kt_get_or_insert(struct kt_txn *txn, const void *key, size_t key_size, const void *value,
	size_t value_size, struct kt_slice *ret_value)
{
	int err = kt_get(txn, key, key_size, ret_value);

	if (err == -ENOENT)
		err = kt_put(txn, key, key_size, value, value_size);
	else
		return err;
	return err != 0 ? err : kt_get(txn, key, key_size, ret_value);
}

int kt_get_copy(struct kt_txn *txn, const void *key, size_t key_size, void *buf, size_t size,
	size_t *ret_size)
{
	struct entry entry;
	size_t got;
	int err = entry_read_part(txn, key, key_size, &entry);
	uint64_t there;

	if (!err)
		err = value_read(&txn->txn->pager, &entry.cell.value, 0, buf, size, &got);
	if (err != 0)
		return err;
	there = entry.cell.value.size;
	if (ret_size != NULL)
		*ret_size = there;
	if (there <= size)
		return 0;
	return error_set(-ERANGE, "the value has %llu bytes, the buffer %zu",
		(unsigned long long)there, size);
}

/* Put, delete or keep, as a callback has decided. */
static int update_entry(struct kt_txn *txn, const void *key, size_t key_size, int decided,
	const struct kt_slice *new)
{
	if (decided < 0 || decided == KT_KEEP)
		return decided < 0 ? decided : 0;
	if (decided == KT_REMOVE)
		return kt_delete(txn, key, key_size, KT_MISSING_OK);
	return kt_put(txn, key, key_size, new->data, new->size);
}

int kt_update(struct kt_txn *txn, const void *key, size_t key_size, kt_update_fn *update, void *arg)
{
	struct kt_slice old, new = {NULL, 0};
	struct entry_memory memory = {NULL, 0};
	struct entry entry;
	int err = entry_find(txn, key, key_size, &entry);

	if (!err && entry.exists)
		err = entry_value(txn->txn, &memory, &entry.cell, &old);
	if (!err)
		err = update_entry(
			txn, key, key_size, update(arg, entry.exists ? &old : NULL, &new), &new);
	entry_memory_fini(&memory);
	return err;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static bool is_width(unsigned width)
{
	return width == 1 || width == 2 || width == 4 || width == 8;
}

/* The bytes of a number's entry. */
static int get_width(
	struct kt_txn *txn, const void *key, size_t key_size, unsigned width, uint64_t *ret_bits)
{
	struct kt_slice value;
	int err = is_width(width) ? kt_get(txn, key, key_size, &value) : -EINVAL;

	if (err != 0)
		return err;
	if (value.size != width)
		return error_set(
			-EMSGSIZE, "a value of %zu bytes is not a number of %u", value.size, width);
	*ret_bits = 0;
	memcpy(ret_bits, value.data, width);
	return 0;
}

int kt_get_uint(
	struct kt_txn *txn, const void *key, size_t key_size, unsigned width, uint64_t *ret_number)
{
	return get_width(txn, key, key_size, width, ret_number);
}

int kt_put_uint(
	struct kt_txn *txn, const void *key, size_t key_size, unsigned width, uint64_t number)
{
	if (!is_width(width))
		return error_say(-EINVAL, "the width is not 1, 2, 4 or 8");
	if (width < 8 && number >> (8 * width) != 0)
		return -ERANGE;
	return kt_put(txn, key, key_size, &number, width);
}

int kt_get_int(
	struct kt_txn *txn, const void *key, size_t key_size, unsigned width, int64_t *ret_number)
{
	uint64_t bits;
	unsigned unused;
	int err = get_width(txn, key, key_size, width, &bits);

	if (err != 0)
		return err;
	unused = 64 - 8 * width;
	*ret_number = (int64_t)(bits << unused) >> unused; /* the sign comes along */
	return 0;
}

int kt_put_int(struct kt_txn *txn, const void *key, size_t key_size, unsigned width, int64_t number)
{
	int64_t rest;

	if (!is_width(width))
		return error_say(-EINVAL, "the width is not 1, 2, 4 or 8");
	rest = number >> (8 * width - 1); /* 0 or -1, if it fits */
	if (rest != 0 && rest != -1)
		return -ERANGE;
	return kt_put(txn, key, key_size, &number, width);
}

int kt_get_double(struct kt_txn *txn, const void *key, size_t key_size, double *ret_number)
{
	uint64_t bits;
	int err = get_width(txn, key, key_size, sizeof(bits), &bits);

	if (!err)
		memcpy(ret_number, &bits, sizeof(*ret_number));
	return err;
}

int kt_put_double(struct kt_txn *txn, const void *key, size_t key_size, double number)
{
	return kt_put(txn, key, key_size, &number, sizeof(number));
}

/* ---- strings --------------------------------------------------------------------------------- */

int kt_get_string(struct kt_txn *txn, const void *key, size_t key_size, const char **ret_string)
{
	struct kt_slice value;
	char *copy;
	int err = kt_get(txn, key, key_size, &value);

	if (err != 0)
		return err;
	if (value.size > 0 && memchr(value.data, '\0', value.size) != NULL)
		return error_set(-EILSEQ, "a value with a NUL byte is not a string");
	copy = txn_view_alloc(txn->txn, value.size + 1);
	if (copy == NULL)
		return -ENOMEM;
	if (value.size > 0)
		memcpy(copy, value.data, value.size);
	copy[value.size] = '\0';
	*ret_string = copy;
	return 0;
}

int kt_put_string(struct kt_txn *txn, const void *key, size_t key_size, const char *string)
{
	return kt_put(txn, key, key_size, string, strlen(string));
}
