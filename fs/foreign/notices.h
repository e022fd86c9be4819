/* Notices that are collected while a comparison pins its commits, and told when it does not any
 * more. They have so much room: what needs more is not worth being told one by one. A listing is
 * told once, so is the content of a file, and so are attributes, unless the listing is.
 */
#ifndef FS_FOREIGN_NOTICES_H
#define FS_FOREIGN_NOTICES_H

#include "fs/fs.h"

/** Most bytes that notices take. */
#define NOTICES_BYTES (size_t)(4 << 20)

struct notices_seen;

/** Zeroed: none. */
struct notices {
	unsigned char *bytes; /* one notice after the other, each with its name behind it */
	size_t used, room;
	struct notices_seen *seen; /* table of nodes that were told */
	bool full;
};

/** Add a notice. When there is no room, notices.full is set. */
void notices_add(struct notices *notices, const struct fs_invalidation *notice);

/** The notice at a place; names are valid until the next notices_add().
 *  @param at  0: the first; becomes the place of the next one
 *  @return false: there is none */
bool notices_next(const struct notices *notices, size_t *at, struct fs_invalidation *ret_notice);

void notices_fini(struct notices *notices);

#endif
