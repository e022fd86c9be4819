/* The one table through which the store touches its file.
 *
 * Nothing above it calls open, pwrite or mmap, so that a test can put a simulated disk under the
 * engine: one that loses what was not synced, fails the Nth call, or fills up. io_file.c is the
 * table of a real file, io_memory.c that of a store in memory.
 *
 * The file is read through one map and written with write(): a stray pointer of the application
 * cannot damage the store, and a full disk is an error instead of a signal.
 *
 * The folder, in reading order:
 *
 *     io         the table and its calls
 *     io_fd      what tables with a descriptor share: reading, writing, mapping
 *     io_file    the table of a file, and how a new file gets its name
 *     io_lock    locks, and the shared memory of all processes
 *     io_memory  the table of a store in memory
 *     io_stream  the table of a pipe
 */
#ifndef STORE_IO_IO_H
#define STORE_IO_IO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct io;

/** The first eight bytes of shared memory that is in use, or was; see io_area(). The last
 *  byte is the digit of the version. */
#define IO_AREA_MAGIC UINT64_C(0x32306b636f6c746b)

/** Kinds of locks. */
enum io_lock {
	IO_UNLOCKED,
	IO_SHARED,    /* with other shared ones */
	IO_EXCLUSIVE, /* with nobody */
};

/** What is locked. */
enum io_place {
	IO_STORE, /* the store's file: all who may read it can lock it, but only shared */
	IO_MARKS, /* the same, through a descriptor that may write: also exclusive */
	IO_AREA,  /* the lock file: only those who may write the store can lock it */
};

/** Bytes that are locked. They need not be in the file, and only name something. */
struct io_range {
	uint64_t start;
	uint64_t count;
};

/** Shared memory of all who have the file open. */
struct io_area {
	void *memory;	 /* readable and writable, page-aligned, valid until io_area_leave() */
	uint64_t number; /* names it: another one has another number */
	uint64_t device, inode; /* of the store's file */
	uint64_t links;		/* names that the store's file has */
};

/* What the functions do is said at io_read() and its like, which call them. */
struct io_ops {
	int (*read)(struct io *io, uint64_t offset, void *buf, size_t size);
	int (*write)(struct io *io, uint64_t offset, const struct iovec *parts, size_t count);
	int (*sync)(struct io *io);
	void (*write_back)(struct io *io, uint64_t offset, uint64_t size); /* NULL: not needed */
	int (*size)(struct io *io, uint64_t *ret_size);
	int (*truncate)(struct io *io, uint64_t size);
	int (*map)(struct io *io, uint64_t least, uint64_t most, const void **ret_base,
		uint64_t *ret_size);
	int (*lock)(struct io *io, enum io_place place, enum io_lock kind,
		const struct io_range *range, bool wait);
	bool (*locked)(struct io *io, enum io_place place, enum io_lock kind,
		const struct io_range *range, struct io_range *ret_by);
	bool (*is_at)(struct io *io, const char *path); /* NULL: it has no path */
	int (*area)(struct io *io, size_t size, bool create, struct io_area *ret_area);
	void (*area_leave)(struct io *io);
	int (*area_clear)(struct io *io, uint64_t offset, uint64_t size);
	int (*watch)(struct io *io);
	int (*statfs)(struct io *io, uint64_t *ret_free, uint64_t *ret_total);
	uint64_t (*home)(struct io *io);
	int (*temporary)(struct io *io);				 /* NULL: in memory */
	int (*check_coherent)(struct io *io);				 /* NULL: it is coherent */
	void (*prefetch)(struct io *io, uint64_t offset, uint64_t size); /* these two, or neither */
	bool (*cached)(struct io *io, uint64_t offset);
	void (*close)(struct io *io);
};

