#include "disk.h"

#include "memory.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAP_SIZE (UINT64_C(1) << 30)

/** An open file on the disk. */
struct handle {
	struct io io;
	struct disk *disk;
	bool dead;
	void *map;
	void *area;
	size_t area_size;
};

static struct disk *disk_of(struct io *io)
{
	return ((struct handle *)io)->disk;
}

static bool dead(struct io *io)
{
	return ((struct handle *)io)->dead;
}

/* No two platters have the same, not even if one disk takes the place of another in memory. */
static uint64_t new_generation(void)
{
	static uint64_t last;

	return ++last;
}

/* ---- the cache ------------------------------------------------------------------------------- */

static void touch(struct disk *disk, uint64_t offset, uint64_t size)
{
	if (disk->base_generation == 0 || size == 0)
		return;
	for (uint64_t page = offset / PAGE_SIZE; page <= (offset + size - 1) / PAGE_SIZE; page++) {
		if (disk->touched_count == DISK_PAGES)
			disk->base_generation = 0; /* copy all the next time */
		else
			disk->touched[disk->touched_count++] = (uint32_t)page;
	}
}

void disk_resize(struct disk *disk, uint64_t size)
{
	int r = ftruncate(disk->fd, (off_t)size);

	assert(r == 0 && size <= DISK_SIZE);
	if (size < disk->size)
		touch(disk, size, disk->size - size);
	disk->size = size;
}

void disk_poke(struct disk *disk, uint64_t offset, const void *data, uint64_t size)
{
	if (offset + size > disk->size)
		disk_resize(disk, offset + size);
	memcpy(disk->cache + offset, data, size);
	touch(disk, offset, size);
}

void disk_rebase(struct disk *disk, const struct disk *base)
{
	bool same = disk->base_generation == base->generation;

	disk_resize(disk, base->platter_size);
	for (size_t i = 0; same && i < disk->touched_count; i++) {
		uint64_t at = (uint64_t)disk->touched[i] * PAGE_SIZE;
		uint64_t left = at < disk->size ? disk->size - at : 0;

		memcpy(disk->cache + at, base->platter + at, left < PAGE_SIZE ? left : PAGE_SIZE);
	}
	if (!same)
		memcpy(disk->cache, base->platter, disk->size);
	disk->touched_count = 0;
	disk->base_generation = base->generation;
	disk->recording = false;
	disk->writes = 0;
}

/* ---- events ---------------------------------------------------------------------------------- */

static void forget_events(struct disk *disk)
{
	for (size_t i = 0; i < disk->count; i++)
		free(disk->events[i].data);
	disk->count = 0;
}

static struct disk_event *new_event(struct disk *disk)
{
	if (disk->count == disk->capacity) {
		bool entered = memory_leave();

		disk->capacity = disk->capacity * 2 + 64;
		disk->events = realloc(disk->events, disk->capacity * sizeof(*disk->events));
		assert(disk->events != NULL);
		memory_restore(entered);
	}
	disk->events[disk->count] = (struct disk_event){.mark = disk->mark, .before = disk->size};
	disk->made++;
	return &disk->events[disk->count++];
}

static void arrive(struct disk *disk, const struct disk_event *event)
{
	uint64_t end = event->data != NULL ? event->offset + event->size : event->size;

	if (event->data != NULL)
		memcpy(disk->platter + event->offset, event->data, event->size);
	else if (disk_event_cuts(event) && end < disk->platter_size)
		memset(disk->platter + end, 0, disk->platter_size - end);
	if (disk_event_cuts(event) || end > disk->platter_size)
		disk->platter_size = end;
}

void disk_settle(struct disk *disk)
{
	forget_events(disk);
	memcpy(disk->platter, disk->cache, disk->size);
	disk->platter_size = disk->size;
	disk->generation = new_generation();
	disk->coherent = true;
	disk->recording = true;
}

static bool chance(struct disk *disk)
{
	disk->random = disk->random * 6364136223846793005u + 1442695040888963407u;
	return disk->random >> 63;
}

