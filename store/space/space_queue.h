/* Pending pages in the order in which they were freed, in chunks of bounded size. */
#ifndef STORE_SPACE_SPACE_QUEUE_H
#define STORE_SPACE_SPACE_QUEUE_H

#include "store/space/run_list.h"

#include <stdbool.h>
#include <stdint.h>

/** Position of a chunk: the transaction that freed its pages, and which chunk of it this is. */
struct chunk_key {
	uint64_t txn;
	uint64_t index;
};

struct chunk {
	struct chunk *next;
	struct chunk_key key;
	uint64_t seq; /* of the log page in which the newest record with it begins */
	size_t count;
	struct run runs[]; /* ascending */
};

struct space_queue {
	struct chunk *first;
	struct chunk **end;	  /* the last chunk's next, or first */
	struct chunk *carry;	  /* next one that the sweep logs again; NULL: none is left */
	struct chunk *hint;	  /* where space_queue_find() came to */
	struct chunk_key drained; /* chunks up to this one became free */
	struct chunk_key logged;  /* the same, as the last record says */
};

/** Make an empty queue. */
void space_queue_init(struct space_queue *queue);

/** Free the memory. */
void space_queue_fini(struct space_queue *queue);

/** Is one position before another (then negative), the same (0), or behind it? */
int chunk_compare(struct chunk_key one, struct chunk_key two);

/** Cut a list of runs into chunks.
 *  @param runs       borrowed
 *  @param txn        the transaction that freed them
 *  @param seq        of the log page in which its record begins
 *  @param ret_first  a list of chunks, NULL for no runs; free with chunk_free()
 *  @return 0; -ENOMEM */
int chunk_cut(const struct run_list *runs, uint64_t txn, uint64_t seq, struct chunk **ret_first);

/** Make a chunk without its runs. @return 0; -ENOMEM */
int chunk_new(struct chunk_key key, uint64_t seq, size_t count, struct chunk **ret_chunk);

/** Free a list of chunks. */
void chunk_free(struct chunk *first);

/** Append a list of chunks. @param first  taken; may be NULL */
void space_queue_push(struct space_queue *queue, struct chunk *first);

/** Remove the first chunk. @return it, to be freed with chunk_free() */
struct chunk *space_queue_pop(struct space_queue *queue);

/** Find a chunk, or the place where it belongs. Quick for ascending positions.
 *  @param ret_link  what points to it, or will
 *  @return is it there? */
bool space_queue_find(struct space_queue *queue, struct chunk_key key, struct chunk ***ret_link);

/** Put a chunk where space_queue_find() said. @param chunk  taken */
void space_queue_insert(struct space_queue *queue, struct chunk **link, struct chunk *chunk);

#endif
