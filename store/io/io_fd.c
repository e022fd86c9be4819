/* Reading, writing and mapping through a descriptor: all of it or an error, whatever the kernel
 * does in parts. */
#include "store/io/io_fd.h"

#include "store/error.h"
#include "store/io/fault.h"
#include "store/format.h"
#include "store/util/fd.h"
#include "store/util/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The thread sanitizer dies of a map that leaves the few TiB it knows. */
#if defined(__SANITIZE_THREAD__)
#define MAP_LIMIT (UINT64_C(1) << 36)
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MAP_LIMIT (UINT64_C(1) << 36)
#endif
#endif
#ifndef MAP_LIMIT
#define MAP_LIMIT UINT64_MAX
#endif

/* A page that the kernel fills with zeros in the child of a fork. Looking at it costs less than
 * asking who one is. */
static const _Atomic char *io_fd_mark_new(void)
{
	_Atomic char *mark =
		mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mark == MAP_FAILED)
		return NULL;
	if (madvise((void *)mark, PAGE_SIZE, MADV_WIPEONFORK) < 0) {
		munmap((void *)mark, PAGE_SIZE);
		return NULL;
	}
	atomic_store(mark, 1);
	return mark;
}

static void io_fd_mark_free(const _Atomic char *mark)
{
	if (mark != NULL)
		munmap((void *)mark, PAGE_SIZE);
}

int io_fd_new(int fd, const struct io_ops *ops, bool durable, bool readonly, struct io **ret_io)
{
	struct io_fd *file = calloc(1, sizeof(*file));

	if (file == NULL) {
		close(fd);
		return -ENOMEM;
	}
	file->area_fd = -1;
	file->mark_fd = -1;
	file->io.not_forked = io_fd_mark_new();
	file->io.ops = ops;
	file->io.durable = durable;
	file->io.readonly = readonly;
	file->fd = fd;
	*ret_io = &file->io;
	return 0;
}

/* Close a descriptor of this handle. Its locks end now, even if another process still has the open
 * file: the child of a fork, or one that looks at the descriptor through /proc. In the child of a
 * fork they are the parent's, and stay. */
static void io_fd_unlock_and_close(const struct io *io, int fd)
{
	struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	if (!io_forked(io))
		(void)fcntl(fd, F_OFD_SETLK, &all);
	close(fd);
}

void io_fd_area_leave(struct io *io)
{
	struct io_fd *file = (struct io_fd *)io;

	if (file->area != NULL)
		munmap(file->area, file->area_size);
	if (file->area_fd >= 0)
		io_fd_unlock_and_close(io, file->area_fd);
	if (file->mark_fd >= 0)
		io_fd_unlock_and_close(io, file->mark_fd);
	file->area = NULL;
	file->area_fd = -1;
	file->mark_fd = -1;
}

void io_fd_close(struct io *io)
{
	struct io_fd *file = (struct io_fd *)io;

	io_fd_area_leave(io);
	if (file->base != NULL) {
		fault_unregister(file->base);
		munmap(file->base, file->map_size);
	}
	io_fd_unlock_and_close(io, file->fd);
	io_fd_mark_free(io->not_forked);
	free(file->path);
	free(file);
}

int io_fd_read_part(int fd, uint64_t offset, void *buf, size_t size)
{
	char *at = buf;

	while (size > 0) {
		ssize_t n = pread(fd, at, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		at += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

int io_fd_read(struct io *io, uint64_t offset, void *buf, size_t size)
{
	const struct io_fd *file = (const struct io_fd *)io;
	int err = io_fd_read_part(file->fd, offset, buf, size);

	if (err == -ENODATA)
		return error_damaged(
			(offset + size - 1) / PAGE_SIZE, "it lies beyond the end of the file");
	return err;
}

int io_fd_write_part(int fd, uint64_t offset, const char *at, size_t size)
{
	while (size > 0) {
		ssize_t n = pwrite(fd, at, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

/* May the file be this long? */
static int io_fd_grant(struct io_fd *file, uint64_t size)
{
	int err = size > file->granted ? fd_check_size(size) : 0;

	if (!err && size > file->granted)
		file->granted = size;
	return err;
}

int io_fd_write(struct io *io, uint64_t offset, const struct iovec *parts, size_t count)
{
	struct io_fd *file = (struct io_fd *)io;
	uint64_t end = offset;
	int err;

	for (size_t i = 0; i < count; i++)
		end += parts[i].iov_len;
	err = io_fd_grant(file, end);
	if (err)
		return err;
	while (count > 0) {
		int batch = count < IOV_MAX ? (int)count : IOV_MAX;
		ssize_t n = pwritev(file->fd, parts, batch, (off_t)offset);
		size_t done;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		offset += (uint64_t)n;
		for (done = (size_t)n; count > 0 && done >= parts->iov_len; parts++, count--)
			done -= parts->iov_len;
		if (done == 0)
			continue;
		/* It stopped within a part. */
		err = io_fd_write_part(file->fd, offset, (const char *)parts->iov_base + done,
			parts->iov_len - done);
		if (err)
			return err;
		offset += parts->iov_len - done;
		parts++;
		count--;
	}
	return 0;
}

int io_fd_size(struct io *io, uint64_t *ret_size)
{
	const struct io_fd *file = (const struct io_fd *)io;
	struct stat st;

	if (fstat(file->fd, &st) < 0)
		return -errno;
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

int io_fd_truncate(struct io *io, uint64_t size)
{
	struct io_fd *file = (struct io_fd *)io;
	int err = io_fd_grant(file, size);

	if (err)
		return err;
	file->granted = size;
	while (ftruncate(file->fd, (off_t)size) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* A limit on address space (ulimit -v) is common in containers. The map takes half of what is left,
 * so that stacks and the heap have the rest; where another limit exists (an emulator's, say), the
 * map is halved until it is granted, and then once more. */
int io_fd_map(
	struct io *io, uint64_t least, uint64_t most, const void **ret_base, uint64_t *ret_size)
{
	struct io_fd *file = (struct io_fd *)io;
	uint64_t room = memory_address_room() / PAGE_SIZE * PAGE_SIZE;
	uint64_t size = most < MAP_LIMIT ? most : MAP_LIMIT;
	bool halved = false;
	void *base;

	if (size > room)
		size = room;
	if (size < least)
		return error_set(-ENOMEM, "too little address space to map the store");
	for (;;) {
		base = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_NORESERVE, file->fd, 0);
		if (base != MAP_FAILED && (!halved || size / 2 < least))
			break;
		if (base != MAP_FAILED) {
			munmap(base, size);
			size = size / 2 / PAGE_SIZE * PAGE_SIZE;
			halved = false;
			continue;
		}
		/* An emulator may refuse a size with EINVAL, a file system every size. */
		if (errno == ENODEV || errno == EOPNOTSUPP || (errno == EINVAL && size == least))
			return error_set(-ENOTSUP, "its file system does not allow shared maps");
		if (errno != ENOMEM && errno != EINVAL)
			return -errno;
		if (size == least)
			return error_set(-ENOMEM, "too little address space to map the store");
		halved = true;
		size = size / 2 / PAGE_SIZE * PAGE_SIZE;
		if (size < least)
			size = least;
	}
	/* A process that crashes would walk through all of that for hours before it ends, and with
	 * it its mount. Of what is stored the file itself tells. */
	madvise(base, size, MADV_DONTDUMP);
	file->base = base;
	file->map_size = size;
	fault_register(base, size, file->fd, io->faults);
	*ret_base = base;
	*ret_size = size;
	return 0;
}
