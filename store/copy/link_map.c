#include "store/copy/link_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void firsts_fini(struct firsts *firsts)
{
	for (size_t i = 0; i < firsts->count; i++)
		free(firsts->list[i].key);
	free(firsts->list);
}

/* Index of an id, or where it belongs. */
static size_t find(const struct firsts *firsts, uint64_t shared)
{
	size_t low = 0, high = firsts->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (firsts->list[middle].shared < shared)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct first *firsts_find(const struct firsts *firsts, uint64_t shared)
{
	size_t at = find(firsts, shared);

	return at < firsts->count && firsts->list[at].shared == shared ? &firsts->list[at] : NULL;
}

int firsts_add(struct firsts *firsts, uint64_t shared, const void *key, size_t key_size)
{
	struct first first = {shared, key_size, malloc(key_size + 1)};
	size_t at = find(firsts, shared);

	if (first.key == NULL)
		return -ENOMEM;
	if (firsts->count == firsts->room) {
		size_t room = firsts->room > 0 ? 2 * firsts->room : 16;
		struct first *more = realloc(firsts->list, room * sizeof(*more));

		if (more == NULL) {
			free(first.key);
			return -ENOMEM;
		}
		firsts->list = more;
		firsts->room = room;
	}
	if (key_size > 0)
		memcpy(first.key, key, key_size);
	memmove(firsts->list + at + 1, firsts->list + at, (firsts->count - at) * sizeof(first));
	firsts->list[at] = first;
	firsts->count++;
	return 0;
}