/* A part of a write, cut at any byte. */
static uint64_t part_of(struct disk *disk, uint64_t size)
{
	(void)chance(disk);
	return (disk->random >> 20) % size;
}

/* Does this call fail? */
static bool fails(struct disk *disk, enum disk_call call)
{
	return (disk->fault.calls & call) && disk->fault.count > 0 && --disk->fault.count == 0;
}

/* The bytes of all parts, in memory of their own. */
static uint8_t *join(const struct iovec *parts, size_t count, uint64_t *ret_size)
{
	bool entered = memory_leave();
	uint8_t *data;
	uint64_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += parts[i].iov_len;
	data = malloc(size);
	assert(data != NULL);
	size = 0;
	for (size_t i = 0; i < count; i++) {
		memcpy(data + size, parts[i].iov_base, parts[i].iov_len);
		size += parts[i].iov_len;
	}
	*ret_size = size;
	memory_restore(entered);
	return data;
}

/* ---- the table ------------------------------------------------------------------------------- */

static int do_read(struct io *io, uint64_t offset, void *buf, size_t size)
{
	struct disk *disk = disk_of(io);

	if (offset > disk->size || size > disk->size - offset)
		return -EUCLEAN;
	memcpy(buf, disk->cache + offset, size);
	return 0;
}

static int do_write(struct io *io, uint64_t offset, const struct iovec *parts, size_t count)
{
	struct disk *disk = disk_of(io);
	uint64_t size;
	uint8_t *data;
	int err = 0;

	if (dead(io))
		return -EIO;
	data = join(parts, count, &size);
	assert(offset + size <= DISK_SIZE);
	if (fails(disk, DISK_WRITE)) {
		err = disk->fault.err;
		size = disk->fault.partial ? part_of(disk, size) : 0;
		((struct handle *)io)->dead = disk->fault.kill;
	}
	disk->writes++;
	disk_poke(disk, offset, data, size);
	if (disk->recording && size > 0) {
		struct disk_event *event = new_event(disk);

		event->offset = offset;
		event->size = size;
		event->data = data;
	} else {
		free(data);
	}
	return err;
}

static int do_truncate(struct io *io, uint64_t size)
{
	struct disk *disk = disk_of(io);

	if (dead(io))
		return -EIO;
	if (fails(disk, DISK_TRUNCATE)) {
		((struct handle *)io)->dead = disk->fault.kill;
		return disk->fault.err;
	}
	disk->writes++;
	disk->cuts += size < disk->size;
	if (disk->recording)
		new_event(disk)->size = size;
	disk_resize(disk, size);
	return 0;
}

static bool slot_was_written(const struct disk *disk)
{
	for (size_t i = 0; i < disk->count; i++)
		if (disk->events[i].data != NULL && disk->events[i].offset < PAGE_WEAK * PAGE_SIZE)
			return true;
	return false;
}

static int failed_sync(struct disk *disk)
{
	for (size_t i = 0; disk->fault.partial && i < disk->count; i++)
		if (chance(disk))
			arrive(disk, &disk->events[i]);
	forget_events(disk);
	disk->generation = new_generation();
	disk->coherent = false;
	if (disk->fault.loss == DISK_DROPS) { /* but the file keeps its size */
		uint64_t kept = disk->size < disk->platter_size ? disk->size : disk->platter_size;

		memcpy(disk->cache, disk->platter, kept);
		memset(disk->cache + kept, 0, disk->size - kept);
	}
	return disk->fault.err;
}

static int do_sync(struct io *io)
{
	struct disk *disk = disk_of(io);

	if (dead(io))
		return -EIO;
	disk->syncs++;
	if (!disk->recording)
		return 0;
	if (disk->watch != NULL)
		disk->watch(disk->watch_arg, disk);
	if (fails(disk, DISK_SYNC)) {
		((struct handle *)io)->dead = disk->fault.kill;
		return disk->fault.kill ? -EIO : failed_sync(disk);
	}
	if (disk->lies || (disk->reorder && !slot_was_written(disk)))
		return 0;
	for (size_t i = 0; i < disk->count; i++)
		arrive(disk, &disk->events[i]);
	disk->generation = new_generation();
	forget_events(disk);
	return 0;
}

