/* What a comparison does not say. See doubts.h. */
#include "fs/foreign/doubts.h"

#include "fs/tree/inode.h"

#include <stdlib.h>
#include <string.h>

/* Room for one more of an array that grows by doubling. @return false: there is none */
static bool doubts_room(void **array, size_t size, size_t count)
{
	void *grown;

	if (count == DOUBTS_MAX)
		return false;
	if (count != 0 && (count < 16 || (count & (count - 1)) != 0))
		return true;
	grown = realloc(*array, (count < 16 ? 16 : 2 * count) * size);
	if (grown == NULL)
		return false;
	*array = grown;
	return true;
}

bool doubts_add(struct doubts *doubts, struct inode *node, enum doubt what)
{
	if (node->doubt == DOUBT_NONE) {
		if (!doubts_room((void **)&doubts->nodes, sizeof(doubts->nodes[0]), doubts->count))
			return false;
		doubts->nodes[doubts->count++] = node->number;
	}
	if (what > node->doubt)
		node->doubt = (unsigned char)what;
	doubts->below = doubts->below || what == DOUBT_BELOW;
	return true;
}

bool doubts_add_name(struct doubts *doubts, uint64_t directory, const char *name)
{
	struct doubt_name added = {.directory = directory};

	if (!doubts_room((void **)&doubts->names, sizeof(doubts->names[0]), doubts->name_count))
		return false;
	added.name = strdup(name);
	if (added.name == NULL)
		return false;
	doubts->names[doubts->name_count++] = added;
	return true;
}

bool doubts_any(const struct doubts *doubts)
{
	return doubts->count > 0 || doubts->name_count > 0;
}

void doubts_take(struct doubts *doubts, struct inodes *nodes, struct doubts *ret_taken)
{
	for (size_t i = 0; i < doubts->count; i++) {
		struct inode *node = inodes_by_number(nodes, doubts->nodes[i]);

		if (node == NULL)
			continue;
		node->doubt_taken = node->doubt;
		node->doubt = DOUBT_NONE;
	}
	*ret_taken = *doubts;
	*doubts = (struct doubts){0};
}

void doubts_end(struct doubts *taken, struct inodes *nodes)
{
	for (size_t i = 0; i < taken->count; i++) {
		struct inode *node = inodes_by_number(nodes, taken->nodes[i]);

		if (node != NULL)
			node->doubt_taken = DOUBT_NONE;
	}
	doubts_fini(taken);
}

bool doubts_has(const struct inode *node)
{
	if (node->doubt_taken != DOUBT_NONE)
		return true;
	for (; node != NULL; node = node->parent) {
		if (node->doubt_taken == DOUBT_BELOW)
			return true;
	}
	return false;
}

void doubts_fini(struct doubts *doubts)
{
	for (size_t i = 0; i < doubts->name_count; i++)
		free(doubts->names[i].name);
	free(doubts->names);
	free(doubts->nodes);
	*doubts = (struct doubts){0};
}
