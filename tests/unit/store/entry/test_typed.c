/* Defaults, updates, numbers and strings, on a file and in memory. */
#include "tests/unit/fixture.h"

#include "keytree.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Each test has a transaction that writes. */
static int setup_file(void **state)
{
	int err = fixture_setup_file(state);
	struct fixture *f = *state;

	return err != 0 ? err : kt_begin(f->store, KT_WRITE, &f->txn);
}

static int setup_memory(void **state)
{
	int err = fixture_setup_memory(state);
	struct fixture *f = *state;

	return err != 0 ? err : kt_begin(f->store, KT_WRITE, &f->txn);
}

static void assert_value(struct fixture *f, const char *key, const char *expected)
{
	struct kt_slice value;
	int err = kt_get(f->txn, key, strlen(key), &value);

	if (expected == NULL) {
		assert_int_equal(err, -ENOENT);
		return;
	}
	assert_int_equal(err, 0);
	assert_int_equal(value.size, strlen(expected));
	assert_memory_equal(value.data, expected, value.size);
}

/* The default is put only where there is no value, and what is returned is what is there. */
static void default_values(void **state)
{
	struct fixture *f = *state;
	struct kt_slice value;

	assert_int_equal(kt_get_or_insert(f->txn, "k", 1, "first", 5, &value), 0);
	assert_memory_equal(value.data, "first", 5);
	assert_int_equal(kt_get_or_insert(f->txn, "k", 1, "second!", 7, &value), 0);
	assert_int_equal(value.size, 5);
	assert_value(f, "k", "first");
}

static int append_x(void *arg, const struct kt_slice *old, struct kt_slice *ret_new)
{
	char *buf = arg;

	sprintf(buf, "%.*sx", old != NULL ? (int)old->size : 0,
		old != NULL ? (const char *)old->data : "");
	*ret_new = (struct kt_slice){buf, strlen(buf)};
	return KT_REPLACE;
}

static int decide(void *arg, const struct kt_slice *old, struct kt_slice *ret_new)
{
	(void)old;
	(void)ret_new;
	return *(int *)arg;
}

/* An update sees the value there is, or none, and replaces, removes, keeps, or fails. */
static void updates(void **state)
{
	struct fixture *f = *state;
	char buf[64];

	assert_int_equal(kt_update(f->txn, "u", 1, append_x, buf), 0);
	assert_int_equal(kt_update(f->txn, "u", 1, append_x, buf), 0);
	assert_value(f, "u", "xx");
	assert_int_equal(kt_update(f->txn, "u", 1, decide, &(int){KT_KEEP}), 0);
	assert_int_equal(kt_update(f->txn, "u", 1, decide, &(int){-EPROTO}), -EPROTO);
	assert_value(f, "u", "xx");
	assert_int_equal(kt_update(f->txn, "u", 1, decide, &(int){KT_REMOVE}), 0);
	assert_value(f, "u", NULL);
	assert_int_equal(kt_update(f->txn, "u", 1, decide, &(int){KT_REMOVE}), 0);
}

/* Numbers come back as they went in, at the limits of each width; what does not fit is refused. */
static void numbers(void **state)
{
	struct fixture *f = *state;
	struct kt_slice value;
	uint64_t number;
	int64_t integer;

	for (unsigned width = 1; width <= 8; width *= 2) {
		uint64_t most = UINT64_MAX >> (64 - 8 * width);
		int64_t least = INT64_MIN >> (64 - 8 * width);

		assert_int_equal(kt_put_uint(f->txn, "n", 1, width, most), 0);
		assert_int_equal(kt_get_uint(f->txn, "n", 1, width, &number), 0);
		assert_true(number == most);
		assert_int_equal(kt_put_int(f->txn, "n", 1, width, least), 0);
		assert_int_equal(kt_get_int(f->txn, "n", 1, width, &integer), 0);
		assert_true(integer == least);
		assert_int_equal(kt_put_int(f->txn, "n", 1, width, -(least + 1)), 0);
		assert_int_equal(kt_get_int(f->txn, "n", 1, width, &integer), 0);
		assert_true(integer == -(least + 1));
		if (width == 8)
			break;
		assert_int_equal(kt_put_uint(f->txn, "n", 1, width, most + 1), -ERANGE);
		assert_int_equal(kt_put_int(f->txn, "n", 1, width, least - 1), -ERANGE);
		assert_int_equal(kt_put_int(f->txn, "n", 1, width, -least), -ERANGE);
	}
	assert_int_equal(kt_put_uint(f->txn, "n", 1, 4, 0x01020304), 0);
	assert_int_equal(kt_get(f->txn, "n", 1, &value), 0);
	assert_memory_equal(value.data, "\x04\x03\x02\x01", 4); /* little-endian */
	assert_int_equal(kt_get_uint(f->txn, "n", 1, 8, &number), -EMSGSIZE);
	assert_int_equal(kt_get_uint(f->txn, "none", 4, 8, &number), -ENOENT);
	assert_int_equal(kt_get_uint(f->txn, "n", 1, 3, &number), -EINVAL);
	assert_int_equal(kt_put_uint(f->txn, "n", 1, 0, 0), -EINVAL);
	assert_int_equal(kt_put_int(f->txn, "n", 1, 16, 0), -EINVAL);
}

static void doubles_and_strings(void **state)
{
	struct fixture *f = *state;
	const char *string;
	double number;

	assert_int_equal(kt_put_double(f->txn, "d", 1, -0.1), 0);
	assert_int_equal(kt_get_double(f->txn, "d", 1, &number), 0);
	assert_true(number == -0.1);
	assert_int_equal(kt_put_double(f->txn, "d", 1, INFINITY), 0);
	assert_int_equal(kt_get_double(f->txn, "d", 1, &number), 0);
	assert_true(isinf(number));
	assert_int_equal(kt_put_string(f->txn, "s", 1, "Ada"), 0);
	assert_value(f, "s", "Ada");
	assert_int_equal(kt_get_string(f->txn, "s", 1, &string), 0);
	assert_string_equal(string, "Ada");
	assert_int_equal(kt_get_double(f->txn, "s", 1, &number), -EMSGSIZE);
	assert_int_equal(kt_put_string(f->txn, "s", 1, ""), 0);
	assert_int_equal(kt_get_string(f->txn, "s", 1, &string), 0);
	assert_string_equal(string, "");
	assert_int_equal(kt_put(f->txn, "s", 1, "a\0b", 3), 0);
	assert_int_equal(kt_get_string(f->txn, "s", 1, &string), -EILSEQ);
}

#define BOTH(test)                                                                                 \
	cmocka_unit_test_setup_teardown(test, setup_file, fixture_teardown),                       \
		cmocka_unit_test_setup_teardown(test, setup_memory, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(default_values),
		BOTH(updates),
		BOTH(numbers),
		BOTH(doubles_and_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
