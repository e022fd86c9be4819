/* The way from the root of a tree to a cell. */
#ifndef STORE_TREE_PATH_H
#define STORE_TREE_PATH_H

#include "store/format.h"

#include <stdint.h>

/** level[0] is the leaf. */
struct path {
	unsigned depth; /* 0: the tree is empty */
	struct {
		uint64_t ref;
		const uint8_t *node;
		unsigned index; /* leaf: of the cell, 0 to count; branch: of the child */
	} level[DEPTH_MAX];
};

#endif
