/* Text and numbers as people edit them, and numbers in keys; on a file and in memory. */
#include "tests/unit/fixture.h"

#include "keytree.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void put(struct fixture *f, const char *value)
{
	assert_int_equal(kt_put(f->txn, KT_STR("k"), value, strlen(value)), 0);
}

/* One newline at the end is left out, whatever else there is; a NUL byte is refused. */
static void text(void **state)
{
	static const char *const cases[][2] = {{"", ""}, {"\n", ""}, {"\n\n", "\n"}, {"a", "a"},
		{"a\n", "a"}, {"a\nb\n", "a\nb"}, {"a\r\n", "a\r"}, {" a \n", " a "}};
	struct fixture *f = *state;
	struct kt_slice value;
	const char *read;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		put(f, cases[i][0]);
		assert_int_equal(kt_get_text(f->txn, KT_STR("k"), &read), 0);
		assert_string_equal(read, cases[i][1]);
	}
	assert_int_equal(kt_put(f->txn, KT_STR("k"), KT_STR("a\0b\n")), 0);
	assert_int_equal(kt_get_text(f->txn, KT_STR("k"), &read), -EILSEQ);
	assert_int_equal(kt_get_text(f->txn, KT_STR("none"), &read), -ENOENT);
	assert_int_equal(kt_put_text(f->txn, KT_STR("k"), "Ada"), 0);
	assert_int_equal(kt_get(f->txn, KT_STR("k"), &value), 0);
	assert_int_equal(value.size, 3);
	assert_memory_equal(value.data, "Ada", 3);
}

static void assert_number(
	struct fixture *f, const char *written, int expected_err, int64_t expected)
{
	int64_t number = 0;

	put(f, written);
	assert_int_equal(kt_get_long(f->txn, KT_STR("k"), &number), expected_err);
	if (expected_err == 0)
		assert_true(number == expected);
}

/* Digits with a sign and white space around them are a number, to the limits of 64 bits. */
static void written_numbers(void **state)
{
	struct fixture *f = *state;
	char long_number[400];

	assert_number(f, "0", 0, 0);
	assert_number(f, "-0", 0, 0);
	assert_number(f, "42\n", 0, 42);
	assert_number(f, " \t+7 \r\n", 0, 7);
	assert_number(f, "\n\n-0012\n\n", 0, -12);
	assert_number(f, "9223372036854775807", 0, INT64_MAX);
	assert_number(f, "-9223372036854775808\n", 0, INT64_MIN);
	assert_number(f, "9223372036854775808", -ERANGE, 0);
	assert_number(f, "-9223372036854775809", -ERANGE, 0);
	assert_number(f, "99999999999999999999999999", -ERANGE, 0);
	memset(long_number, ' ', sizeof(long_number) - 1);
	long_number[sizeof(long_number) - 1] = '\0';
	long_number[255] = '\0';
	long_number[254] = '5';
	assert_number(f, long_number, 0, 5);
	long_number[255] = ' ';
	assert_number(f, long_number, -EILSEQ, 0);
}

/* Everything else is refused. */
static void not_numbers(void **state)
{
	static const char *const cases[] = {"", " ", "\n", "-", "+", "--1", "+-1", "- 1", "1 2",
		"1\n2", "0x10", "1e3", "1.0", "1,000", "a", "1a", "a1",
		("\xc2\xa0"
		 "1"),
		"1\v0", "999999999999999999999999999x"};
	struct fixture *f = *state;
	int64_t number;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_number(f, cases[i], -EILSEQ, 0);
	assert_int_equal(kt_put(f->txn, KT_STR("k"), KT_STR("1\0")), 0);
	assert_int_equal(kt_get_long(f->txn, KT_STR("k"), &number), -EILSEQ);
	assert_int_equal(kt_get_long(f->txn, KT_STR("none"), &number), -ENOENT);
}

