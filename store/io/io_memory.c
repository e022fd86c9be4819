/* The I/O table of a store in memory: an anonymous file, so that it is mapped, grown and read just
 * as one on the disk. */
#include "store/io/io_fd.h"
#include "store/util/fd.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

static int memory_sync(struct io *io)
{
	(void)io;
	return 0;
}

/* Nobody else can open it: every lock is free, and what is shared is shared with nobody. */

static int memory_lock(struct io *io, enum io_place place, enum io_lock kind,
	const struct io_range *range, bool wait)
{
	(void)io;
	(void)place;
	(void)kind;
	(void)range;
	(void)wait;
	return 0;
}

static bool memory_locked(struct io *io, enum io_place place, enum io_lock kind,
	const struct io_range *range, struct io_range *ret_by)
{
	(void)io;
	(void)place;
	(void)kind;
	(void)range;
	(void)ret_by;
	return false;
}

static int memory_area(struct io *io, size_t size, bool create, struct io_area *ret_area)
{
	struct io_fd *file = (struct io_fd *)io;
	void *area = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)create;
	if (area == MAP_FAILED)
		return -ENOMEM;
	file->area = area;
	file->area_size = size;
	*ret_area = (struct io_area){.memory = area};
	return 0;
}

static int memory_area_clear(struct io *io, uint64_t offset, uint64_t size)
{
	const struct io_fd *file = (const struct io_fd *)io;

	memset((char *)file->area + offset, 0, size);
	return 0;
}

static int memory_watch(struct io *io)
{
	(void)io;
	return -ENOTSUP;
}

static int memory_statfs(struct io *io, uint64_t *ret_free, uint64_t *ret_total)
{
	struct sysinfo info;

	(void)io;
	if (sysinfo(&info) < 0)
		return -errno;
	*ret_free = (uint64_t)info.freeram * info.mem_unit;
	*ret_total = (uint64_t)info.totalram * info.mem_unit;
	return 0;
}

static const struct io_ops memory_ops = {
	.read = io_fd_read,
	.write = io_fd_write,
	.sync = memory_sync,
	.size = io_fd_size,
	.truncate = io_fd_truncate,
	.map = io_fd_map,
	.lock = memory_lock,
	.locked = memory_locked,
	.area = memory_area,
	.area_leave = io_fd_area_leave,
	.area_clear = memory_area_clear,
	.watch = memory_watch,
	.statfs = memory_statfs,
	.close = io_fd_close,
};

/* memfd_create() allows 249 bytes and refuses more; the name is for people only. */
#define NAME_MAX_MEMFD 249

int io_memory_open(const char *name, struct io **ret_io)
{
	char cut[NAME_MAX_MEMFD + 1];
	size_t i;
	int fd;

	for (i = 0; i < NAME_MAX_MEMFD && name[i] != '\0'; i++)
		cut[i] = name[i];
	cut[i] = '\0';
	fd = fd_above_stdio(memfd_create(cut, MFD_CLOEXEC));
	if (fd < 0)
		return -errno;
	return io_fd_new(fd, &memory_ops, false, false, ret_io);
}
