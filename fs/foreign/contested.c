/* Contested keys. See contested.h. */
#include "fs/foreign/contested.h"

#include <xxhash.h>

void contested_add(struct contested *contested, const void *key, size_t size, int64_t now_ms)
{
	contested->changed_ms[XXH3_64bits(key, size) % CONTESTED_KEYS] = now_ms;
}

bool contested_has(const struct contested *contested, const void *key, size_t size, int64_t now_ms)
{
	int64_t changed_ms = contested->changed_ms[XXH3_64bits(key, size) % CONTESTED_KEYS];

	return changed_ms != 0 && now_ms - changed_ms < CONTESTED_MS;
}
