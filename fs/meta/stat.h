/* What the kernel is told about a file or directory, from its entry or record in the store. */
#ifndef FS_META_STAT_H
#define FS_META_STAT_H

#include "fs/meta/attr.h"
#include "keytree.h"
#include "fs/names/key.h"

#include <sys/stat.h>

struct fs;

/** What is known about an entry or a record: its decoded blob, and what the store says. */
struct known {
	struct attr attr;
	uint64_t size;
	uint64_t stored;
	uint64_t version; /* of the entry: the transaction that last wrote it */
	int64_t mtime_ns;
	uint64_t shared; /* number of the entry, if keys share it; else 0 */
	unsigned links;	 /* number of keys; 0 means 1 */
};

/** The longest target of a symbolic link, in bytes. */
#define STAT_TARGET_MAX 4095

/** Decode what the store knows. An application can put any value under the key of a symbolic link:
 *  one that is too long or too short for a target is shown as a regular file.
 *  @return as attr_decode() */
int stat_known(const struct kt_entry_info *stat, struct known *ret_known);

/** Inode number of an entry or directory that has none of its own.
 *  @param kind  of what lies there
 *  @param key   of the entry, or that its record would have */
uint64_t stat_derive_ino(enum inode_kind kind, const struct key *key);

/** The file type for st_mode. A directory's record is always a directory, whatever its blob
 *  says. */
mode_t stat_type(enum inode_kind kind, const struct attr *attr);

/** Fill in what a kernel sees.
 *  @param kind  of what lies there
 *  @param key   its key, for the inode number; NULL if it has one of its own */
void stat_fill(const struct fs *fs, enum inode_kind kind, const struct key *key,
	const struct known *known, struct stat *ret_stat);

/** A file or directory has changed now: its ctime. */
void stat_touch(struct known *known);

/** Keep the inode number that shows: set it in the attributes, which are going to be written, if
 *  they have none. */
void stat_keep_ino(enum inode_kind kind, const struct key *key, struct known *known);

#endif
