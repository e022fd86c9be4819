/* What others change in the store, for whoever keeps what the file system said before.
 *
 *     commits    1   2   3   4*  5   6   7*  8          * made by this file system
 *                └───────┘       └───┘       └── ...    compared
 *
 * Whoever is told knows all that the file system itself does, so what is compared is what lies
 * between two commits of its own. A read transaction, seen, stands at the last commit that is known
 * or waits to be told; each commit of our own moves it (kt_commit_to()), after what others
 * committed before was set aside as a span. The two ends of a span pin their pages until it has
 * been told, which takes as long as the comparison.
 *
 * What is told of a key concerns the nodes that it had then. So what we have moved since is told
 * under the key that it has now, too; and a node that has none any more, or is known by its entry
 * since, is told for itself. Since is by the numbers of commits: a key that somebody wrote anew
 * after we moved what had it before has not moved.
 *
 * A span ends, too, at each commit of others at which a request is answered (timepoint.h): what was
 * answered may be kept, also if it is not true any more, and as before, when it is told.
 *
 * One thing that we do ourselves is not known to whoever is told: a file that is open keeps its
 * place in memory when others delete all other keys of its directory, and with them the directory.
 * When it is saved, or something else is put there, the directory is back.
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
	struct kt_txn *seen;	    /* NULL: nobody wants to be told */
	struct foreign_span *first; /* to be told, in order */
	struct foreign_span **last; /* where the next one goes */
	bool invalidating;	    /* a span is being told */
	struct foreign_move *moves; /* of our own, since there is something to be told; in order */
	struct foreign_move *begun; /* of the change that has not been committed yet */
	struct foreign_left *left;  /* nodes that have left their keys since, to be told */
	struct foreign_revived *revived; /* directories, to be told */
	int wake_fd;			 /* eventfd: there are such */
};

/** Set aside what others have committed, at the begin of a change of our own. The caller has the
 * lock.
 *  @param txn  the change; borrowed
 *  @return 0; -ENOMEM */
int foreign_before(struct fs *fs, const struct kt_txn *txn);

/** Is all that a transaction shows known to whoever is told? The caller has the lock.
 *  @param txn  a read transaction of the last commit, or of a snapshot; borrowed */
bool foreign_is_told(const struct fs *fs, const struct kt_txn *txn);

/** Is all that a read transaction sees known, or waits to be told? The caller has the lock. */
bool foreign_is_noticed(const struct fs *fs, const struct kt_txn *txn);

/** Set aside what others have committed. The caller has the lock.
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
