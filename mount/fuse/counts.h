/* What the kernel has asked of a mount, and what it was spared.
 *
 * All threads count, without waiting for each other. Who may see the numbers gets them as the value
 * of an extended attribute of the mount's root. That is answered here and not by the file system,
 * and not listed: so nothing that copies the tree takes it along.
 */
#ifndef MOUNT_FUSE_COUNTS_H
#define MOUNT_FUSE_COUNTS_H

#include <stdatomic.h>
#include <stddef.h>

/** The extended attribute. */
#define COUNTS_XATTR "user.keytree.counts"

/** One more of the root, for everybody: the commit up to which the kernel was told of what others
 * have changed, in decimal. Not of the mount of a snapshot, which nobody changes. */
#define COUNTS_TOLD_XATTR "user.keytree.told"

/** Room for its value. */
#define COUNTS_TEXT_SIZE 4096

/** The protocol's numbers of requests are less than this; 0, which is none, counts all others. */
#define COUNTS_REQUESTS 64

/** What the kernel was told of what others have changed; numbered as enum fs_invalidate_kind. */
#define COUNTS_TOLD 5

/** Of one mount. Zeroed: nothing was counted yet. */
struct counts {
	atomic_ullong requests[COUNTS_REQUESTS];
	atomic_ullong told[COUNTS_TOLD];
	atomic_ullong ahead;  /* opens whose value was sent with the answer */
	atomic_ullong sent;   /* values that were sent because others had been read */
	atomic_ullong unread; /* opens for reading only that have ended without a read */
};

/** Count one of something. */
static inline void counts_add(atomic_ullong *count)
{
	atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

/** Count a request. @param mem  as it was read, size bytes */
void counts_request(struct counts *counts, const void *mem, size_t size);

/** All numbers, on lines "GROUP KIND NUMBER".
 *  @return length of the text */
size_t counts_text(const struct counts *counts, char ret_text[COUNTS_TEXT_SIZE]);

#endif
