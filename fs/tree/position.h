/* Where a listing of a directory goes on: by key, so that it needs nothing of the store meanwhile,
 * and that what comes and goes elsewhere in the directory does not move it.
 *
 * A caller knows a position by an offset, which counts the names before it. An open directory
 * remembers the last one; those of directories that were closed in between are kept in a small
 * ring, for callers that open a directory anew for each part of a listing.
 */
#ifndef FS_TREE_POSITION_H
#define FS_TREE_POSITION_H

#include "keytree.h"
#include "fs/names/names.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/** Pieces that begin alike can be told apart by one or two bytes at most (names.h). */
#define POSITION_PIECES_MAX 3

struct position_piece {
	size_t size;
	unsigned char bytes[NAMES_PIECE_MAX];
};

struct position {
	size_t size; /* go on at the keys of the directory that are this or behind it */
	unsigned char bytes[KT_KEY_MAX + 1];
	unsigned piece_count; /* pieces that were listed, and that keys from there may be in */
	struct position_piece pieces[POSITION_PIECES_MAX];
};

#define POSITIONS_MAX 16

struct positions {
	struct {
		uint64_t node; /* 0: none */
		off_t offset;
		struct position position;
	} kept[POSITIONS_MAX];
	unsigned next; /* the one to be overwritten */
};

/** Copy a position, and no more bytes than it has. */
void position_copy(struct position *to, const struct position *from);

/** Go on behind the file whose name stands for these bytes. The pieces stay. */
void position_set_behind(struct position *position, const void *bytes, size_t size);

/** Keep a position of a directory. */
void positions_put(
	struct positions *positions, uint64_t node, off_t offset, const struct position *position);

/** Find the position of an offset. @return false: it is not known any more */
bool positions_get(const struct positions *positions, uint64_t node, off_t offset,
	struct position *ret_position);

#endif
