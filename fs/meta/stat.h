/* What a kernel is told of a file or directory, from what the store knows of its entry or record.
 */
#ifndef FS_META_STAT_H
#define FS_META_STAT_H

#include "fs/meta/attr.h"
#include "keytree.h"
#include "fs/tree/inode.h"

#include <sys/stat.h>

struct fs;

/** What is known of an entry or a record: its blob decoded, and the rest. */
struct known {
	struct attr attr;
	uint64_t size;
	uint64_t stored;
	uint64_t version; /* of the entry: the transaction that last wrote it */
	int64_t mtime_ns;
	uint64_t shared; /* number of the entry, if keys share it; else 0 */
	unsigned links;	 /* how many keys; 0 is as good as 1 */
};

/** The longest target of a symbolic link, in bytes. */
#define STAT_TARGET_MAX 4095

/** Decode what the store knows. An application can put anything under the key of a symbolic link:
 *  what is too long or too short for a target is shown as a file that it wrote.
 *  @return as attr_decode() */
int stat_known(const struct kt_stat *stat, struct known *ret_known);

/** Inode number of an entry or directory that has none of its own.
 *  @param kind  of what lies there
 *  @param key   of the entry, or that its record would have */
uint64_t stat_derive_ino(enum inode_kind kind, const struct key *key);

/** The type of what lies there, as in st_mode: a directory's record is no file, whatever its blob
 *  says. */
mode_t stat_type(enum inode_kind kind, const struct attr *attr);

/** Is what lies at a node of another type than the node was given out as? Then others have replaced
 *  what it stands for. */
bool stat_is_other(const struct inode *node, const struct attr *attr);

/** Fill in what a kernel sees.
 *  @param kind  of what lies there
 *  @param key   its key, for the inode number; NULL if it has one of its own */
void stat_fill(const struct fs *fs, enum inode_kind kind, const struct key *key,
	const struct known *known, struct stat *ret_stat);

/** A file or directory has changed now: its ctime. */
void stat_touch(struct known *known);

/** Give attributes a value for each field that a file made outside has, before they are written
 *  to a blob: the inode number if it has none. The rest stays as the mount shows it. */
void stat_keep_ino(enum inode_kind kind, const struct key *key, struct known *known);

#endif
