/* Bytes that a text cannot hold, written as %XX inside it. See escape.h for the rule.
 *
 * The text that reads like a code is a run, "%" and any number of "25", and then the two digits of
 * a code of the set. A run begins at a "%" and holds no other one, so runs never overlap and one
 * look from left to right finds them all.
 */
#include "fs/names/escape.h"

#include <assert.h>
#include <string.h>

enum { ESCAPE_NO_RUN = 2 };

static char hex_digit(unsigned value)
{
	return "0123456789ABCDEF"[value & 15];
}

static bool is_in_set(struct escape_set set, unsigned char byte)
{
	for (size_t i = 0; i < set.count; i++) {
		if (set.bytes[i] == byte)
			return true;
	}
	return false;
}

/* The byte of the set whose code has these digits, or -1. */
static int code_find(struct escape_set set, char high, char low)
{
	for (size_t i = 0; i < set.count; i++) {
		unsigned char byte = set.bytes[i];

		if (high == hex_digit(byte >> 4u) && low == hex_digit(byte))
			return byte;
	}
	return -1;
}

void escape_init(struct escape *escape, struct escape_set set, char *text, size_t capacity)
{
	assert(!is_in_set(set, '%'));
	*escape = (struct escape){
		.set = set, .text = text, .capacity = capacity, .stage = ESCAPE_NO_RUN};
}

static bool add_code(struct escape *escape, unsigned char byte)
{
	if (escape->capacity - escape->size < 3)
		return false;
	escape->text[escape->size++] = '%';
	escape->text[escape->size++] = hex_digit(byte >> 4u);
	escape->text[escape->size++] = hex_digit(byte);
	escape->stage = ESCAPE_NO_RUN;
	return true;
}

/* The byte completes text that reads like a code: put a "25" after the "%" of its run. */
static bool add_last_digit(struct escape *escape, unsigned char byte)
{
	char *behind = escape->text + escape->run + 1;
	size_t tail = escape->size - escape->run - 1;

	if (escape->capacity - escape->size < 3)
		return false;
	assert(escape->text[escape->run] == '%');
	memmove(behind + 2, behind, tail);
	memcpy(behind, "25", 2);
	escape->size += 2;
	escape->text[escape->size++] = (char)byte;
	escape->stage = ESCAPE_NO_RUN;
	return true;
}

/* Follow a byte that was added: does it begin, continue or end a run? */
static void follow_run(struct escape *escape, unsigned char byte)
{
	if (byte == '%') {
		escape->run = escape->size;
		escape->stage = 0;
	} else if (escape->stage == 0) {
		escape->digit = (char)byte;
		escape->stage = 1;
	} else if (escape->stage == 1) {
		escape->stage = escape->digit == '2' && byte == '5' ? 0 : ESCAPE_NO_RUN;
	}
}

bool escape_add(struct escape *escape, unsigned char byte)
{
	if (is_in_set(escape->set, byte))
		return add_code(escape, byte);
	if (escape->stage == 1 && code_find(escape->set, escape->digit, (char)byte) >= 0)
		return add_last_digit(escape, byte);
	if (escape->size == escape->capacity)
		return false;
	follow_run(escape, byte);
	escape->text[escape->size++] = (char)byte;
	return true;
}

size_t escape_decode(struct escape_set set, const char *text, size_t size, void *ret_bytes)
{
	unsigned char *bytes = ret_bytes;
	size_t used = 0;

	for (size_t i = 0; i < size;) {
		size_t end = i + 1; /* of the run that begins at i, without its first "25" */
		int byte = -1;

		if (text[i] == '%') {
			while (size - end >= 2 && memcmp(text + end, "25", 2) == 0)
				end += 2;
			if (size - end >= 2)
				byte = code_find(set, text[end], text[end + 1]);
		}
		if (byte >= 0 && end == i + 1) {
			bytes[used++] = (unsigned char)byte;
			i += 3;
			continue;
		}
		if (byte >= 0)
			end -= 2;
		memmove(bytes + used, text + i, end - i);
		used += end - i;
		i = byte >= 0 ? end + 2 : end;
	}
	return used;
}
