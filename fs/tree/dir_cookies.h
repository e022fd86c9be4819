/* Offsets of directory listings. An offset names a position between two children (position.h), for
 * every reader and for as long as anybody may use it: the kernel keeps listings, drops them while
 * a program reads one, and then asks for the rest by an offset that some earlier reader was given.
 *
 *     list, by key    [a 4] -> [c 5] -> [b 8 gone] -> [d 6] -> ...     one cookie for each child
 *     offsets          4: a   5: c   6: d   7: like 5   8: c ...        from number to cookie
 *
 * All readers of a directory share its cookies. A reader whose listing stands at one cookie finds
 * that of the next child in the link, so giving out known offsets costs no search and no memory,
 * however many readers there are.
 *
 * A listing that passes a cookie and does not meet its child knows that the child is gone. The
 * cookie is freed then, and its offset becomes an alias of the cookie before it. That is exact for
 * all children that stay: those before the freed cookie are not behind the one before it either.
 * Only a child that was removed and made again can be listed twice, or not at all. Aliases take 8
 * bytes each; a whole block of offsets with one meaning takes no more than that.
 *
 * The cookies belong to the node of the directory and are freed with it: when the kernel has
 * forgotten the node, nobody has an offset of it. fs->lock is held throughout.
 */
#ifndef FS_TREE_DIR_COOKIES_H
#define FS_TREE_DIR_COOKIES_H

#include "fs/tree/position.h"

#include <stdint.h>
#include <sys/types.h>

/** The first offset behind a child. Smaller ones belong to names that every directory has. */
#define DIR_COOKIES_FIRST 4

struct dir_cookie;
struct dir_cookies;

/** An empty table. @return NULL: out of memory */
struct dir_cookies *dir_cookies_new(void);

/** NULL is allowed. */
void dir_cookies_free(struct dir_cookies *cookies);

/** Find where a listing goes on.
 *  @param offset        that dir_cookies_next() gave; another one is taken for the begin of the
 *                       directory, so that no child is missed
 *  @param ret_at        the cookie there, for dir_cookies_next(); NULL: the begin
 *  @param ret_position  behind which child to go on */
void dir_cookies_seek(struct dir_cookies *cookies, off_t offset, struct dir_cookie **ret_at,
	struct position *ret_position);

/** Get the offset behind the next child of a listing.
 *  @param at        the cookie of the child before, or NULL; changed to that of this child
 *  @param position  behind this child; all between the two was listed
 *  @return 0; -ENOMEM */
int dir_cookies_next(struct dir_cookies *cookies, struct dir_cookie **at,
	const struct position *position, off_t *ret_offset);

/** The listing has met the end of the directory behind a cookie, or NULL. */
void dir_cookies_end(struct dir_cookies *cookies, struct dir_cookie *at);

/** Number of children that have a cookie; and bytes taken, about. For tests. */
size_t dir_cookies_count(const struct dir_cookies *cookies);
size_t dir_cookies_bytes(const struct dir_cookies *cookies);

#endif
