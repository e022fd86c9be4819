/* The way that an open directory has been listed: the position behind each entry, so that a
 * listing can go on from any of them (seekdir), whatever has come and gone before it.
 *
 *     offset    1000   1001   1002  ...
 *     steps     [key]  [key]  [key]         oldest ones are forgotten
 */
#ifndef FS_TREE_TRAIL_H
#define FS_TREE_TRAIL_H

#include "fs/tree/position.h"

/** So many steps are remembered. */
#define TRAIL_MAX 65536

struct trail_step;

/** Zeroed: no steps yet. */
struct trail {
	struct trail_step **steps; /* in order of their offsets */
	size_t count, capacity;
};

/** Remember a position. Without memory it is not, and nothing else is wrong.
 *  @param offset  larger than all before; else the way has begun anew from there */
void trail_add(struct trail *trail, off_t offset, const struct position *position);

/** @return false: it is not remembered */
bool trail_find(const struct trail *trail, off_t offset, struct position *ret_position);

void trail_fini(struct trail *trail);

#endif
