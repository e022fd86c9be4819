/* Files and directories over a store: what a kernel asks of a file system, answered from keys.
 *
 * This layer knows the store's public header and nothing of libfuse. A caller (the FUSE glue, a
 * test) names files by node: a number that a lookup gave out and that stays valid until it has been
 * forgotten as often as it was given out. FS_ROOT is always valid.
 *
 * Functions return 0 or a negative errno, the one a local file system gives. Results come through
 * ret_ parameters, written only on success. All functions may be called from any thread.
 */
#ifndef FS_FS_H
#define FS_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

struct kt_store;
struct fs;
struct fs_file; /* an open file */
struct fs_dir;	/* an open directory */

#define FS_ROOT 1

/** How the store is shown. */
struct fs_options {
	uid_t uid;		 /* owner of entries that have no owner of their own */
	gid_t gid;		 /* their group */
	mode_t file_mode;	 /* permission bits of values without a mode, for instance 0644 */
	mode_t dir_mode;	 /* and of directories, for instance 0755 */
	bool read_only;		 /* changes give EROFS */
	unsigned commit_seconds; /* changes reach the disk within so many seconds; 0: at once */
	char separator;		 /* between the components of a key; 0: '/' */
};

/** Who asks. */
struct fs_caller {
	uid_t uid;
	gid_t gid;
	mode_t umask; /* applied to the modes of what is made */
};

/** What a lookup gives: the node holds one more reference, to be forgotten by fs_forget(). */
struct fs_entry {
	uint64_t node;
	struct stat stat; /* st_ino is the persistent inode number, not the node */
};

/** What fs_setattr() changes. */
enum fs_setattr_what {
	FS_SET_MODE = 1 << 0,
	FS_SET_UID = 1 << 1,
	FS_SET_GID = 1 << 2,
	FS_SET_SIZE = 1 << 3,
	FS_SET_ATIME = 1 << 4,
	FS_SET_MTIME = 1 << 5,
};

struct fs_setattr {
	unsigned what; /* enum fs_setattr_what, combined */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	off_t size;
	struct timespec atime, mtime; /* tv_nsec UTIME_NOW: the time of the call */
};

/** Show a store as a file system. Starts the thread that flushes in the background.
 *  @param store    borrowed until fs_close()
 *  @param options  copied
 *  @param ret_fs   end with fs_close()
 *  @return 0; -EINVAL the separator is byte 255, behind which nothing sorts */
int fs_open(struct kt_store *store, const struct fs_options *options, struct fs **ret_fs);

/** Publish what open files still hold, flush, and end. Every open handle is released by that.
 *  @param fs  taken; NULL is allowed
 *  @return 0 or the first error of publishing or flushing */
int fs_close(struct fs *fs);

/** Find a name in a directory.
 *  @return 0; -ENOENT; -ENOTDIR; -ENAMETOOLONG */
int fs_lookup(struct fs *fs, uint64_t parent, const char *name, struct fs_entry *ret_entry);

/** Give back references of a node. */
void fs_forget(struct fs *fs, uint64_t node, uint64_t count);

/** @return 0; -ENOENT the file is gone; -ESTALE no such node; as all functions that take a node */
int fs_getattr(struct fs *fs, uint64_t node, struct stat *ret_stat);

/** Change attributes; truncation included.
 *  @param file  the open handle the caller named, or NULL */
int fs_setattr(struct fs *fs, uint64_t node, struct fs_file *file, const struct fs_setattr *set,
	struct stat *ret_stat);

/** @param ret_target  malloc'd and NUL-terminated; returned, free with free()
 *  @return 0; -EINVAL it is no symbolic link */
int fs_readlink(struct fs *fs, uint64_t node, char **ret_target);

/** Make a directory, which stays until fs_rmdir().
 *  @return 0; -EEXIST; -EINVAL no directory can have that name there (names.h); -ENAMETOOLONG */
int fs_mkdir(struct fs *fs, const struct fs_caller *caller, uint64_t parent, const char *name,
	mode_t mode, struct fs_entry *ret_entry);

/** @param target  NUL-terminated, 1 to 4095 bytes; borrowed
 *  @return as fs_mkdir() */
int fs_symlink(struct fs *fs, const struct fs_caller *caller, const char *target, uint64_t parent,
	const char *name, struct fs_entry *ret_entry);

