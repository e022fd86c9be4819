/* The way through a directory. See trail.h. */
#include "fs/tree/trail.h"

#include <stdlib.h>
#include <string.h>

struct trail_step {
	off_t offset;
	size_t size;
	unsigned piece_count;
	unsigned char bytes[]; /* size of them, and then the pieces */
};

static struct trail_step *step_new(off_t offset, const struct position *position)
{
	size_t pieces = position->piece_count * sizeof(position->pieces[0]);
	struct trail_step *step = malloc(sizeof(*step) + position->size + pieces);

	if (step == NULL)
		return NULL;
	step->offset = offset;
	step->size = position->size;
	step->piece_count = position->piece_count;
	memcpy(step->bytes, position->bytes, position->size);
	memcpy(step->bytes + position->size, position->pieces, pieces);
	return step;
}

/* Index of the first step at or behind an offset. */
static size_t find_step(const struct trail *trail, off_t offset)
{
	size_t low = 0, high = trail->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (trail->steps[middle]->offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Forget the steps from one index up to another. */
static void forget(struct trail *trail, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		free(trail->steps[i]);
	if (to < trail->count)
		memmove(trail->steps + from, trail->steps + to,
			(trail->count - to) * sizeof(trail->steps[0]));
	trail->count -= to - from;
}

/* Make room for one step more. @return whether there is some */
static bool reserve(struct trail *trail)
{
	size_t capacity = trail->capacity ? 2 * trail->capacity : 64;
	struct trail_step **steps;

	if (trail->count < trail->capacity)
		return true;
	steps = realloc(trail->steps, capacity * sizeof(trail->steps[0]));
	if (steps == NULL)
		return false;
	trail->steps = steps;
	trail->capacity = capacity;
	return true;
}

void trail_add(struct trail *trail, off_t offset, const struct position *position)
{
	struct trail_step *step;

	if (trail->count > 0 && trail->steps[trail->count - 1]->offset >= offset)
		forget(trail, find_step(trail, offset), trail->count);
	if (trail->count == TRAIL_MAX)
		forget(trail, 0, TRAIL_MAX / 2);
	if (!reserve(trail))
		return;
	step = step_new(offset, position);
	if (step != NULL)
		trail->steps[trail->count++] = step;
}

bool trail_find(const struct trail *trail, off_t offset, struct position *ret_position)
{
	size_t index = find_step(trail, offset);
	const struct trail_step *step;

	if (index == trail->count || trail->steps[index]->offset != offset)
		return false;
	step = trail->steps[index];
	ret_position->size = step->size;
	ret_position->piece_count = step->piece_count;
	memcpy(ret_position->bytes, step->bytes, step->size);
	memcpy(ret_position->pieces, step->bytes + step->size,
		step->piece_count * sizeof(ret_position->pieces[0]));
	return true;
}

void trail_fini(struct trail *trail)
{
	forget(trail, 0, trail->count);
	free(trail->steps);
	*trail = (struct trail){0};
}
