/* A key, and what kind of thing lies at it. */
#ifndef FS_NAMES_KEY_H
#define FS_NAMES_KEY_H

#include "keytree.h"

#include <stddef.h>

enum inode_kind {
	INODE_FILE,  /* an entry: the key that its place gives */
	INODE_DIR,   /* a directory: the keys that begin with its place and a separator */
	INODE_PIECE, /* a directory that is a piece of a long component (names.h) */
};

/** Bytes of one key of either tree. */
struct key {
	size_t size;
	unsigned char bytes[KT_KEY_MAX];
};

#endif
