/* The calls of the I/O table. What holds for every table is checked here. */
#include "store/io/io.h"

#include "store/util/fd.h"

#include <errno.h>
#include <sys/mman.h>

#include "store/error.h"
#include "store/format.h"

#include <assert.h>
#include <errno.h>

void io_close(struct io *io)
{
	if (io != NULL)
		io->ops->close(io);
}

int io_read(struct io *io, uint64_t offset, void *buf, size_t size)
{
	return io->ops->read(io, offset, buf, size);
}

int io_write(struct io *io, uint64_t offset, const struct iovec *parts, size_t count)
{
	int err;

	if (io->readonly)
		return -EROFS;
	if (io_forked(io))
		return -ECHILD;
	err = io->ops->write(io, offset, parts, count);
	/* the bytes are pages of the map, which the kernel could not read */
	return err == -EFAULT ? error_set(-EIO, "a page of the file cannot be read") : err;
}

int io_sync(struct io *io)
{
	return io->ops->sync(io);
}

void io_write_back(struct io *io, uint64_t offset, uint64_t size)
{
	if (io->ops->write_back != NULL)
		io->ops->write_back(io, offset, size);
}

int io_size(struct io *io, uint64_t *ret_size)
{
	return io->ops->size(io, ret_size);
}

int io_truncate(struct io *io, uint64_t size)
{
	if (io->readonly)
		return -EROFS;
	if (io_forked(io))
		return -ECHILD;
	return io->ops->truncate(io, size);
}

int io_map(struct io *io, uint64_t least, uint64_t most, const void **ret_base, uint64_t *ret_size)
{
	assert(least > 0 && least <= most);
	assert(least % PAGE_SIZE == 0 && most % PAGE_SIZE == 0);
	return io->ops->map(io, least, most, ret_base, ret_size);
}

int io_lock(struct io *io, enum io_place place, enum io_lock kind, const struct io_range *range,
	bool wait)
{
	assert(place != IO_STORE || kind != IO_EXCLUSIVE);
	if (io_forked(io))
		return -ECHILD;
	return io->ops->lock(io, place, kind, range, wait);
}

bool io_locked(struct io *io, enum io_place place, enum io_lock kind, const struct io_range *range,
	struct io_range *ret_by)
{
	struct io_range by;

	return range->count > 0 &&
	       io->ops->locked(io, place, kind, range, ret_by != NULL ? ret_by : &by);
}

bool io_is_at(struct io *io, const char *path)
{
	return io->ops->is_at != NULL ? io->ops->is_at(io, path) : path == NULL;
}

int io_temporary(struct io *io)
{
	int fd = io->ops->temporary != NULL ? io->ops->temporary(io) : -ENOTSUP;

	if (fd < 0)
		fd = fd_above_stdio(memfd_create("keytree", MFD_CLOEXEC));
	return fd < 0 ? -errno : fd;
}

int io_check_coherent(struct io *io)
{
	return io->ops->check_coherent != NULL ? io->ops->check_coherent(io) : 0;
}

int io_area(struct io *io, size_t size, bool create, struct io_area *ret_area)
{
	return io->ops->area(io, size, create, ret_area);
}

void io_area_leave(struct io *io)
{
	io->ops->area_leave(io);
}

int io_area_clear(struct io *io, uint64_t offset, uint64_t size)
{
	assert(offset % PAGE_SIZE == 0 && size % PAGE_SIZE == 0);
	return io->ops->area_clear(io, offset, size);
}

int io_watch(struct io *io)
{
	return io->ops->watch(io);
}

int io_statfs(struct io *io, uint64_t *ret_free, uint64_t *ret_total)
{
	return io->ops->statfs(io, ret_free, ret_total);
}

uint64_t io_home(struct io *io)
{
	return io->ops->home != NULL ? io->ops->home(io) : 0;
}

void io_prefetch(struct io *io, uint64_t offset, uint64_t size)
{
	if (io->ops->prefetch != NULL)
		io->ops->prefetch(io, offset, size);
}

bool io_cached(struct io *io, uint64_t offset)
{
	return io->ops->cached == NULL || io->ops->cached(io, offset);
}
