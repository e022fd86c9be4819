/* Keys and names that are hard to tell apart: random, and made of what the rules of names.h look
 * at. */
#ifndef TESTS_WEIRD_H
#define TESTS_WEIRD_H

#include "fs/names/names.h"
#include "rng.h"

#include <string.h>

/* Text that is made of what the rules look at, so that rules meet. */
static const char *const weird_texts[] = {"%", "25", "00", "2E", "2F", "0A", "+", "%+", "%value",
	"value", "%empty", "empty", ".", "/", "/", "%00", "%2500", "%25", "2", "5", "0", "E", "y",
	":", "\n", "%2E", ".snapshots", "snapshots"};

#define WEIRD_TEXTS (sizeof(weird_texts) / sizeof(weird_texts[0]))

/* Random bytes, at most limit: any, adversarial, or repeated so that pieces come about. */
static inline size_t weird_bytes(struct rng *rng, char *bytes, size_t limit)
{
	size_t size = 0, count = rng_below(rng, 12);
	bool wild = rng_below(rng, 4) == 0;

	for (size_t i = 0; i < count; i++) {
		const char *text = weird_texts[rng_below(rng, WEIRD_TEXTS)];
		size_t times = rng_below(rng, 5) ? 1 : rng_below(rng, 300);
		size_t length = strlen(text);

		if (rng_below(rng, 6) == 0) {
			text = rng_below(rng, 2) ? "" : "x"; /* NUL, or plain */
			length = 1;
		}
		for (size_t t = 0; t < times && size + length <= limit; t++, size += length)
			memcpy(bytes + size, text, length);
		if (wild && size < limit)
			bytes[size++] = (char)rng_next(rng);
	}
	return size;
}

/* One name for a random path; names and pieces of every length near the limits. */
static inline size_t weird_name(struct rng *rng, char *name)
{
	size_t size = weird_bytes(rng, name, NAMES_MAX);

	for (size_t i = 0; i < size; i++) {
		if (name[i] == '\0' || name[i] == '/')
			name[i] = 'z';
	}
	if (rng_below(rng, 3) == 0) {
		while (size < 248 + rng_below(rng, 8))
			name[size++] = "x%25+"[rng_below(rng, 5)];
		if (size > 253)
			size = 253;
		if (rng_below(rng, 2)) {
			memcpy(name + size, "%+", 2);
			size += 2;
		}
	}
	if (size == 0)
		name[size++] = 'e';
	name[size] = '\0';
	return size;
}

#endif
