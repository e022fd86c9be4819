/* A position between two children. See position.h. */
#include "fs/tree/position.h"

#include <assert.h>
#include <string.h>

void position_copy(struct position *to, const struct position *from)
{
	assert(from->size <= sizeof(to->bytes) && from->piece_count <= POSITION_PIECES_MAX);
	to->size = from->size;
	memcpy(to->bytes, from->bytes, from->size);
	to->piece_count = from->piece_count;
	for (unsigned i = 0; i < from->piece_count; i++)
		to->pieces[i] = from->pieces[i];
}

void position_set_behind(struct position *position, const void *bytes, size_t size)
{
	memcpy(position->bytes, bytes, size);
	position->bytes[size] = '\0';
	position->size = size + 1;
}