/** An open file. Implementations put it first in a struct of their own. */
struct io {
	const struct io_ops *ops;
	bool durable;  /* false: in memory; io_sync() does nothing, and nothing need be proved */
	bool readonly; /* io_write() and io_truncate() give -EROFS */
	_Atomic unsigned *faults; /* counts pages of the map that could not be read; see fault.h */
	const _Atomic char *not_forked; /* 0 in the child of a fork; NULL: that is not looked at */
};

/** Is this the child of a process that opened the file and forked? A file, its locks and its lock
 *  area belong to the process that opened it: in the child nothing may be done with them, since the
 *  parent still uses them. */
static inline bool io_forked(const struct io *io)
{
	return io->not_forked != NULL &&
	       atomic_load_explicit(io->not_forked, memory_order_relaxed) == 0;
}

/** Fills a new file with its first content; see io_file_create().
 *  @param arg  what was given to io_file_create()
 *  @param io   the empty file; borrowed
 *  @return 0, or the error with which the creation fails */
typedef int io_fill_fn(void *arg, struct io *io);

/* ---- opening --------------------------------------------------------------------------------- */

/** Open a regular file.
 *  @param path      borrowed
 *  @param readonly  for reading only
 *  @param ret_io    end with io_close()
 *  @return 0; -ENOENT; -EISDIR; -EMEDIUMTYPE neither file nor directory; -EACCES; -EROFS; any
 *          errno of open(2) */
int io_file_open(const char *path, bool readonly, struct io **ret_io);

/** Create a file, complete or not at all (I7): in a temporary file of the same directory, which is
 *  filled, synced and given its name, then the directory is synced.
 *  @param path    borrowed
 *  @param mode    its permission bits, less those of the umask
 *  @param fill    writes the first content
 *  @param arg     given to fill
 *  @param ret_io  the file, open for reading and writing; end with io_close()
 *  @return 0; -EEXIST there is something of that name, which is untouched; what fill returned; any
 *          errno of open(2), rename(2), fsync(2) */
int io_file_create(const char *path, mode_t mode, io_fill_fn *fill, void *arg, struct io **ret_io);

/** The same, but a file that has the name is replaced at the end, at once. A directory is not.
 *  @return as io_file_create(); -EISDIR */
int io_file_replace(const char *path, mode_t mode, io_fill_fn *fill, void *arg, struct io **ret_io);

/** Make an empty file in memory that ends with io_close().
 *  @param name    for /proc/PID/maps; borrowed
 *  @param ret_io  end with io_close()
 *  @return 0; -ENOMEM; any errno of memfd_create(2) */
int io_memory_open(const char *name, struct io **ret_io);

/** @param io  taken, with its map and lock; NULL is allowed */
void io_close(struct io *io);

/* ---- use ------------------------------------------------------------------------------------- */

/** Read exactly size bytes.
 *  @return 0; -EUCLEAN the file ends before; -EIO and others */
int io_read(struct io *io, uint64_t offset, void *buf, size_t size);

/** Write all of some parts one after the other, growing the file if need be.
 *  @param parts  count of them, any number; borrowed, not changed
 *  @return 0; -EROFS; -ENOSPC, -EDQUOT, -EFBIG, -EIO: then some of it may be written */
int io_write(struct io *io, uint64_t offset, const struct iovec *parts, size_t count);

/** Bring all that was written to the disk, as fdatasync(2). After a failure the state of what was
 *  written is unknown and a later success proves nothing (I6). */
int io_sync(struct io *io);

/** Write what is in the cache of a part of the file to the disk, and wait for that, so that a sync that
 *  others wait for need not. It is only a hint: an error is that of the next sync.
 *  @param size  0: up to the end */
void io_write_back(struct io *io, uint64_t offset, uint64_t size);

/** Size of the file, bytes. */
int io_size(struct io *io, uint64_t *ret_size);

/** Cut the file, or extend it by zeros. */
int io_truncate(struct io *io, uint64_t size);