/* What is written as text is what a person would write, and is read back. */
static void numbers_to_text(void **state)
{
	static const int64_t numbers[] = {0, 1, -1, 1000000, INT64_MAX, INT64_MIN};
	struct fixture *f = *state;
	const char *read;
	char expected[40];
	int64_t number;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		assert_int_equal(kt_put_long(f->txn, KT_STR("k"), numbers[i]), 0);
		assert_int_equal(kt_get_long(f->txn, KT_STR("k"), &number), 0);
		assert_true(number == numbers[i]);
		assert_int_equal(kt_get_text(f->txn, KT_STR("k"), &read), 0);
		snprintf(expected, sizeof(expected), "%" PRId64, numbers[i]);
		assert_string_equal(read, expected);
	}
}

/* ---- numbers in keys ------------------------------------------------------------------------- */

static int compare_bytes(const unsigned char *a, const unsigned char *b)
{
	int order = memcmp(a, b, KT_KEY_NUMBER_SIZE);

	return (order > 0) - (order < 0);
}

/* Numbers in ascending order have keys in ascending order, and come back. */
static void keys_of_integers(void **state)
{
	static const uint64_t numbers[] = {0, 1, 255, 256, 65535, 65536, INT64_MAX,
		(uint64_t)INT64_MAX + 1, UINT64_MAX - 1, UINT64_MAX};
	static const int64_t integers[] = {INT64_MIN, INT64_MIN + 1, -65536, -256, -255, -1, 0, 1,
		255, 256, INT64_MAX - 1, INT64_MAX};
	unsigned char key[KT_KEY_NUMBER_SIZE], before[KT_KEY_NUMBER_SIZE] = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		kt_key_put_u64(key, numbers[i]);
		assert_true(kt_key_get_u64(key) == numbers[i]);
		assert_int_equal(compare_bytes(key, before), i > 0);
		memcpy(before, key, sizeof(key));
	}
	memset(before, 0, sizeof(before));
	for (size_t i = 0; i < sizeof(integers) / sizeof(*integers); i++) {
		kt_key_put_i64(key, integers[i]);
		assert_true(kt_key_get_i64(key) == integers[i]);
		assert_int_equal(compare_bytes(key, before), i > 0);
		memcpy(before, key, sizeof(key));
	}
	kt_key_put_u64(key, 0x0102030405060708);
	assert_memory_equal(key, "\1\2\3\4\5\6\7\10", 8);
}

static void keys_of_doubles(void **state)
{
	static const double numbers[] = {-INFINITY, -DBL_MAX, -1e10, -1.5, -1, -DBL_MIN, -5e-324,
		-0.0, 0.0, 5e-324, DBL_MIN, 0.5, 1, 1.5, 1e10, DBL_MAX, INFINITY};
	unsigned char key[KT_KEY_NUMBER_SIZE], before[KT_KEY_NUMBER_SIZE] = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		double back;

		kt_key_put_double(key, numbers[i]);
		back = kt_key_get_double(key);
		assert_memory_equal(&back, &numbers[i], sizeof(back)); /* the sign of 0 too */
		assert_int_equal(compare_bytes(key, before), 1);
		memcpy(before, key, sizeof(key));
	}
}

/* A walk over such keys is in the order of the numbers. */
static void keys_in_a_store(void **state)
{
	struct fixture *f = *state;
	unsigned char key[KT_KEY_NUMBER_SIZE];
	struct kt_cursor *cursor;
	int64_t last = INT64_MIN;
	unsigned count = 0;

	for (int64_t i = -50; i < 50; i++) {
		kt_key_put_i64(key, i * 37 % 50 * 1000003);
		assert_int_equal(kt_put(f->txn, key, sizeof(key), KT_STR("")), 0);
	}
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	while (kt_cursor_next(cursor) == 0) {
		int64_t number = kt_key_get_i64(kt_cursor_key(cursor).data);

		assert_true(number > last);
		last = number;
		count++;
	}
	kt_cursor_close(cursor);
	assert_int_equal(count, 99); /* from -49 to 49 */
}

#define BOTH(test)                                                                                 \
	cmocka_unit_test_setup_teardown(test, setup_file, fixture_teardown),                       \
		cmocka_unit_test_setup_teardown(test, setup_memory, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(text),
		BOTH(written_numbers),
		BOTH(not_numbers),
		BOTH(numbers_to_text),
		cmocka_unit_test(keys_of_integers),
		cmocka_unit_test(keys_of_doubles),
		BOTH(keys_in_a_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
