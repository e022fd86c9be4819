/* What the kernel is told about a file or directory. See stat.h.
 *
 * Inode numbers of files made through the mount count up from 1 (inode_numbers.h). For entries
 * that an application wrote they are a hash of the key with the top bit set. When an operation
 * through the mount gives such an entry another key, the number is written to its blob. Keys that
 * share an entry show one number, which no other entry has.
 */
#include "fs/meta/stat.h"

#include "fs/core.h"

#include <xxhash.h>

#define INO_DERIVED (UINT64_C(1) << 63)

int stat_known(const struct kt_entry_info *stat, struct known *ret_known)
{
	int err;

	ret_known->size = stat->size;
	ret_known->stored = stat->stored;
	ret_known->version = stat->version;
	ret_known->mtime_ns = stat->mtime_ns;
	ret_known->shared = stat->shared;
	ret_known->links = stat->keys;
	err = attr_decode(stat->attr.data, stat->attr.size, &ret_known->attr);
	if (!err &&
		(stat->flags &
			KT_ATTR_COPIED)) /* the number in the blob is that of the entry which was shared before */
		ret_known->attr.fields &= ~(unsigned)ATTR_INO;
	if (!err && (ret_known->attr.fields & ATTR_MODE) && S_ISLNK(ret_known->attr.mode) &&
		(stat->size == 0 || stat->size > STAT_TARGET_MAX))
		ret_known->attr.fields &= ~(unsigned)ATTR_MODE;
	return err;
}

uint64_t stat_derive_ino(enum inode_kind kind, const struct key *key)
{
	uint64_t seed = kind == INODE_FILE ? 0 : 1;

	if (kind == INODE_DIR && key->size == 0)
		return FS_ROOT;
	return XXH3_64bits_withSeed(key->bytes, key->size, seed) | INO_DERIVED;
}

/* Two files can have the same hashed number: one that was renamed, and one that an application
 * put under its old key. For files with one name that does no harm. For files with more names,
 * programs that copy would take both to be one file. */
static uint64_t show_ino(enum inode_kind kind, const struct key *key, const struct known *known)
{
	bool recorded = known->attr.fields & ATTR_INO;

	if (recorded && !(known->shared != 0 && (known->attr.ino & INO_DERIVED)))
		return known->attr.ino;
	if (known->shared == 0)
		return stat_derive_ino(kind, key);
	return XXH3_64bits_withSeed(&known->shared, sizeof(known->shared), 2) | INO_DERIVED;
}

void stat_keep_ino(enum inode_kind kind, const struct key *key, struct known *known)
{
	known->attr.ino = show_ino(kind, key, known);
	known->attr.fields |= ATTR_INO;
}

void stat_touch(struct known *known)
{
	known->attr.fields |= ATTR_CTIME;
	known->attr.ctime_ns = core_now_ns();
	known->attr.mtime_ns = known->mtime_ns;
}

mode_t stat_type(enum inode_kind kind, const struct attr *attr)
{
	if (kind != INODE_FILE)
		return S_IFDIR;
	return attr->fields & ATTR_MODE && !S_ISDIR(attr->mode) ? attr->mode & S_IFMT : S_IFREG;
}

static mode_t mode_of(const struct fs *fs, enum inode_kind kind, const struct attr *attr)
{
	mode_t own = kind == INODE_FILE ? fs->options.file_mode : fs->options.dir_mode;

	if (attr->fields & ATTR_MODE)
		own = attr->mode;
	return stat_type(kind, attr) | (own & 07777);
}

void stat_fill(const struct fs *fs, enum inode_kind kind, const struct key *key,
	const struct known *known, struct stat *ret_stat)
{
	const struct attr *attr = &known->attr;
	bool written_since = !(attr->fields & ATTR_CTIME) || attr->mtime_ns != known->mtime_ns;

	*ret_stat = (struct stat){
		.st_ino = show_ino(kind, key, known),
		.st_mode = mode_of(fs, kind, attr),
		.st_nlink = known->links > 1 ? known->links : 1,
		.st_uid = attr->fields & ATTR_UID ? attr->uid : fs->options.uid,
		.st_gid = attr->fields & ATTR_GID ? attr->gid : fs->options.gid,
		.st_rdev = attr->fields & ATTR_RDEV ? attr->rdev : 0,
		.st_size = (off_t)known->size,
		.st_blksize = 4096,
		.st_blocks = (blkcnt_t)((known->stored + 511) / 512),
		.st_mtim = clock_timespec(known->mtime_ns),
		.st_ctim = clock_timespec(written_since ? known->mtime_ns : attr->ctime_ns),
	};
	ret_stat->st_ino ^= fs->options.ino_flip;
	ret_stat->st_atim =
		attr->fields & ATTR_ATIME ? clock_timespec(attr->atime_ns) : ret_stat->st_mtim;
}
