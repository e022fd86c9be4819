/* Writes gathered in memory, against a plain array of bytes. */
#include "fs/dirty/write_buffer.h"

#include "tests/unit/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define FILE_SIZE 4096

/* The same writes and truncations, done to an array that knows which bytes were written. */
struct model {
	unsigned char data[FILE_SIZE];
	bool written[FILE_SIZE];
};

static void model_write(struct model *model, size_t offset, const void *data, size_t size)
{
	memcpy(model->data + offset, data, size);
	memset(model->written + offset, true, size);
}

/* Ranges are in order, apart from each other, and count their bytes. */
static void check_shape(const struct write_buffer *buffer)
{
	size_t bytes = 0;

	for (size_t i = 0; i < buffer->count; i++) {
		const struct write_range *range = &buffer->ranges[i];

		assert_true(range->size > 0);
		assert_true(range->size <= range->capacity);
		if (i > 0)
			assert_true(range[-1].offset + range[-1].size < range->offset);
		bytes += range->size;
	}
	assert_int_equal(bytes, buffer->bytes);
}

static void check_range(
	const struct write_buffer *buffer, const struct model *model, size_t offset, size_t size)
{
	unsigned char buf[FILE_SIZE];

	memset(buf, 0xee, sizeof(buf));
	write_buffer_read(buffer, offset, buf, size);
	for (size_t i = 0; i < FILE_SIZE; i++) {
		bool expect = i < size && model->written[offset + i];

		assert_int_equal(buf[i], expect ? model->data[offset + i] : 0xee);
	}
}

/* The next range behind an offset is what the array has written. */
static void check_next(const struct write_buffer *buffer, const struct model *model, size_t offset)
{
	size_t at = offset;
	uint64_t begin, end;
	bool found = write_buffer_next(buffer, offset, &begin, &end);

	while (at < FILE_SIZE && !model->written[at])
		at++;
	assert_int_equal(found, at < FILE_SIZE);
	if (!found)
		return;
	assert_int_equal(begin > offset ? begin : offset, at);
	while (at < FILE_SIZE && model->written[at])
		at++;
	assert_int_equal(end, at);
}

static void random_step(struct rng *rng, struct write_buffer *buffer, struct model *model)
{
	size_t offset = rng_below(rng, FILE_SIZE);
	size_t size = rng_below(rng, rng_below(rng, 8) ? 64 : FILE_SIZE - offset + 1);
	unsigned char data[FILE_SIZE];

	if (offset + size > FILE_SIZE)
		size = FILE_SIZE - offset;
	if (rng_below(rng, 16) == 0) {
		write_buffer_truncate(buffer, offset);
		memset(model->written + offset, false, FILE_SIZE - offset);
		return;
	}
	if (rng_below(rng, 8) == 0 && size > 0) {
		assert_int_equal(write_buffer_punch(buffer, offset, size), 0);
		memset(model->written + offset, false, size);
		return;
	}
	for (size_t i = 0; i < size; i++)
		data[i] = (unsigned char)rng_next(rng);
	assert_int_equal(write_buffer_write(buffer, offset, data, size), 0);
	model_write(model, offset, data, size);
}

/* Any writes, truncations and punches read back as from an array. */
static void test_random(void **state)
{
	struct rng rng = rng_seed("gather");

	(void)state;
	for (int round = 0; round < 50; round++) {
		struct write_buffer buffer = {0};
		struct model model = {0};

		for (int step = 0; step < 200; step++) {
			size_t offset = rng_below(&rng, FILE_SIZE);

			random_step(&rng, &buffer, &model);
			check_shape(&buffer);
			check_next(&buffer, &model, offset);
			check_range(&buffer, &model, 0, FILE_SIZE);
			check_range(
				&buffer, &model, offset, rng_below(&rng, FILE_SIZE - offset + 1));
		}
		write_buffer_clear(&buffer);
	}
}

/* Writing from front to back is one range. */
static void test_append(void **state)
{
	struct write_buffer buffer = {0};

	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(write_buffer_write(&buffer, i * 10, "0123456789", 10), 0);
	assert_int_equal(buffer.count, 1);
	assert_int_equal(write_buffer_end(&buffer), 10000);
	assert_false(write_buffer_is_full(&buffer));
	write_buffer_clear(&buffer);
}

/* It is full by bytes, or by ranges that are many and small. */
static void test_full(void **state)
{
	static const char data[WRITE_BUFFER_BYTES_MAX + 1];
	struct write_buffer buffer = {0};

	(void)state;
	assert_int_equal(write_buffer_write(&buffer, 5, data, WRITE_BUFFER_BYTES_MAX), 0);
	assert_false(write_buffer_is_full(&buffer));
	assert_int_equal(write_buffer_write(&buffer, 4, data, 1), 0);
	assert_true(write_buffer_is_full(&buffer));
	write_buffer_clear(&buffer);
	for (uint64_t i = 0; i < WRITE_BUFFER_RANGES_MAX + 1; i++) {
		assert_false(write_buffer_is_full(&buffer));
		assert_int_equal(
			write_buffer_write(&buffer, (UINT64_C(1) << 62) + i * 2, data, 1), 0);
	}
	assert_true(write_buffer_is_full(&buffer));
	write_buffer_clear(&buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
