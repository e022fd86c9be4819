/* Lookup: what is at a place, and what a name means, in the store and among dirty files.
 */
#ifndef FS_ACCESS_LOOKUP_H
#define FS_ACCESS_LOOKUP_H

#include "fs/names/names.h"
#include "fs/tree/inode.h"
#include "fs/meta/stat.h"

struct fs;

/** What a name in a directory means. */
struct target {
	struct names_part part;
	struct inode *directory; /* that the name is in */
	struct place place;	 /* its bytes are those of part */
};

/** A target, or a node, that exists. */
struct found {
	enum inode_kind kind;
	struct key key;	      /* of the entry; or of the directory's record, there or not */
	enum kt_tree_id tree; /* of an entry: KT_ENTRIES, or by its node perhaps KT_SHARED */
	bool recorded;	      /* of a directory: it has a record */
	bool unstored;	      /* of a file: all that is known is in memory, its content */
	struct known known;
};

/** Find a node by number. @return 0; -ESTALE there is none */
int lookup_node(const struct fs *fs, uint64_t number, struct inode **ret_node);

/** Find a directory by number. @return 0; -ESTALE; -ENOTDIR; -ENOENT it was removed */
int lookup_dir_node(const struct fs *fs, uint64_t number, struct inode **ret_node);

/** Find out what a name means in a directory. The place is that of a file, unless the name can only
 *  be a directory's.
 *  @param ret_target  do not copy it: it points into itself
 *  @return as lookup_dir_node(); -ENAMETOOLONG; -EINVAL nothing can have that name there */
int lookup_target(
	const struct fs *fs, uint64_t parent, const char *name, struct target *ret_target);

/** The place that a directory of the target's name has. */
struct place target_dir(const struct target *target);

/** Find out what is there. target->place becomes its place.
 *  @return 0; -ENOENT; -ENAMETOOLONG */
int lookup_at_target(
	struct fs *fs, struct kt_txn *txn, struct target *target, struct found *ret_found);

/** Find out about a node. @return 0; -ENOENT it is gone; -ESTALE something else is there */
int lookup_at_node(
	struct fs *fs, struct kt_txn *txn, const struct inode *node, struct found *ret_found);

/** What is known of a child (children.h).
 *  @param known      the store has a file or a record there; else a directory is inferred
 *  @param ret_found  its key is not set */
int lookup_by_stat(struct fs *fs, const struct place *place, bool known,
	const struct kt_entry_info *stat, struct found *ret_found);

/** Is there a directory at a place, and what is known of it?
 *  @param key        of the place; borrowed
 *  @param ret_found  its key is not set
 *  @return 0; -ENOENT */
int lookup_dir(struct fs *fs, struct kt_txn *txn, const struct place *place, const struct key *key,
	struct found *ret_found);

/** Has a directory no files and directories in it, in the store and in memory?
 *  @param place  of the directory
 *  @param key    of that place; borrowed */
int lookup_dir_is_empty(struct fs *fs, struct kt_txn *txn, const struct place *place,
	const struct key *key, bool *ret_empty);

/** A node is about to lose its place. While somebody refers to it, what it was can be asked for: a
 *  pipe or a directory may be open. Without memory it cannot.
 *  @param found  what was there */
void lookup_keep(struct inode *node, const struct found *found);

/** Fill in a stat. @param node  of what was found; NULL if there is none */
void lookup_stat(
	struct fs *fs, struct inode *node, const struct found *found, struct stat *ret_stat);

#endif