/** Make a regular file, a fifo, a socket or a device node.
 *  @param mode  with the file type; none: a regular file
 *  @param rdev  of a device node
 *  @return as fs_mkdir() */
int fs_mknod(struct fs *fs, const struct fs_caller *caller, uint64_t parent, const char *name,
	mode_t mode, dev_t rdev, struct fs_entry *ret_entry);

/** Remove a file. If it is open it goes on without a name. @return 0; -ENOENT; -EISDIR */
int fs_unlink(struct fs *fs, uint64_t parent, const char *name);

/** @return 0; -ENOENT; -ENOTDIR; -ENOTEMPTY */
int fs_rmdir(struct fs *fs, uint64_t parent, const char *name);

/** Rename a file, or a directory with all that is in it, in one transaction.
 *  @param flags  RENAME_NOREPLACE, or 0; others -EINVAL
 *  @return 0; -ENOENT; -EEXIST; -EISDIR; -ENOTDIR; -ENOTEMPTY; -EINVAL into itself; -ENAMETOOLONG a
 *          key would be; -EXDEV a piece of a long name is concerned, copy instead */
int fs_rename(struct fs *fs, uint64_t parent, const char *name, uint64_t new_parent,
	const char *new_name, unsigned flags);

/** Make and open a regular file.
 *  @param flags  of open(2); without O_EXCL a file that is there is opened
 *  @return 0; -EEXIST; -EISDIR; and as fs_mkdir() */
int fs_create(struct fs *fs, const struct fs_caller *caller, uint64_t parent, const char *name,
	mode_t mode, int flags, struct fs_entry *ret_entry, struct fs_file **ret_file);

/** Open a regular file.
 *  @param flags  of open(2); O_TRUNC truncates
 *  @return 0; -EISDIR; -ELOOP a symbolic link; -ENXIO another kind of file; -EROFS */
int fs_open_file(struct fs *fs, uint64_t node, int flags, struct fs_file **ret_file);

/** @param ret_read  bytes read; less than size only at the end of the file
 *  @return 0; -EBADF not open for reading; -ESTALE an application has deleted the key */
int fs_read(struct fs *fs, struct fs_file *file, off_t offset, void *buf, size_t size,
	size_t *ret_read);

/** Write all of size bytes, or fail. O_APPEND of the file is honoured.
 *  @return 0; -EBADF not open for writing; -EFBIG; and as fs_flush() when it stores */
int fs_write(struct fs *fs, struct fs_file *file, off_t offset, const void *data, size_t size);

/** A descriptor of the file was closed: publish what was written (close() reports the error).
 *  @return 0; -ESTALE an application has deleted the key that was written into */
int fs_flush(struct fs *fs, struct fs_file *file);

/** Publish and bring to the disk. @param file  NULL: everything (a directory was synced) */
int fs_fsync(struct fs *fs, struct fs_file *file);

/** The last descriptor is gone: publish what is left, and drop what cannot be.
 *  @param file  taken */
void fs_release(struct fs *fs, struct fs_file *file);

/** Open a directory for listing. Nothing of the store is held while it is open.
 *  @param ret_dir  end with fs_releasedir() */
int fs_opendir(struct fs *fs, uint64_t node, struct fs_dir **ret_dir);

/** Receives one directory entry. It must not call functions of this header.
 *  @param name    NUL-terminated; valid during the call
 *  @param entry   with plus: as by fs_lookup(), the reference counted if the callback takes the
 *                 entry; "." and ".." have node 0. Without plus: st_ino and the type bits of
 *                 st_mode only
 *  @param offset  where the listing goes on behind this entry
 *  @return true: taken; false: no room, stop before this entry */
typedef bool fs_readdir_fn(void *arg, const char *name, const struct fs_entry *entry, off_t offset);

/** List a directory from an offset that an earlier call gave, or 0. An offset from another handle
 * of the same directory will do, though it may take a walk to there. What is told of each entry is
 *  true now, not when the directory was opened. */
int fs_readdir(
	struct fs *fs, struct fs_dir *dir, off_t offset, bool plus, fs_readdir_fn *emit, void *arg);

/** @param dir  taken */
void fs_releasedir(struct fs *fs, struct fs_dir *dir);

/** Room on the disk, and how many entries there are. */
int fs_statfs(struct fs *fs, struct statvfs *ret_statvfs);

#endif
