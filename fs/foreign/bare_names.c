/* Names that no node stands for. See bare_names.h. */
#include "fs/foreign/bare_names.h"

#include <string.h>
#include <xxhash.h>

static size_t bare_names_bit(uint64_t directory, const char *name)
{
	uint64_t hash = XXH3_64bits_withSeed(name, strlen(name), directory);

	return (size_t)(hash % (BARE_NAMES_SIZE * 8));
}

void bare_names_add(struct bare_names *names, uint64_t directory, const char *name)
{
	size_t bit = bare_names_bit(directory, name);

	names->bits[bit / 8] |= (unsigned char)(1u << bit % 8);
}

bool bare_names_has(const struct bare_names *names, uint64_t directory, const char *name)
{
	size_t bit = bare_names_bit(directory, name);

	return names->bits[bit / 8] & 1u << bit % 8;
}
