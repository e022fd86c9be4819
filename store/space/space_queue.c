#include "store/space/space_queue.h"

#include "store/format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void space_queue_init(struct space_queue *queue)
{
	*queue = (struct space_queue){0};
	queue->end = &queue->first;
}

void space_queue_fini(struct space_queue *queue)
{
	chunk_free(queue->first);
	space_queue_init(queue);
}

int chunk_compare(struct chunk_key one, struct chunk_key two)
{
	if (one.txn != two.txn)
		return one.txn < two.txn ? -1 : 1;
	if (one.index != two.index)
		return one.index < two.index ? -1 : 1;
	return 0;
}

int chunk_new(struct chunk_key key, uint64_t seq, size_t count, struct chunk **ret_chunk)
{
	struct chunk *chunk = malloc(sizeof(*chunk) + count * sizeof(chunk->runs[0]));

	if (chunk == NULL)
		return -ENOMEM;
	*chunk = (struct chunk){.key = key, .seq = seq, .count = count};
	*ret_chunk = chunk;
	return 0;
}

void chunk_free(struct chunk *first)
{
	while (first != NULL) {
		struct chunk *next = first->next;

		free(first);
		first = next;
	}
}

int chunk_cut(const struct run_list *runs, uint64_t txn, uint64_t seq, struct chunk **ret_first)
{
	struct chunk *first = NULL;
	struct chunk **end = &first;
	size_t done = 0;

	for (uint64_t index = 0; done < runs->count; index++, end = &(*end)->next) {
		size_t count = runs->count - done < LOG_CHUNK ? runs->count - done : LOG_CHUNK;

		if (chunk_new((struct chunk_key){txn, index}, seq, count, end) < 0) {
			chunk_free(first);
			return -ENOMEM;
		}
		memcpy((*end)->runs, &runs->at[done], count * sizeof(runs->at[0]));
		done += count;
	}
	*ret_first = first;
	return 0;
}

void space_queue_push(struct space_queue *queue, struct chunk *first)
{
	*queue->end = first;
	while (*queue->end != NULL)
		queue->end = &(*queue->end)->next;
}

struct chunk *space_queue_pop(struct space_queue *queue)
{
	struct chunk *chunk = queue->first;

	queue->first = chunk->next;
	if (queue->first == NULL)
		queue->end = &queue->first;
	if (queue->carry == chunk)
		queue->carry = chunk->next;
	if (queue->hint == chunk)
		queue->hint = NULL;
	queue->drained = chunk->key;
	chunk->next = NULL;
	return chunk;
}

bool space_queue_find(struct space_queue *queue, struct chunk_key key, struct chunk ***ret_link)
{
	struct chunk **link = &queue->first;

	if (queue->hint != NULL && chunk_compare(queue->hint->key, key) < 0)
		link = &queue->hint->next;
	while (*link != NULL && chunk_compare((*link)->key, key) < 0) {
		queue->hint = *link;
		link = &(*link)->next;
	}
	*ret_link = link;
	return *link != NULL && chunk_compare((*link)->key, key) == 0;
}

void space_queue_insert(struct space_queue *queue, struct chunk **link, struct chunk *chunk)
{
	chunk->next = *link;
	*link = chunk;
	if (chunk->next == NULL)
		queue->end = &chunk->next;
}
