/* The I/O table of a file, and how a store's file comes to be.
 *
 * A new file gets its name only when its content is on the disk, so the name stands for a complete
 * store or for nothing, after a crash too (I7). Until then the file has no name, and the kernel
 * frees it if the process dies; on a file system without nameless files it has a hidden name.
 * io_file_replace() replaces a file of that name; with io_file_create() one of two creators fails.
 */
#include "store/error.h"
#include "store/io/io_fd.h"
#include "store/io/incoherent.h"
#include "store/io/io_lock.h"
#include "store/util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>
#include <xxhash.h>

/* Bytes in a row from which on starting early is worth its call. */
#define START_BYTES (128 << 10)

/* Start writing a long row of bytes to the disk while more is produced, so that the following sync
 * waits less (benchmark: "sequential write and fsync"). A hint: if it fails, the sync writes the
 * bytes and reports the error. */
static void file_start_early(struct io_fd *file, uint64_t offset, uint64_t size)
{
	if (offset != file->row_end)
		file->row = offset;
	file->row_end = offset + size;
	if (file->row_end - file->row < START_BYTES)
		return;
	(void)sync_file_range(file->fd, (off_t)file->row, (off_t)(file->row_end - file->row),
		SYNC_FILE_RANGE_WRITE);
	file->row = file->row_end;
}

static int file_write(struct io *io, uint64_t offset, const struct iovec *parts, size_t count)
{
	uint64_t size = 0;
	int err = io_fd_write(io, offset, parts, count);

	for (size_t i = 0; i < count; i++)
		size += parts[i].iov_len;
	if (!err)
		file_start_early((struct io_fd *)io, offset, size);
	return err;
}

static int file_sync(struct io *io)
{
	const struct io_fd *file = (const struct io_fd *)io;

	if (io->readonly)
		return 0;
	return fdatasync(file->fd) < 0 ? -errno : 0;
}

/* A failed wait is told of once for each open file, so this must not use the store's own: its next
 * fdatasync(2) would say that all is well. */
