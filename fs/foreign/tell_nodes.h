/* Telling of nodes without a comparison: all that are known, or those in doubt. */
#ifndef FS_FOREIGN_TELL_NODES_H
#define FS_FOREIGN_TELL_NODES_H

#include "fs/fs.h"

struct doubts;
struct place;

/** Tell that no name means what it did, and of all nodes. No lock is held. */
void tell_nodes_all(struct fs *fs, fs_invalidate_fn *invalidate, void *arg);

/** Tell of what was taken (doubts_take()). No lock is held. */
void tell_nodes_in_doubt(
	struct fs *fs, const struct doubts *taken, fs_invalidate_fn *invalidate, void *arg);

/** The name that a place has in its directory. The lock is held. */
void tell_nodes_name(const struct fs *fs, const struct place *place, char *ret_name);

#endif
