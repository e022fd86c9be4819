#include "store/history/link_map.h"
#include "store/util/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void link_map_fini(struct link_map *links)
{
	for (size_t i = 0; i < links->count; i++)
		free(links->list[i].key);
	free(links->list);
}

/* Index of an id, or where it belongs. */
static size_t link_map_index(const struct link_map *links, uint64_t shared)
{
	size_t low = 0, high = links->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (links->list[middle].shared < shared)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct link_map_entry *link_map_find(const struct link_map *links, uint64_t shared)
{
	size_t at = link_map_index(links, shared);

	return at < links->count && links->list[at].shared == shared ? &links->list[at] : NULL;
}

int link_map_add(struct link_map *links, uint64_t shared, const void *key, size_t key_size)
{
	struct link_map_entry first = {shared, key_size, malloc(key_size + 1)};
	size_t at = link_map_index(links, shared);

	if (first.key == NULL)
		return -ENOMEM;
	if (links->count == links->room) {
		void *more = array_grow(links->list, sizeof(*links->list), &links->room);

		if (more == NULL) {
			free(first.key);
			return -ENOMEM;
		}
		links->list = more;
	}
	if (key_size > 0)
		memcpy(first.key, key, key_size);
	memmove(links->list + at + 1, links->list + at, (links->count - at) * sizeof(first));
	links->list[at] = first;
	links->count++;
	return 0;
}