static void file_write_back(struct io *io, uint64_t offset, uint64_t size)
{
	const struct io_fd *file = (const struct io_fd *)io;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
	fd = fd_above_stdio(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
	if (fd < 0)
		return;
	(void)sync_file_range(fd, (off_t)offset, (off_t)size,
		SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
	close(fd);
}

static int file_temporary(struct io *io)
{
	const struct io_fd *file = (const struct io_fd *)io;
	char *path = realpath(file->path, NULL);
	int fd = -1;

	if (path != NULL)
		fd = fd_above_stdio(
			open(dirname(path), O_RDWR | O_TMPFILE | O_EXCL | O_CLOEXEC, 0600));
	free(path);
	return fd < 0 ? -ENOTSUP : fd;
}

static int file_statfs(struct io *io, uint64_t *ret_free, uint64_t *ret_total)
{
	const struct io_fd *file = (const struct io_fd *)io;
	struct statvfs st;

	if (fstatvfs(file->fd, &st) < 0)
		return -errno;
	*ret_free = (uint64_t)st.f_bavail * st.f_frsize;
	*ret_total = (uint64_t)st.f_blocks * st.f_frsize;
	return 0;
}

/* Before Linux 6.8 there are only mount ids that are given again after an unmount. */
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U
#endif

/* The time of birth tells a file from a later one that has its inode number. */
static uint64_t file_home(struct io *io)
{
	const unsigned wanted = STATX_INO | STATX_BTIME | STATX_MNT_ID_UNIQUE;
	const struct io_fd *file = (const struct io_fd *)io;
	struct statx stat;
	uint64_t home;

	if (statx(file->fd, "", AT_EMPTY_PATH, wanted, &stat) < 0 ||
		(stat.stx_mask & wanted) != wanted)
		return 0;
	home = XXH3_64bits(
		(uint64_t[]){stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino, stat.stx_mnt_id,
			(uint64_t)stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec},
		6 * sizeof(home));
	return home != 0 ? home : 1;
}

static void file_prefetch(struct io *io, uint64_t offset, uint64_t size)
{
	const struct io_fd *file = (const struct io_fd *)io;

	posix_fadvise(file->fd, (off_t)offset, (off_t)size, POSIX_FADV_WILLNEED);
}

/* Reading a byte without waiting costs half of mincore(2), and works for users who do not own the
 * file. */
static bool file_cached(struct io *io, uint64_t offset)
{
	const struct io_fd *file = (const struct io_fd *)io;
	char byte;
	struct iovec part = {&byte, 1};

	return preadv2(file->fd, &part, 1, (off_t)offset, RWF_NOWAIT) >= 0 || errno != EAGAIN;
}

static const struct io_ops file_ops = {
	.read = io_fd_read,
	.write = file_write,
	.sync = file_sync,
	.write_back = file_write_back,
	.size = io_fd_size,
	.truncate = io_fd_truncate,
	.map = io_fd_map,
	.lock = io_lock_set,
	.locked = io_lock_test,
	.is_at = io_lock_is_at,
	.area = io_lock_area,
	.area_leave = io_fd_area_leave,
	.area_clear = io_lock_area_clear,
	.watch = io_lock_watch,
	.statfs = file_statfs,
	.home = file_home,
	.temporary = file_temporary,
	.check_coherent = incoherent_check,
	.prefetch = file_prefetch,
	.cached = file_cached,
	.close = io_fd_close,
};

static int file_new(int fd, const char *path, bool readonly, struct io **ret_io)
{
	struct io *io = NULL;
	int err = io_fd_new(fd, &file_ops, true, readonly, &io);

	if (err)
		return err;
	((struct io_fd *)io)->path = strdup(path);
	if (((struct io_fd *)io)->path == NULL) {
		io_close(io);
		return -ENOMEM;
	}
	*ret_io = io;
	return 0;
}

/* Only a regular file can be a store. */
static int file_check_kind(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return error_set(-EMEDIUMTYPE, "it is not a regular file");
	return 0;
}

/* Without O_NONBLOCK opening a fifo would wait for its other end. */
int io_file_open(const char *path, bool readonly, struct io **ret_io)
{
	int flags = (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd, err;

	do
		fd = fd_above_stdio(open(path, flags));
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return errno == ENXIO ? error_set(-EMEDIUMTYPE, "it is not a regular file")
				      : -errno;
	err = file_check_kind(fd);
	if (err) {
		close(fd);
		return err;
	}
	return file_new(fd, path, readonly, ret_io);
}

/* ---- creation -------------------------------------------------------------------------------- */

/* A file that is being created. Names are relative to the directory. */
struct creation {
	mode_t mode;
	int dir;
	const char *name;
	char temp[32]; /* its hidden name, or "" */
	char open[32]; /* path of its descriptor while it has no name */
	bool replace;  /* a file that has the name */
};

/* Open the directory that path lies in. */
static int creation_open_parent(const char *path, struct creation *new)
{
	const char *slash = strrchr(path, '/');
	char *parent;

	new->name = slash != NULL ? slash + 1 : path;
	if (*new->name == '\0')
		return *path == '\0' ? -ENOENT : -EISDIR;
	parent = slash != NULL ? strndup(path, (size_t)(new->name - path)) : strdup(".");
	if (parent == NULL)
		return -ENOMEM;
	new->dir = fd_above_stdio(open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	free(parent);
	return new->dir < 0 ? -errno : 0;
}

/* Make up a hidden name. */
static int creation_draw_name(struct creation *new)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	snprintf(new->temp, sizeof(new->temp), ".keytree-%016llx", (unsigned long long)random);
	return 0;
}

/* Open a new file under a hidden name that is not taken. */
static int creation_open_temp(struct creation *new, int *ret_fd)
{
	for (;;) {
		int fd, err = creation_draw_name(new);

		if (err)
			return err;
		fd = fd_above_stdio(openat(
			new->dir, new->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, new->mode));
		if (fd >= 0) {
			*ret_fd = fd;
			return 0;
		}
		if (errno != EEXIST && errno != EINTR)
			return -errno;
	}
}

/* Open a new file without a name, where the file system can do that and linkat(2) can name it. */
static int creation_open_nameless(struct creation *new, int *ret_fd)
{
	int fd = fd_above_stdio(openat(new->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, new->mode));

	if (fd < 0)
		return -errno;
	snprintf(new->open, sizeof(new->open), "/proc/self/fd/%d", fd);
	if (access(new->open, F_OK) < 0) {
		close(fd);
		new->open[0] = '\0';
		return -ENOTSUP;
	}
	*ret_fd = fd;
	return 0;
}

static int creation_open_new(struct creation *new, int *ret_fd)
{
	return creation_open_nameless(new, ret_fd) == 0 ? 0 : creation_open_temp(new, ret_fd);
}

/* Give the new file the owner and mode of the file that it replaces. Where the user may not set the
 * group, the group gets no rights that the mode meant for another group. */
static int creation_take_rights(const struct creation *new, int fd)
{
	struct stat old;
	mode_t mode;

	if (fstatat(new->dir, new->name, &old, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	mode = old.st_mode & 0777;
	if (fchown(fd, old.st_uid, old.st_gid) < 0 && fchown(fd, (uid_t)-1, old.st_gid) < 0)
		mode &= ~(mode_t)070;
	return fchmod(fd, mode) < 0 ? -errno : 0;
}

/* Give the file its name, replacing a file that has it. A nameless file gets a hidden name first,
 * because only a rename replaces. */
static int creation_take_name(struct creation *new)
{
	int err = new->temp[0] == '\0' ? creation_draw_name(new) : 0;

	if (err)
		return err;
	if (new->open[0] != '\0' &&
		linkat(AT_FDCWD, new->open, new->dir, new->temp, AT_SYMLINK_FOLLOW) < 0) {
		err = -errno;
		new->temp[0] = '\0';
		return err;
	}
	return renameat(new->dir, new->temp, new->dir, new->name) < 0 ? -errno : 0;
}

/* Give the file its name, unless another file has it. */
static int creation_give_name(const struct creation *new)
{
	if (new->temp[0] == '\0')
		return linkat(AT_FDCWD, new->open, new->dir, new->name, AT_SYMLINK_FOLLOW) < 0
			       ? -errno
			       : 0;
	if (renameat2(new->dir, new->temp, new->dir, new->name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* A file system without RENAME_NOREPLACE: a link does not replace either. */
	if (linkat(new->dir, new->temp, new->dir, new->name, 0) < 0)
		return -errno;
	unlinkat(new->dir, new->temp, 0);
	return 0;
}

/* Flush the new name to the disk. Some file systems cannot sync a directory, and need not. */
static int creation_sync_dir(const struct creation *new)
{
	if (fsync(new->dir) < 0 && errno != EINVAL && errno != EROFS)
		return -errno;
	return 0;
}

static int creation_fill_and_name(
	struct creation *new, struct io *io, io_fill_fn *fill, void *arg, bool *ret_named)
{
	int fd = ((struct io_fd *)io)->fd;
	int err = fill(arg, io);

	if (!err && new->replace)
		err = creation_take_rights(new, fd);
	if (err)
		return err;
	if (fsync(fd) < 0)
		return -errno;
	err = new->replace ? creation_take_name(new) : creation_give_name(new);
	if (err)
		return err;
	*ret_named = true;
	return creation_sync_dir(new);
}

static int file_create(const char *path, mode_t mode, bool replace, io_fill_fn *fill, void *arg,
	struct io **ret_io)
{
	struct creation new = {.dir = -1, .mode = mode, .replace = replace};
	struct io *io = NULL;
	bool named = false;
	int fd = -1;
	int err;

	err = creation_open_parent(path, &new);
	if (err)
		return err;
	/* A quick answer for the common cases; creation_give_name() is what decides. */
	if (faccessat(new.dir, new.name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		err = replace ? 0 : -EEXIST;
	else
		err = errno == ENOENT ? 0 : -errno;
	if (!err)
		err = creation_open_new(&new, &fd);
	if (err)
		goto out;
	err = file_new(fd, path, false, &io);
	if (!err)
		err = creation_fill_and_name(&new, io, fill, arg, &named);
	if (!err)
		*ret_io = io;
	else if (!named && new.temp[0] != '\0')
		unlinkat(new.dir, new.temp, 0);
out:
	if (err)
		io_close(io);
	close(new.dir);
	return err;
}

int io_file_create(const char *path, mode_t mode, io_fill_fn *fill, void *arg, struct io **ret_io)
{
	return file_create(path, mode, false, fill, arg, ret_io);
}

int io_file_replace(const char *path, mode_t mode, io_fill_fn *fill, void *arg, struct io **ret_io)
{
	return file_create(path, mode, true, fill, arg, ret_io);
}
