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

/** Nodes are below 1 << FS_NODE_BITS. */
#define FS_NODE_BITS 52

/** Told of a file that cannot be saved, while nobody waits for that: it is tried again, or the file
 *  system ends. Called with the lock held: it must not call functions of this header.
 *  @param key  of the file; valid during the call
 *  @param err  why, as a negative errno */
typedef void fs_unsaved_fn(const void *key, size_t size, int err);

/** How the store is shown. */
struct fs_options {
	uid_t uid;		 /* owner of entries that have no owner of their own */
	gid_t gid;		 /* their group */
	mode_t file_mode;	 /* permission bits of values without a mode, for instance 0644 */
	mode_t dir_mode;	 /* and of directories, for instance 0755 */
	bool read_only;		 /* changes give EROFS */
	unsigned commit_seconds; /* changes reach the disk within so many seconds; 0: at once */
	unsigned age_seconds;	 /* what a program writes slowly to a file that it keeps open is
				    published after so many seconds; 0: 30 */
	char separator;		 /* between the components of a key; 0: '/' */
	const char *snapshot;	 /* to show instead of the present, read-only; or NULL; copied */
	const char *scratch;	 /* patterns (scratch.h); NULL: the usual ones; borrowed */
	const char *subtree;	 /* path of the directory to show as the root; or NULL; borrowed
				    during fs_open() */
	bool conflict_fail; /* a writer gets ESTALE when another process has changed the entry of
			       its file; else the last writer wins. Needs fs_invalidate() */
	fs_unsaved_fn *unsaved; /* or NULL */
	uint64_t ino_flip;	/* bits to flip in inode numbers, so that those of file systems that
			      are shown as one differ */
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
	bool known;	  /* the node was referred to before */
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
	FS_DROP_SUID = 1 << 6, /* with an owner or a size, or alone: as fs_drop_privileges() */
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
 *  @return 0; -EINVAL the separator is byte 255, behind which nothing sorts, or the subtree is no
 *          path; -ENOENT there is no such snapshot; -ENOTDIR nor such a subtree */
int fs_open(struct kt_store *store, const struct fs_options *options, struct fs **ret_fs);

/** Are no nodes referred to, and no files and directories open? */
bool fs_is_idle(struct fs *fs);

/** Publish what open files still hold, flush, and end. Every open handle is released by that. A file
 *  that cannot be published does not keep others from that.
 *  @param fs  taken; NULL is allowed
 *  @return 0 or the first error of publishing or flushing */
int fs_close(struct fs *fs);

/** What a cache may hold of a file system. */
enum fs_invalidate_kind {
	FS_INVALIDATE_NAME,    /* what a name in a directory means, or that it means nothing */
	FS_INVALIDATE_LISTING, /* the names in a directory, and its attributes */
	FS_INVALIDATE_ATTR,    /* attributes */
	FS_INVALIDATE_DATA,    /* content of a file, and its attributes */
	FS_INVALIDATE_NAMES, /* what any name means in any directory; all nodes are told of, too */
};

/** What a cache has to drop, since another process changed it. */
struct fs_invalidation {
	enum fs_invalidate_kind kind;
	uint64_t node;	  /* that changed; with FS_INVALIDATE_NAME the directory */
	uint64_t parent;  /* where it is found: the directory; 0: the root, and what has no name */
	const char *name; /* and its name in there; NUL-terminated; valid during the call */
	bool stays;  /* with FS_INVALIDATE_NAME: it means a directory, as it did when it was last
			     asked for; who works in there should not notice */
	bool by_all; /* with FS_INVALIDATE_NAME: FS_INVALIDATE_NAMES has told of it */
};

/** Receives an invalidation. No lock is held: it may wait for requests to be answered. */
typedef void fs_invalidate_fn(void *arg, const struct fs_invalidation *notice);

/** Note foreign commits from now on, for fs_invalidate(). Called before anything is cached.
 *  With conflict_fail that is so from the start.
 *  @param ret_fd  becomes readable when there is something to be told that no commit of others
 *                 announces; not for reading, closed by fs_close(); NULL is allowed
 *  @return 0; -ENOMEM, -EMFILE or -ENFILE */
int fs_watch(struct fs *fs, int *ret_fd);

/** Report what other processes have committed since the last call, as far as it concerns nodes that
 *  are referred to, and names that were found to mean nothing. Own changes between such commits may
 *  be reported with them; else they are not, with one exception that callers cannot know: a
 *  directory that another process removed is there again when something is put in it. No commit is
 *  pinned while the caller is told. One thread at a time.
 *  @param tell  called for each; may be called without need
 *  @return 0; else cached answers may be outdated: call again, and all is reported again */
int fs_invalidate(struct fs *fs, fs_invalidate_fn *tell, void *arg);

/** Have fs_invalidate() return, now and from now on: nothing is cached any more. */
void fs_invalidate_stop(struct fs *fs);

/** The last commit of which it is known that fs_invalidate() has told all up to it; own commits
 *  are known to the caller. */
uint64_t fs_told(struct fs *fs);

/** Find a name in a directory.
 *  @return 0; -ENOENT; -ENOTDIR; -ENAMETOOLONG */
int fs_lookup(struct fs *fs, uint64_t parent, const char *name, struct fs_entry *ret_entry);

/** Give out a reference to the root. @return 0; -ESTALE */
int fs_root(struct fs *fs, struct fs_entry *ret_entry);

/** Give back references of a node. */
void fs_forget(struct fs *fs, uint64_t node, uint64_t count);

/** @return 0; -ENOENT the file is gone; -ESTALE no such node; as all functions that take a node */
int fs_getattr(struct fs *fs, uint64_t node, struct stat *ret_stat);

/** Change attributes; truncation included.
 *  @param file  the open handle the caller named, or NULL
 *  @return as fs_getattr(); -EINVAL a time is before 1678 or after 2261; of a size also -ESTALE as
 *          fs_write() */
int fs_setattr(struct fs *fs, uint64_t node, struct fs_file *file, const struct fs_setattr *set,
	struct stat *ret_stat);

/** A file is going to be written to: its privileges end. These are security.capability, and
 *  the bits of the mode that set user and group.
 *  @param suid  the bits, too: the caller has no right to keep them
 *  @return 0; -EROFS; -ENOENT */
int fs_drop_privileges(struct fs *fs, uint64_t node, bool suid);

/** Ask for an extended attribute.
 *  @param buf       room for size bytes
 *  @param size      0: only its size is asked for
 *  @param ret_size  bytes of the value
 *  @return 0; -ENODATA there is none; -ERANGE buf is too small; -EOPNOTSUPP no file has attributes
 *          of such a name, or it is a label of SELinux and there is none */
int fs_getxattr(
	struct fs *fs, uint64_t node, const char *name, void *buf, size_t size, size_t *ret_size);

/** List the names of extended attributes, each with its NUL. Those in trusted. are for root only.
 *  @param buf  likewise
 *  @return 0; -ERANGE */
int fs_listxattr(struct fs *fs, const struct fs_caller *caller, uint64_t node, char *buf,
	size_t size, size_t *ret_size);

/** With XATTR_CREATE and XATTR_REPLACE: the caller has no right to set-group-id, so an access
 *  control list ends that. */
#define FS_XATTR_DROP_SGID (1u << 16)

/** Set an extended attribute. An access control list sets the mode as well.
 *  @param flags  XATTR_CREATE, XATTR_REPLACE, FS_XATTR_DROP_SGID, combined
 *  @return 0; -EEXIST, -ENODATA by the flags; -ENOSPC more than a file can have; -EOPNOTSUPP,
 *          -EINVAL the name; -EINVAL no access control list; -EACCES no file has a default list */
int fs_setxattr(struct fs *fs, uint64_t node, const char *name, const void *value, size_t size,
	unsigned flags);

/** @return 0; -ENODATA; -EOPNOTSUPP */
int fs_removexattr(struct fs *fs, uint64_t node, const char *name);

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

/** Make another name for a file, or the first for one that was made without.
 *  @return 0; -EEXIST; -EPERM it is a directory; -EMLINK it has KT_LINK_MAX names; -ESTALE the file
 *          is gone from the store; and as fs_mkdir() */
int fs_link(struct fs *fs, uint64_t node, uint64_t parent, const char *name,
	struct fs_entry *ret_entry);

/** Remove a file. If it is open it goes on without a name. @return 0; -ENOENT; -EISDIR */
int fs_unlink(struct fs *fs, uint64_t parent, const char *name);

/** @return 0; -ENOENT; -ENOTDIR; -ENOTEMPTY */
int fs_rmdir(struct fs *fs, uint64_t parent, const char *name);

/** Rename a file, or a directory with all that is in it, in one transaction.
 *  @param flags  RENAME_NOREPLACE, RENAME_EXCHANGE, or 0; others -EINVAL
 *  @return 0; -ENOENT; -EEXIST; -EISDIR; -ENOTDIR; -ENOTEMPTY; -EINVAL into itself; -ENAMETOOLONG a
 *          key would be; -EXDEV a piece of a long name is concerned, copy instead */
int fs_rename(struct fs *fs, uint64_t parent, const char *name, uint64_t new_parent,
	const char *new_name, unsigned flags);

/** Make and open a regular file.
 *  @param flags  of open(2); without O_EXCL a file that is there is opened
 *  @return 0; -EEXIST; -EISDIR; and as fs_mkdir() */
int fs_create(struct fs *fs, const struct fs_caller *caller, uint64_t parent, const char *name,
	mode_t mode, int flags, struct fs_entry *ret_entry, struct fs_file **ret_file);

/** Make and open a regular file without a name. It ends with its last handle.
 *  @param parent  directory whose group and access control lists it gets
 *  @return 0; as fs_create() */
int fs_tmpfile(struct fs *fs, const struct fs_caller *caller, uint64_t parent, mode_t mode,
	int flags, struct fs_entry *ret_entry, struct fs_file **ret_file);

/** Open a regular file.
 *  @param flags  of open(2); O_TRUNC truncates
 *  @return 0; -EISDIR; -ELOOP a symbolic link; -ENXIO another kind of file; -EROFS; -ESTALE the
 * file is gone: the name may be found to be another's */
int fs_open_file(struct fs *fs, uint64_t node, int flags, struct fs_file **ret_file);

/** Receives the value of a file. It must not call functions of this header, nor wait for a request
 *  to be answered. */
typedef void fs_prefetch_value_fn(void *arg, const void *value, size_t size);

/** Do others replace the value that is read through this handle? Then a client cache, which drops
 *  pages one by one, could mix two values in one read. So it should not keep what is read through the
 *  handle, but pass each read on: fs_read() gives bytes of one value. */
bool fs_is_contested(const struct fs_file *file);

/** Open a regular file, and send its value to be cached before it is read. A value is sent if it is
 *  small, was not sent since it changed, if the file is not contested nor open otherwise, and if all
 *  foreign commits were invalidated (fs_invalidate()). The file is not opened or changed meanwhile.
 *  @param send  may not be called at all; NULL: as fs_open_file()
 *  @return as fs_open_file() */
int fs_open_prefetch(struct fs *fs, uint64_t node, int flags, fs_prefetch_value_fn *send, void *arg,
	struct fs_file **ret_file);

/** Read a file of a read-only file system that nobody has opened.
 *  @param ret_read  bytes read; less than size only at the end of the file
 *  @param ret_due   whether values are worth being sent ahead now, by fs_prefetch()
 *  @return 0; as fs_open_file() */
int fs_read_node(struct fs *fs, uint64_t node, off_t offset, void *buf, size_t size,
	size_t *ret_read, bool *ret_due);

/** Receives the value of a file, to be kept until it is told that it has changed. No lock is held:
 *  it may wait for requests to be answered. */
typedef void fs_prefetch_fn(void *arg, uint64_t node, const void *value, size_t size);

/** Prefetch values: of small files that are referred to, behind those that fs_read_node() was
 *  asked for, as far as that seems to be of use; of one directory. To be called by the thread that
 *  calls fs_invalidate(), if any does: while a foreign commit is not reported yet, nothing is sent.
 *  @return whether anything was due: then call it again, and fs_invalidate() before */
bool fs_prefetch(struct fs *fs, fs_prefetch_fn *send, void *arg);

/** @param ret_read  bytes read; less than size only at the end of the file
 *  @return 0; -EBADF not open for reading; -ESTALE an application has deleted the key */
int fs_read(struct fs *fs, struct fs_file *file, off_t offset, void *buf, size_t size,
	size_t *ret_read);

/** Was there a read through this handle, even if it failed? */
bool fs_was_read(struct fs *fs, const struct fs_file *file);

/** Write all of size bytes, or fail.
 *  @return 0; -EBADF not open for writing; -EFBIG; -ESTALE with conflict_fail, others have changed
 *          the entry since the file was opened; and as fs_flush() when it stores */
int fs_write(struct fs *fs, struct fs_file *file, off_t offset, const void *data, size_t size);

/** The same at the end of the file, wherever that is by now. */
int fs_append(struct fs *fs, struct fs_file *file, const void *data, size_t size);

/** Find what is stored, or a hole, at or behind an offset.
 *  @param whence  SEEK_DATA or SEEK_HOLE; the end of the file is a hole
 *  @return 0; -ENXIO there is none, or the offset is not in the file */
int fs_lseek(struct fs *fs, struct fs_file *file, off_t offset, int whence, off_t *ret_offset);

/** Make room for a range, or a hole of it.
 *  @param mode  of fallocate(2): FALLOC_FL_KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE, combined
 *  @return 0; -EOPNOTSUPP other modes; -ENOSPC no such room; -EFBIG; -EBADF */
int fs_fallocate(struct fs *fs, struct fs_file *file, int mode, off_t offset, off_t size);

/** Copy from file to file.
 *  @param ret_size  bytes copied: fewer at the end of the file, and when much is asked for
 *  @return as fs_read() and fs_write() */
int fs_copy(struct fs *fs, struct fs_file *from, off_t from_offset, struct fs_file *to,
	off_t to_offset, size_t size, size_t *ret_size);

/** A descriptor of the file was closed: publish what was written (close() reports the error).
 *  @return 0; -ESTALE an application has deleted the key that was written into; or, with
 *          conflict_fail, others have changed the entry, and what was written is dropped */
int fs_flush(struct fs *fs, struct fs_file *file);

/** Is it a new file that was never written? fs_flush() leaves it to fs_release(), since a copy of the
 *  descriptor may be there to write it. */
bool fs_is_unwritten(struct fs *fs, const struct fs_file *file);

/** The last descriptor of a file that was never written was closed: publish it. @return as fs_flush()
 */
int fs_flush_unwritten(struct fs *fs, struct fs_file *file);

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

/** List a directory from an offset that an earlier call gave, or 0. An offset names a place between
 *  two entries, for every handle of the directory, until its node is forgotten: all entries that
 *  stay are listed once, whatever is made and removed meanwhile. What is told of each entry is true
 *  now, not when the directory was opened. */
int fs_readdir(
	struct fs *fs, struct fs_dir *dir, off_t offset, bool plus, fs_readdir_fn *emit, void *arg);

/** @param dir  taken */
void fs_releasedir(struct fs *fs, struct fs_dir *dir);

/** Room on the disk, and how many entries there are. */
int fs_statfs(struct fs *fs, struct statvfs *ret_statvfs);

#endif
