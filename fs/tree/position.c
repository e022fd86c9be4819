/* Where a listing of a directory goes on. See position.h. */
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

void positions_put(
	struct positions *positions, uint64_t node, off_t offset, const struct position *position)
{
	unsigned at = positions->next++ % POSITIONS_MAX;

	positions->kept[at].node = node;
	positions->kept[at].offset = offset;
	position_copy(&positions->kept[at].position, position);
}

bool positions_get(const struct positions *positions, uint64_t node, off_t offset,
	struct position *ret_position)
{
	for (unsigned i = 0; i < POSITIONS_MAX; i++) {
		unsigned at = (positions->next - 1 - i) % POSITIONS_MAX;

		if (positions->kept[at].node == node && positions->kept[at].offset == offset) {
			position_copy(ret_position, &positions->kept[at].position);
			return true;
		}
	}
	return false;
}
