/* Numbers and runs of the free-space log: there and back, and cut off. */
#include "tests/unit/rng.h"
#include "store/format.h"
#include "store/space/space_log_code.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed;

/* Every size of number comes back, in as many bytes as its bits need, and cut off it is none. */
static void test_numbers(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits <= 64; bits++) {
		uint64_t most = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
		struct encoder out = {0};
		struct decoder in;

		encode_number(&out, most);
		assert_int_equal(out.size, bits == 0 ? 1 : (bits + 6) / 7);
		in = (struct decoder){.at = out.data, .size = out.size};
		assert_true(decode_number(&in) == most);
		assert_false(in.failed);
		assert_int_equal(in.size, 0);
		in = (struct decoder){.at = out.data, .size = out.size - 1};
		assert_int_equal(decode_number(&in), 0);
		assert_true(in.failed);
		encoder_fini(&out);
	}
}

/* A number that never ends is refused. */
static void test_endless(void **state)
{
	uint8_t bytes[64];
	struct decoder in = {.at = bytes, .size = sizeof(bytes)};

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	decode_number(&in);
	assert_true(in.failed);
	assert_int_equal(in.size, 0);
}

/* A count of more things than there are bytes for is refused before memory is asked for. */
static void test_count(void **state)
{
	uint8_t bytes[] = {3, 1, 1, 1, 1, 1};
	struct decoder in = {.at = bytes, .size = 6};

	(void)state;
	bytes[0] = 2;
	assert_int_equal(decode_count(&in), 2);
	bytes[0] = 3;
	in = (struct decoder){.at = bytes, .size = 6};
	assert_int_equal(decode_count(&in), 0);
	assert_true(in.failed);
}

/* Random ascending runs come back; a run of no pages, or beyond any file, is refused. */
static void test_runs(void **state)
{
	struct rng rng = {.state = seed};
	struct run runs[500];
	struct encoder out = {0};
	struct decoder in;
	uint64_t position = 0;

	(void)state;
	for (size_t i = 0; i < 500; i++) {
		runs[i].start = position + rng_below(&rng, (size_t)1 << (i % 22));
		runs[i].count = 1 + rng_below(&rng, (size_t)1 << (i % 21));
		position = runs[i].start + runs[i].count;
	}
	encode_runs(&out, runs, 500);
	in = (struct decoder){.at = out.data, .size = out.size};
	position = 0;
	for (size_t i = 0; i < 500; i++) {
		struct run run = decode_run(&in, &position);

		assert_int_equal(run.start, runs[i].start);
		assert_int_equal(run.count, runs[i].count);
	}
	assert_false(in.failed);
	decode_run(&in, &position);
	assert_true(in.failed);
	for (int i = 0; i < 2; i++) {
		out.size = 0;
		encode_number(&out, i == 0 ? 5 : PAGE_MAX + 1);
		encode_number(&out, i == 0 ? 0 : 1);
		in = (struct decoder){.at = out.data, .size = out.size};
		position = 0;
		decode_run(&in, &position);
		assert_true(in.failed);
	}
	encoder_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_runs),
	};

	seed = rng_seed("test_spacecode").state;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
