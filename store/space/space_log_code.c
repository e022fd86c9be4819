#include "store/space/space_log_code.h"

#include "store/format.h"

#include <stdlib.h>
#include <string.h>

void encoder_fini(struct encoder *out)
{
	free(out->data);
	*out = (struct encoder){0};
}

/* Have room for so many bytes more. */
static bool reserve(struct encoder *out, size_t size)
{
	size_t capacity = out->capacity * 2 + size + 256;
	uint8_t *grown;

	if (out->failed || size <= out->capacity - out->size)
		return !out->failed;
	grown = realloc(out->data, capacity);
	if (grown == NULL) {
		out->failed = true;
		return false;
	}
	out->data = grown;
	out->capacity = capacity;
	return true;
}

void encode_bytes(struct encoder *out, const void *data, size_t size)
{
	if (size == 0 || !reserve(out, size))
		return;
	memcpy(out->data + out->size, data, size);
	out->size += size;
}

void encode_number(struct encoder *out, uint64_t number)
{
	if (!reserve(out, VARINT_MAX))
		return;
	for (; number >= 0x80; number >>= 7)
		out->data[out->size++] = (uint8_t)(number | 0x80);
	out->data[out->size++] = (uint8_t)number;
}

void encode_runs(struct encoder *out, const struct run *runs, size_t count)
{
	uint64_t position = 0;

	for (size_t i = 0; i < count; i++) {
		encode_number(out, runs[i].start - position);
		encode_number(out, runs[i].count);
		position = runs[i].start + runs[i].count;
	}
}

static uint64_t fail(struct decoder *in)
{
	in->size = 0;
	in->failed = true;
	return 0;
}

uint64_t decode_number(struct decoder *in)
{
	uint64_t number = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte;

		if (in->size == 0)
			return fail(in);
		byte = *in->at++;
		in->size--;
		number |= (uint64_t)(byte & 0x7f) << shift;
		if ((byte & 0x80) == 0)
			return number;
	}
	return fail(in);
}

const uint8_t *decode_bytes(struct decoder *in, size_t size)
{
	const uint8_t *at = in->at;

	if (size > in->size) {
		fail(in);
		return NULL;
	}
	in->at += size;
	in->size -= size;
	return at;
}

size_t decode_count(struct decoder *in)
{
	uint64_t count = decode_number(in);

	return count <= in->size / 2 ? (size_t)count : (size_t)fail(in);
}

struct run decode_run(struct decoder *in, uint64_t *position)
{
	uint64_t distance = decode_number(in);
	uint64_t count = decode_number(in);

	if (in->failed || count == 0 || count > PAGE_MAX || distance > PAGE_MAX ||
		*position > PAGE_MAX) {
		fail(in);
		return (struct run){0};
	}
	*position += distance + count;
	return (struct run){*position - count, count};
}
