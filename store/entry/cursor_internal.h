/* Cursors: what cursor.c and cursor_walk.c share.
 *
 * When a cursor enters a leaf it finds the range of indexes [begin, end) that lies within its
 * bounds; a step inside that range then compares nothing. The cell is parsed and the key put
 * together when they are asked for, unless the transaction writes: then the key is kept, so that
 * the cursor can find its place again after a change.
 */
#ifndef STORE_ENTRY_CURSOR_INTERNAL_H
#define STORE_ENTRY_CURSOR_INTERNAL_H

#include "store/commit/txn.h"
#include "store/entry/entry.h"
#include "store/tree/node.h"
#include "store/tree/readahead.h"
#include "store/tree/tree.h"

/* Where a cursor stands. */
enum cursor_state {
	CURSOR_NOWHERE, /* not positioned yet */
	CURSOR_BEFORE,	/* before the first entry of the range */
	CURSOR_ON,
	CURSOR_AFTER, /* behind the last */
};

/* A bound of the range, or none. */
struct bound {
	uint8_t *key; /* NULL: none */
	size_t size;
};

struct kt_cursor {
	struct txn *txn;
	const struct format_tree *tree;
	const uint8_t *prefix; /* of a collection: callers leave it out of their keys */
	size_t prefix_size;
	struct bound from, to;
	enum cursor_state state;
	struct path path;
	struct readahead readahead;	  /* of the leaves that are to come */
	unsigned begin, end;		  /* indexes of the leaf that are in the range */
	bool fetched;			  /* all of the leaf is in the cache, or on its way there */
	const uint8_t *ahead, *ahead_end; /* of the next leaf: what is still to be fetched */
	unsigned ahead_lines;		  /* at each step; 0: nothing */
	uint64_t generation;		  /* of the transaction when the path was made */
	bool has_cell;			  /* cell is that of the path */
	struct cell cell;
	bool has_key;	   /* key is that of the path */
	bool is_transient; /* values and attributes go to the memory below */
	struct entry_memory value, attr;
	const uint8_t *prefix_of; /* node whose prefix key begins with, or NULL */
	size_t key_size;
	uint8_t key[KT_KEY_MAX];
};

/** Put the key of the cursor's cell together. */
int cursor_assemble_key(struct kt_cursor *cursor);

/** Have the key. After a change the node may be gone, but then the key is there. */
static inline int cursor_load_key(struct kt_cursor *cursor)
{
	return cursor->has_key ? 0 : cursor_assemble_key(cursor);
}

/** Has the transaction changed something since the cursor came here? */
static inline bool cursor_is_outdated(const struct kt_cursor *cursor)
{
	return cursor->generation != cursor->txn->generation;
}

/** Have the cell that the cursor stands on. @return 0; -ENOENT it stands on none, or it was deleted */
int cursor_current_cell(struct kt_cursor *cursor);

#endif
