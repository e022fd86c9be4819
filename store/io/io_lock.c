#include "store/io/io_lock.h"

#include "store/error.h"
#include "store/format.h"
#include "store/io/io_fd.h"
#include "store/util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- locks ----------------------------------------------------------------------------------- */

static struct flock io_lock_to_flock(short type, const struct io_range *range)
{
	return (struct flock){.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)range->start,
		.l_len = (off_t)range->count};
}

static const short io_lock_types[] = {
	[IO_UNLOCKED] = F_UNLCK, [IO_SHARED] = F_RDLCK, [IO_EXCLUSIVE] = F_WRLCK};

static bool io_lock_is_file(int fd, const char *path, struct stat *ret_store)
{
	struct stat st;

	return fstat(fd, ret_store) == 0 && stat(path, &st) == 0 &&
	       st.st_dev == ret_store->st_dev && st.st_ino == ret_store->st_ino;
}

/* The store's file once more, for writing. */
static int io_lock_open_marks(struct io_fd *file)
{
	int fd = fd_above_stdio(open(file->path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
	struct stat st;

	if (fd < 0)
		return -errno;
	if (!io_lock_is_file(file->fd, file->path, &st)) {
		close(fd);
		return error_set(-ESTALE, "it was replaced while it was opened");
	}
	file->mark_fd = fd;
	return 0;
}

static int io_lock_place_fd(const struct io_fd *file, enum io_place place)
{
	if (place == IO_AREA)
		return file->area_fd;
	return place == IO_MARKS && file->io.readonly ? file->mark_fd : file->fd;
}

int io_lock_set(struct io *io, enum io_place place, enum io_lock kind, const struct io_range *range,
	bool wait)
{
	struct io_fd *file = (struct io_fd *)io;
	struct flock lock = io_lock_to_flock(io_lock_types[kind], range);
	int err = 0;

	if (place == IO_MARKS && io->readonly && file->mark_fd < 0)
		err = io_lock_open_marks(file);
	if (err != 0)
		return err;
	while (fcntl(io_lock_place_fd(file, place), wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock) < 0) {
		switch (errno) {
		case EINTR:
			continue;
		case EAGAIN:
		case EACCES:
			return -EAGAIN;
		case ENOLCK:
		case ENOSYS:
		case EINVAL:
		case EOPNOTSUPP:
			return error_set(-ENOTSUP, "its file system has no locks");
		default:
			return -errno;
		}
	}
	return 0;
}

bool io_lock_test(struct io *io, enum io_place place, enum io_lock kind,
	const struct io_range *range, struct io_range *ret_by)
{
	const struct io_fd *file = (const struct io_fd *)io;
	struct flock lock = io_lock_to_flock(io_lock_types[kind], range);

	/* Whether it fails has been seen when the first lock was set. */
	if (fcntl(io_lock_place_fd(file, place), F_OFD_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return false;
	ret_by->start = (uint64_t)lock.l_start;
	ret_by->count = (uint64_t)lock.l_len;
	return true;
}

/* ---- the shared memory ----------------------------------------------------------------------- */

/* Name of the lock file: beside the store's file, whatever links have led there. */
static int io_lock_area_path(const struct io_fd *file, struct stat *ret_store, char **ret_path)
{
	char *real = realpath(file->path, NULL);
	int err = 0;

	if (real == NULL)
		return -errno;
	if (!io_lock_is_file(file->fd, real, ret_store))
		err = error_set(-ESTALE, "it was replaced while it was opened");
	else if (asprintf(ret_path, "%s-lock", real) < 0)
		err = -ENOMEM;
	free(real);
	return err;
}

bool io_lock_is_at(struct io *io, const char *path)
{
	const struct io_fd *file = (const struct io_fd *)io;
	struct stat st;

	return io_lock_is_file(file->fd, path != NULL ? path : file->path, &st);
}

/* Mode of the lock file: those who may write the store may read and write it, and nobody else may
 * do either. The owner of the store may give himself every right to it. */
static mode_t io_lock_area_mode(const struct stat *store)
{
	mode_t mode = S_IRUSR | S_IWUSR;

	if (store->st_mode & S_IWGRP)
		mode |= S_IRGRP | S_IWGRP;
	if (store->st_mode & S_IWOTH)
		mode |= S_IROTH | S_IWOTH;
	return mode;
}

/* Make the lock file. */
static int io_lock_create_area(const char *path, const struct stat *store, int *ret_fd)
{
	int fd = fd_above_stdio(
		open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
	int err = 0;

	if (fd < 0)
		return -errno;
	/* Another owner only the superuser can make; for the others he is right already, or they
	 * may write the store as members of its group. */
	if (fchown(fd, store->st_uid, store->st_gid) < 0 &&
		fchown(fd, (uid_t)-1, store->st_gid) < 0 && errno != EPERM)
		err = -errno;
	if (err != 0 || fchmod(fd, io_lock_area_mode(store)) < 0) {
		err = err != 0 ? err : -errno;
		close(fd);
		unlink(path);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

/* In a directory that everybody may write, another user may have put a file or a hard link there. */
static int io_lock_check_area(int fd, const struct stat *store, struct stat *ret_st)
{
	uint64_t magic = 0;
	bool shared;
	int err;

	if (fstat(fd, ret_st) < 0)
		return -errno;
	if (!S_ISREG(ret_st->st_mode))
		return error_set(-EACCES, "its lock file is not a regular file");
	if (ret_st->st_nlink != 1)
		return error_set(-EACCES, "its lock file has another name, or none any more");
	shared = (store->st_mode & 02) != 0 ||
		 ((store->st_mode & 020) != 0 && ret_st->st_gid == store->st_gid);
	if (ret_st->st_uid != store->st_uid && ret_st->st_uid != 0 && ret_st->st_uid != geteuid() &&
		!shared)
		return error_set(-EACCES, "its lock file belongs to another user");
	/* It is filled with zeros before it is used, so it must not be somebody's document. */
	if (ret_st->st_size == 0)
		return 0;
	err = io_fd_read_part(fd, 0, &magic, sizeof(magic));
	if (err && err != -ENODATA)
		return err;
	if (err || (magic != 0 && (magic ^ IO_AREA_MAGIC) << 8 != 0))
		return error_set(-EACCES, "what has the name of its lock file is another file");
	return 0;
}

/* The mode of the store may have changed, and an older version gave more rights than are needed.
 * Whom the file belongs to may correct it; for the others it stays as it is. */
static void io_lock_correct_mode(int fd, const struct stat *st, const struct stat *store)
{
	if ((st->st_mode & 0777) != io_lock_area_mode(store))
		(void)fchmod(fd, io_lock_area_mode(store));
}

static int io_lock_open_area(const char *path, const struct stat *store, bool create, int *ret_fd)
{
	int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
	int fd = fd_above_stdio(open(path, flags));
	int err;

	if (fd < 0 && errno == ENOENT && create) {
		err = io_lock_create_area(path, store, &fd);
		if (err != 0)
			return error_set(err, "its lock file cannot be made");
	} else if (fd < 0) {
		return error_set(-errno, "its lock file cannot be opened");
	}
	*ret_fd = fd;
	return 0;
}

/* Map the lock file, which is sparse: as long as all of the memory. */
static int io_lock_map_area(struct io_fd *file, int fd, const struct stat *st, size_t size)
{
	void *area;

	if ((uint64_t)st->st_size < size && fd_check_size(size) != 0)
		return error_set(-EFBIG, "its lock file would exceed the limit of file sizes");
	if ((uint64_t)st->st_size < size && ftruncate(fd, (off_t)size) < 0)
		return -errno;
	area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (area == MAP_FAILED)
		return errno == ENODEV || errno == EINVAL
			       ? error_set(-ENOTSUP, "its file system does not allow shared maps")
			       : -errno;
	file->area_fd = fd;
	file->area = area;
	file->area_size = size;
	return 0;
}

int io_lock_area(struct io *io, size_t size, bool create, struct io_area *ret_area)
{
	struct io_fd *file = (struct io_fd *)io;
	struct stat store, st;
	char *path = NULL;
	int fd = -1;
	int err = io_lock_area_path(file, &store, &path);

	if (!err)
		err = io_lock_open_area(path, &store, create, &fd);
	free(path);
	if (err != 0)
		return err;
	err = io_lock_check_area(fd, &store, &st);
	if (!err)
		err = io_lock_map_area(file, fd, &st, size);
	if (err != 0) {
		close(fd);
		return err;
	}
	io_lock_correct_mode(fd, &st, &store);
	ret_area->memory = file->area;
	ret_area->number = st.st_ino ^ (uint64_t)st.st_dev * UINT64_C(0x9E3779B97F4A7C15);
	ret_area->device = store.st_dev;
	ret_area->inode = store.st_ino;
	ret_area->links = store.st_nlink;
	return 0;
}

int io_lock_area_clear(struct io *io, uint64_t offset, uint64_t size)
{
	static const char zeros[PAGE_SIZE];
	const struct io_fd *file = (const struct io_fd *)io;
	int err = 0;

	for (uint64_t end = offset + size; !err && offset < end; offset += PAGE_SIZE)
		err = io_fd_write_part(file->area_fd, offset, zeros, PAGE_SIZE);
	return err;
}

/* ---- watching -------------------------------------------------------------------------------- */

int io_lock_watch(struct io *io)
{
	const struct io_fd *file = (const struct io_fd *)io;
	char path[64];
	int fd = fd_above_stdio(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));

	if (fd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
	if (inotify_add_watch(fd, path, IN_MODIFY) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}
