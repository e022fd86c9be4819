/* A position between two children of a directory: where a listing goes on. It is a key, so it needs
 * nothing of the store meanwhile, and what comes and goes elsewhere in the directory does not move
 * it. Callers know a position by an offset (dir_cookies.h).
 */
#ifndef FS_TREE_POSITION_H
#define FS_TREE_POSITION_H

#include "keytree.h"
#include "fs/names/names.h"

#include <stdbool.h>
#include <stdint.h>

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

/** Copy a position, and no more bytes than it has. */
void position_copy(struct position *to, const struct position *from);

/** Go on behind the file whose name stands for these bytes. The pieces stay. */
void position_set_behind(struct position *position, const void *bytes, size_t size);

#endif
