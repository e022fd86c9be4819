/* Values that people edit: text, and numbers written as text.
 *
 * An editor ends the last line of a file with a newline, and `echo 5 > timeout` does so too. The
 * calls here take that newline off when they read, and none is written: so what a program stored
 * and what a person saved read the same.
 */
#include "store/error.h"
#include "store/commit/txn.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Longest text of a number, with its white space. */
#define NUMBER_MAX 256

int kt_get_text(struct kt_txn *txn, const void *key, size_t key_size, const char **ret_text)
{
	struct kt_slice value;
	char *copy;
	size_t size;
	int err = kt_get(txn, key, key_size, &value);

	if (err != 0)
		return err;
	size = value.size;
	if (size > 0 && ((const char *)value.data)[size - 1] == '\n')
		size--;
	if (size > 0 && memchr(value.data, '\0', size) != NULL)
		return error_set(-EILSEQ, "a value with a NUL byte is not text");
	copy = txn_view_alloc(txn->txn, size + 1);
	if (copy == NULL)
		return -ENOMEM;
	if (size > 0)
		memcpy(copy, value.data, size);
	copy[size] = '\0';
	*ret_text = copy;
	return 0;
}

int kt_put_text(struct kt_txn *txn, const void *key, size_t key_size, const char *text)
{
	return kt_put(txn, key, key_size, text, strlen(text));
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* The locale has no say here, unlike in isspace() and strtoll(). */
static bool text_is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static int text_not_a_number(void)
{
	return error_set(-EILSEQ, "the value is not a whole number in decimal digits");
}

/* Add digits below zero, where there is room for one number more than above it. */
static int text_parse_digits(const char *at, const char *end, int64_t *ret_negative)
{
	int64_t number = 0;
	bool fits = true;

	if (at == end)
		return text_not_a_number();
	for (; at < end; at++) {
		if (*at < '0' || *at > '9')
			return text_not_a_number();
		fits = fits && !__builtin_mul_overflow(number, 10, &number) &&
		       !__builtin_sub_overflow(number, *at - '0', &number);
	}
	if (!fits)
		return error_set(-ERANGE, "the number does not fit 64 bits");
	*ret_negative = number;
	return 0;
}

static int text_parse(const char *at, size_t size, int64_t *ret_number)
{
	const char *end = at + size;
	bool negative;
	int64_t number;
	int err;

	while (at < end && text_is_space(*at))
		at++;
	while (at < end && text_is_space(end[-1]))
		end--;
	negative = at < end && *at == '-';
	if (negative || (at < end && *at == '+'))
		at++;
	err = text_parse_digits(at, end, &number);
	if (!err && !negative && number == INT64_MIN)
		err = error_set(-ERANGE, "the number does not fit 64 bits");
	if (!err)
		*ret_number = negative ? number : -number;
	return err;
}

int kt_get_long(struct kt_txn *txn, const void *key, size_t key_size, int64_t *ret_number)
{
	char text[NUMBER_MAX];
	size_t size;
	int err = kt_read(txn, key, key_size, 0, text, sizeof(text), &size);

	if (err != 0)
		return err;
	return size < sizeof(text) ? text_parse(text, size, ret_number) : text_not_a_number();
}

int kt_put_long(struct kt_txn *txn, const void *key, size_t key_size, int64_t number)
{
	char text[32];
	int size = snprintf(text, sizeof(text), "%" PRId64, number);

	return kt_put(txn, key, key_size, text, (size_t)size);
}
