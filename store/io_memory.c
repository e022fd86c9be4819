/* The I/O table of a store in memory: an anonymous file, so that it is mapped, grown and read just
 * as one on the disk. */
#include "io_fd.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

static int memory_sync(struct io *io)
{
	(void)io;
	return 0;
}

/* Nobody else can open it. */
static int memory_lock(struct io *io, bool write)
{
	(void)io;
	(void)write;
	return 0;
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
	fd = memfd_create(cut, MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	return io_fd_new(fd, &memory_ops, false, false, ret_io);
}
