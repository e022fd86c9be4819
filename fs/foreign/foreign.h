/* Foreign commits: what other processes change in the store, for a caller that keeps what the file
 * system said before (the kernel's cache). This folder finds out what that caller has to drop.
 *
 * In reading order: foreign.h says what is to be told, doubts.h what a comparison does not say,
 * contested.h which files others change again and again, bare_names.h which names matter that no node stands for, invalidate.h turns differing keys into notices,
 * path_internal.h follows their paths, notices.h collects notices, tell_nodes.h tells of nodes without a comparison.
 *
 *     commits    1   2   3   4*  5   6   7*  8*         * made by this file system
 *                    told                    now
 *                     └──────── compared ────┘
 *
 * The read transaction `told` stands at a commit up to which the caller knows all. The caller knows
 * what this file system does itself: an own commit right behind `told` moves it (kt_commit_to()).
 * A foreign commit leaves it behind. fs_invalidate() then takes the last commit, compares, and
 * `told` stands there. While it is behind, each node that is answered for, changed or moved, and
 * each name, is in doubt, and told in any case.
 *
 * All of that has a budget: two commits are pinned at most, each for FOREIGN_PIN_MS at most, and
 * none while the caller is told; notices and doubts have so much room. What needs more is not
 * compared: all nodes that are known, and all names, are told. A comparison that fails ends so, too.
 *
 * One own change is unknown to the caller: an open file keeps its place in memory when other
 * processes delete all other keys of its directory, and with them the directory. When the file is
 * published, or something else is put there, the directory is back: it was *revived*.
 */
#ifndef FS_FOREIGN_FOREIGN_H
#define FS_FOREIGN_FOREIGN_H

#include "fs/foreign/contested.h"
#include "fs/foreign/doubts.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct foreign_revived;
struct fs;
struct inode;
struct kt_txn;
struct bare_names;
struct place;

/** Longest time for which a commit is pinned to be compared. */
#define FOREIGN_PIN_MS 250

struct foreign {
	bool watched;		    /* somebody asked for invalidations */
	struct kt_txn *told;	    /* NULL: all is to be told */
	int64_t told_ms;	    /* since when it has been pinned, or was found to be the last */
	uint64_t noticed;	    /* the last commit that was looked at (conflict.h) */
	bool behind;		    /* `told` is not at that commit: others have committed */
	bool telling;		    /* by fs_invalidate() */
	struct doubts doubts;	    /* since `told` */
	struct contested contested; /* keys of files that others have changed lately */
	struct bare_names *bare;    /* names that were asked for, and that no node stands for */
	struct foreign_revived *revived; /* directories, to be told */
	uint64_t done;			 /* the last commit up to which all was told */
	atomic_bool stop;		 /* nothing is to be told any more */
	int wake_fd;			 /* eventfd: there is something that no commit announces */
};

/** A change or an answer begins. The caller has the lock.
 *  @param txn     a transaction that sees the commit
 *  @param commit  the last one
 *  @return 0; -ENOMEM */
int foreign_notice(struct fs *fs, struct kt_txn *txn, uint64_t commit);

/** Commit an own change. The caller has the lock.
 *  @param txn  a write transaction that foreign_notice() was called with; taken
 *  @return as kt_commit() */
int foreign_commit(struct fs *fs, struct kt_txn *txn);

/** Was all that a transaction shows told? The caller has the lock.
 *  @param txn  a read transaction of the last commit, or of a snapshot; borrowed */
bool foreign_is_told(const struct fs *fs, const struct kt_txn *txn);

/** Is there something to be told? Then a node may not be known yet by what others made of its key.
 *  The caller has the lock. */
bool foreign_is_pending(const struct fs *fs);

/** A request is answered with what is known of a node, or changes it. The caller has the lock. */
void foreign_shown(struct fs *fs, struct inode *node);

/** A request is answered with what a name means, and no node may stand for it: it is one of a file
 *  that has several. The caller has the lock. */
void foreign_name_shown(struct fs *fs, const struct place *place);

/** A name means nothing. The caller has the lock. */
void foreign_name_missing(struct fs *fs, uint64_t directory, const char *name);

/** We are about to move a node, with all that is in it. The caller has the lock.
 *  @param node  NULL: nothing is known of what moves
 *  @param to    where it goes */
void foreign_moving(struct fs *fs, struct inode *node, const struct place *to);

/** We are about to take the key from a node, or its place for its entry. The caller has the lock. */
void foreign_leaving(struct fs *fs, struct inode *node);

/** We are about to put something in a directory. If others have taken that away, or one above, it
 * is there again then, and who was told that it is gone is to be told. The caller has the lock.
 *  @return 0; -ENOMEM */
int foreign_reviving(struct fs *fs, const struct inode *directory);

/** Free all. */
void foreign_fini(struct foreign *foreign);

#endif
