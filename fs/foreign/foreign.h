/* Foreign commits: what other processes change in the store, for a caller that keeps what the file
 * system said before (the kernel's cache). This folder finds out what that caller has to drop:
 * foreign.h collects the commits to be compared, invalidate.h turns differing keys into
 * invalidations.
 *
 *     commits    1   2   3   4*  5   6   7*  8          * made by this file system
 *                └───────┘       └───┘       └── ...    compared
 *
 * The caller knows all that this file system does itself, so only the commits between two of its
 * own are compared. The read transaction `seen` stands at the last commit that is known or waits to
 * be invalidated. Each own commit moves it (kt_commit_to()), after the foreign commits before were
 * set aside as a *span*. The two ends of a span pin their pages until the span was compared.
 *
 * A key that differs concerns the nodes that it had at that commit. A key that this file system has
 * moved since is invalidated under its new key as well. A node that has no key any more, or that is
 * known by its entry since, is invalidated by itself. "Since" compares numbers of commits: a key
 * that another process wrote anew after the move has not moved.
 *
 * A span also ends at each foreign commit at which a request is answered (access/timepoint.h): the
 * answer may be cached, so changes after it are compared with just that commit.
 *
 * One own change is unknown to the caller: an open file keeps its place in memory when other
 * processes delete all other keys of its directory, and with them the directory. When the file is
 * published, or something else is put there, the directory is back: it was *revived*.
 */
#ifndef FS_FOREIGN_FOREIGN_H
#define FS_FOREIGN_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct foreign_left;
struct foreign_move;
struct foreign_revived;
struct foreign_span;
struct fs;
struct inode;
struct key;
struct kt_txn;

struct foreign {
	struct kt_txn *seen;	    /* NULL: nobody asked for invalidations */
	struct foreign_span *first; /* to be told, in order */
	struct foreign_span **last; /* where the next one goes */
	bool invalidating;	    /* a span is being told */
	struct foreign_move *moves; /* of our own, since there is something to be told; in order */
	struct foreign_move *begun; /* of the change that has not been committed yet */
	struct foreign_left *left;  /* nodes that have left their keys since, to be told */
	struct foreign_revived *revived; /* directories, to be told */
	int wake_fd;			 /* eventfd: there are such */
};

/** Set aside foreign commits, at the begin of an own change. The caller has the
 * lock.
 *  @param txn  the change; borrowed
 *  @return 0; -ENOMEM */
int foreign_before(struct fs *fs, const struct kt_txn *txn);

/** Was all that a transaction shows invalidated? The caller has the lock.
 *  @param txn  a read transaction of the last commit, or of a snapshot; borrowed */
bool foreign_is_told(const struct fs *fs, const struct kt_txn *txn);

/** Is all that a read transaction sees known, or set aside? The caller has the lock. */
bool foreign_is_noticed(const struct fs *fs, const struct kt_txn *txn);

/** Set aside foreign commits. The caller has the lock.
 *  @return 0; -ENOMEM */
int foreign_notice(struct fs *fs);

/** Is there something to be told? Then a node may not be known yet by what others made of its key.
 *  The caller has the lock. */
bool foreign_is_pending(const struct fs *fs);

/** We are about to move a key, or all that begin so if it ends in a separator. The caller has the
 * lock.
 *  @param swap  and those there come here
 *  @return 0; -ENOMEM */
int foreign_moving(struct fs *fs, const struct key *from, const struct key *to, bool swap);

/** The change in which keys were to move has ended. The caller has the lock.
 *  @param commit  its number; 0: it failed, and nothing has moved */
void foreign_ended(struct fs *fs, uint64_t commit);

/** We are about to take the key from a node, or its place for its entry. If that fails, more is
 * told than need be. The caller has the lock.
 *  @return 0; -ENOMEM */
int foreign_leaving(struct fs *fs, const struct inode *node);

/** We are about to put something in a directory. If others have taken that away, or one above, it
 * is there again then, and who was told that it is gone is to be told. The caller has the lock.
 *  @return 0; -ENOMEM */
int foreign_reviving(struct fs *fs, const struct inode *directory);

/** The key that a key of something to be told has by now. The caller has the lock.
 *  @param commit  the number of the commit at which it had that key
 *  @param key     changed
 *  @return how often it has moved */
size_t foreign_moved(const struct fs *fs, uint64_t commit, struct key *key);

/** Free all. */
void foreign_fini(struct foreign *foreign);

#endif