/** Map the file for reading, once, from its beginning and with room to grow: what is written later
 *  shows in the map, which never moves. Bytes beyond the end of the file must not be touched.
 *  @param least     fail if not even so many bytes of address space can be had
 *  @param most      try for this many; less is taken where address space is limited
 *  @param ret_base  the map; page-aligned, valid until io_close()
 *  @param ret_size  its size, a multiple of the page size
 *  @return 0; -ENOTSUP the file system has no shared maps; -ENOMEM */
int io_map(struct io *io, uint64_t least, uint64_t most, const void **ret_base, uint64_t *ret_size);

/** Lock a range, change the kind of lock, or unlock. A lock belongs to this opening of the file,
 * also against another one of the same process, and ends with io_close() or with the process,
 * however that ends.
 *  @param place  IO_AREA after io_area() only
 *  @param kind   IO_STORE has no exclusive ones
 *  @param range  borrowed
 *  @param wait   for those who have it; else fail
 *  @return 0; -EAGAIN somebody else has it; -ENOTSUP the file system has no locks; -ECHILD after a
 *          fork */
int io_lock(struct io *io, enum io_place place, enum io_lock kind, const struct io_range *range,
	bool wait);

/** Does anybody else have a lock in a range that keeps out one of a kind?
 *  @param kind    IO_SHARED: an exclusive lock is looked for; IO_EXCLUSIVE: any lock
 *  @param range   borrowed
 *  @param ret_by  one such lock; may be NULL */
bool io_locked(struct io *io, enum io_place place, enum io_lock kind, const struct io_range *range,
	struct io_range *ret_by);

/** Does a path lead to this file, and not to another one or to none? None leads to memory.
 *  @param path  NULL: the one under which it was opened, if any */
bool io_is_at(struct io *io, const char *path);

/** Map the memory that all who have the file open share (lockarea.h).
 *  @param size      bytes; a part beyond what was written to it may not be touched until
 *                   io_area_clear() has been called for it
 *  @param create    make it if there is none
 *  @param ret_area  ends with io_area_leave() or io_close()
 *  @return 0; -ENOENT there is none; -EACCES, -EROFS it may not be written; any errno of open(2) */
int io_area(struct io *io, size_t size, bool create, struct io_area *ret_area);

/** Unmap the shared memory, if it is mapped, and drop all locks of IO_AREA and, of a file that is
 * open for reading only, of IO_MARKS. */
void io_area_leave(struct io *io);

/** Fill part of the shared memory with zeros, and make sure that it is there: writing to it later
 *  cannot meet a full disk.
 *  @param offset  a multiple of the page size, as is size */
int io_area_clear(struct io *io, uint64_t offset, uint64_t size);

/** A descriptor that becomes readable when the file has been written, by whomever.
 *  @return it, to be closed; -ENOTSUP and others */
int io_watch(struct io *io);

/** Room where the file lies, bytes.
 *  @param ret_free   that an unprivileged user may still take
 *  @param ret_total  all there is */
int io_statfs(struct io *io, uint64_t *ret_free, uint64_t *ret_total);

/** Is the file on a file system where all who open it see the same bytes and locks?
 *  @return 0; -EREMOTE it need not be so: NFS, SMB, FUSE and the like */
int io_check_coherent(struct io *io);

/** Make a file without a name, where the file lies if that is possible, for as long as it is open.
 *  @return a descriptor to read and write it; or -errno */
int io_temporary(struct io *io);

/** Name this file in this mount of its file system. A copy of the file, the file system after it was
 *  mounted anew, and the same file in another mount have other names.
 *  @return a number; 0: the kernel does not tell what it takes */
uint64_t io_home(struct io *io);

/** Begin to bring a range of a file to memory, and do not wait for it. A hint, of which a failure
 *  says nothing: the part of the range that is behind the end of the file is left out. */
void io_prefetch(struct io *io, uint64_t offset, uint64_t size);

/** Is a page of the file in memory, so that touching it waits for no disk? If it is not, it may
 * begin to come. Where that cannot be told: yes.
 *  @param offset  a multiple of the page size, within the file */
bool io_cached(struct io *io, uint64_t offset);

#endif
