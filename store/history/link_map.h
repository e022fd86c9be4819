/* Entries that keys share, on their way to where they get new ids: which key has got the entry
 * first, for the others to be linked to. */
#ifndef STORE_HISTORY_LINK_MAP_H
#define STORE_HISTORY_LINK_MAP_H

#include <stddef.h>
#include <stdint.h>

struct link_map {
	struct link_map_entry *list; /* by id */
	size_t count, room;
};

struct link_map_entry {
	uint64_t shared; /* id that the entry had */
	size_t size;
	uint8_t *key;
};

void link_map_fini(struct link_map *links);

/** Find the first key of an entry. @return NULL there has been none */
const struct link_map_entry *link_map_find(const struct link_map *links, uint64_t shared);

/** Remember a key as the first one of an entry.
 *  @param key  copied
 *  @return 0; -ENOMEM */
int link_map_add(struct link_map *links, uint64_t shared, const void *key, size_t key_size);

#endif