static int do_size(struct io *io, uint64_t *ret_size)
{
	*ret_size = disk_of(io)->size;
	return 0;
}

static int do_map(
	struct io *io, uint64_t least, uint64_t most, const void **ret_base, uint64_t *ret_size)
{
	struct handle *handle = (struct handle *)io;
	uint64_t size = most < MAP_SIZE ? most : MAP_SIZE;

	assert(least <= size && handle->map == NULL);
	handle->map = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_NORESERVE, handle->disk->fd, 0);
	assert(handle->map != MAP_FAILED);
	*ret_base = handle->map;
	*ret_size = size;
	return 0;
}

/* A handle is alone: what is shared with other processes is tested with real ones. */

static int do_lock(struct io *io, enum io_place place, enum io_lock kind,
	const struct io_range *range, bool wait)
{
	(void)io;
	(void)place;
	(void)kind;
	(void)range;
	(void)wait;
	return 0;
}

static bool do_locked(struct io *io, enum io_place place, enum io_lock kind,
	const struct io_range *range, struct io_range *ret_by)
{
	(void)io;
	(void)place;
	(void)kind;
	(void)range;
	(void)ret_by;
	return false;
}

static int do_area(struct io *io, size_t size, bool create, struct io_area *ret_area)
{
	struct handle *handle = (struct handle *)io;

	(void)create;
	handle->area = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert(handle->area != MAP_FAILED);
	handle->area_size = size;
	*ret_area = (struct io_area){.memory = handle->area};
	return 0;
}

static void do_area_leave(struct io *io)
{
	struct handle *handle = (struct handle *)io;

	if (handle->area != NULL)
		munmap(handle->area, handle->area_size);
	handle->area = NULL;
}

static int do_area_clear(struct io *io, uint64_t offset, uint64_t size)
{
	memset((char *)((struct handle *)io)->area + offset, 0, size);
	return 0;
}

static int do_watch(struct io *io)
{
	(void)io;
	return -ENOTSUP;
}

static int do_statfs(struct io *io, uint64_t *ret_free, uint64_t *ret_total)
{
	*ret_free = DISK_SIZE - disk_of(io)->size;
	*ret_total = DISK_SIZE;
	return 0;
}

static uint64_t do_home(struct io *io)
{
	return disk_of(io)->home;
}

static void do_close(struct io *io)
{
	struct handle *handle = (struct handle *)io;

	if (handle->map != NULL)
		munmap(handle->map, MAP_SIZE);
	do_area_leave(io);
	free(handle);
}

static const struct io_ops disk_ops = {
	.read = do_read,
	.write = do_write,
	.sync = do_sync,
	.size = do_size,
	.truncate = do_truncate,
	.map = do_map,
	.lock = do_lock,
	.locked = do_locked,
	.area = do_area,
	.area_leave = do_area_leave,
	.area_clear = do_area_clear,
	.watch = do_watch,
	.statfs = do_statfs,
	.home = do_home,
	.close = do_close,
};

struct io *disk_handle(struct disk *disk)
{
	struct handle *handle = calloc(1, sizeof(*handle));

	assert(handle != NULL);
	handle->io.ops = &disk_ops;
	handle->io.durable = true;
	handle->disk = disk;
	return &handle->io;
}

struct disk *disk_new(void)
{
	struct disk *disk = calloc(1, sizeof(*disk));

	assert(disk != NULL);
	disk->fd = memfd_create("disk", MFD_CLOEXEC);
	assert(disk->fd >= 0);
	disk->cache = mmap(
		NULL, DISK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, disk->fd, 0);
	disk->platter = mmap(NULL, DISK_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert(disk->cache != MAP_FAILED && disk->platter != MAP_FAILED);
	return disk;
}

void disk_free(struct disk *disk)
{
	forget_events(disk);
	free(disk->events);
	munmap(disk->cache, DISK_SIZE);
	munmap(disk->platter, DISK_SIZE);
	close(disk->fd);
	free(disk);
}
