/* What is in one file, against an image of it in memory: random writes, appends, truncations, maps,
 * holes, copies and syncs, through several open files at once, and a remount now and then.
 * KEYTREE_OPS says how many operations, KEYTREE_SEED where to begin.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPS 20000
#define SIZE_MAX_HERE ((size_t)3 * 1024 * 1024)
#define HANDLES 3

struct world {
	struct fixture *fixture;
	int fd[HANDLES]; /* the last one appends */
	unsigned char *image;
	size_t size;
	unsigned char *buf;
	char done[128];
};

static size_t below(struct world *w, size_t limit)
{
	return support_random(w->fixture, (uint32_t)limit);
}

static size_t random_size(struct world *w)
{
	static const size_t limits[] = {10, 100, 5000, 70000, 700000};

	return 1 + below(w, limits[below(w, below(w, 20) ? 3 : 5)]);
}

/* Mostly near the file, and often at the edge of a page. */
static size_t random_offset(struct world *w)
{
	size_t offset = below(w, w->size + (below(w, 10) ? 1 : 100000));

	return below(w, 3) ? offset : offset / 4096 * 4096;
}

static int random_handle(struct world *w)
{
	return w->fd[below(w, HANDLES - 1)];
}

static void fill(struct world *w, size_t size)
{
	unsigned char seed = (unsigned char)below(w, 256);

	for (size_t i = 0; i < size; i++)
		w->buf[i] = (unsigned char)(seed + i * 7 + i / 251);
}

static void image_write(struct world *w, size_t offset, size_t size)
{
	memcpy(w->image + offset, w->buf, size);
	if (offset + size > w->size)
		w->size = offset + size;
}

static void image_resize(struct world *w, size_t size)
{
	if (size < w->size)
		memset(w->image + size, 0, w->size - size);
	w->size = size;
}

/* ---- operations ------------------------------------------------------------------------------ */

static void op_write(struct world *w)
{
	size_t offset = random_offset(w), size = random_size(w);

	if (offset + size > SIZE_MAX_HERE)
		return;
	snprintf(w->done, sizeof(w->done), "write %zu at %zu", size, offset);
	fill(w, size);
	assert_int_equal(pwrite(random_handle(w), w->buf, size, (off_t)offset), size);
	image_write(w, offset, size);
}

static void op_append(struct world *w)
{
	size_t size = random_size(w);

	if (w->size + size > SIZE_MAX_HERE)
		return;
	snprintf(w->done, sizeof(w->done), "append %zu at %zu", size, w->size);
	fill(w, size);
	assert_int_equal(write(w->fd[HANDLES - 1], w->buf, size), size);
	image_write(w, w->size, size);
}

static void op_read(struct world *w)
{
	size_t offset = random_offset(w), size = random_size(w);
	size_t left = offset < w->size ? w->size - offset : 0;
	ssize_t got = pread(random_handle(w), w->buf, size, (off_t)offset);

	if (got != (ssize_t)(left < size ? left : size))
		fail_msg("after %s: read %zu at %zu of %zu gives %zd", w->done, size, offset,
			w->size, got);
	if (memcmp(w->buf, w->image + offset, (size_t)got) != 0)
		fail_msg("after %s: other bytes in %zu at %zu", w->done, size, offset);
}

static void op_truncate(struct world *w)
{
	size_t size = below(w, 4) ? random_offset(w) : below(w, 100);

	snprintf(w->done, sizeof(w->done), "truncate to %zu", size);
	assert_int_equal(ftruncate(random_handle(w), (off_t)size), 0);
	image_resize(w, size);
}

static void op_map(struct world *w)
{
	size_t offset = random_offset(w), size = random_size(w);
	unsigned char *map;

	if (offset + size > w->size)
		return;
	snprintf(w->done, sizeof(w->done), "store %zu at %zu through a map", size, offset);
	map = mmap(NULL, w->size, PROT_READ | PROT_WRITE, MAP_SHARED, random_handle(w), 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	assert_memory_equal(map + offset, w->image + offset, size);
	fill(w, size);
	memcpy(map + offset, w->buf, size);
	image_write(w, offset, size);
	if (below(w, 3) == 0)
		assert_int_equal(msync(map, w->size, MS_SYNC), 0);
	assert_int_equal(munmap(map, w->size), 0);
}

static void op_allocate(struct world *w)
{
	size_t offset = random_offset(w), size = random_size(w);
	bool longer = below(w, 2), zero = below(w, 2);
	int mode = zero ? FALLOC_FL_ZERO_RANGE : 0;
	size_t end = offset + size;

	if (end > SIZE_MAX_HERE)
		return;
	if (!longer)
		mode = FALLOC_FL_KEEP_SIZE | (zero ? FALLOC_FL_PUNCH_HOLE : 0);
	snprintf(w->done, sizeof(w->done), "fallocate mode %d, %zu at %zu", mode, size, offset);
	assert_int_equal(fallocate(random_handle(w), mode, (off_t)offset, (off_t)size), 0);
	if (zero && offset < w->size)
		memset(w->image + offset, 0, (end < w->size ? end : w->size) - offset);
	if (longer && end > w->size)
		w->size = end;
}

static void op_copy(struct world *w)
{
	loff_t from = (loff_t)random_offset(w), to = (loff_t)random_offset(w);
	size_t size = random_size(w), left;
	int fd = random_handle(w);

	left = (size_t)from < w->size ? w->size - (size_t)from : 0;
	size = size < left ? size : left;
	if ((size_t)to + size > SIZE_MAX_HERE ||
		(from < to + (loff_t)size && to < from + (loff_t)size))
		return;
	snprintf(w->done, sizeof(w->done), "copy %zu from %ld to %ld", size, (long)from, (long)to);
	memcpy(w->buf, w->image + from, size);
	if (size > 0) {
		loff_t to_begin = to;

		assert_int_equal(copy_file_range(fd, &from, random_handle(w), &to, size, 0), size);
		image_write(w, (size_t)to_begin, size);
	}
}

static void op_sync(struct world *w)
{
	assert_int_equal(fsync(random_handle(w)), 0);
}

/* Data is where it is told to be: what is called a hole has zeros. */
static void op_holes(struct world *w)
{
	int fd = random_handle(w);
	off_t at = 0, data, hole;

	while ((data = lseek(fd, at, SEEK_DATA)) >= 0) {
		for (off_t i = at; i < data; i++)
			assert_int_equal(w->image[i], 0);
		hole = lseek(fd, data, SEEK_HOLE);
		assert_true(hole > data && (size_t)hole <= w->size);
		at = hole;
	}
	assert_int_equal(errno, ENXIO);
	for (size_t i = (size_t)at; i < w->size; i++)
		assert_int_equal(w->image[i], 0);
}

static int open_file(struct world *w, int handle, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/file", w->fixture->mount_dir);
	return open(path, O_RDWR | flags | (handle == HANDLES - 1 ? O_APPEND : 0), 0644);
}

static void op_reopen(struct world *w)
{
	int handle = (int)below(w, HANDLES);
	bool empty = below(w, 10) == 0;

	snprintf(w->done, sizeof(w->done), "reopen %d, empty %d", handle, empty);
	assert_int_equal(close(w->fd[handle]), 0);
	w->fd[handle] = open_file(w, handle, empty ? O_TRUNC : 0);
	assert_true(w->fd[handle] >= 0);
	if (empty)
		image_resize(w, 0);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void compare_all(struct world *w)
{
	struct stat stat;

	assert_int_equal(fstat(w->fd[0], &stat), 0);
	if ((size_t)stat.st_size != w->size)
		fail_msg("after %s: %zu bytes, not %zu", w->done, (size_t)stat.st_size, w->size);
	assert_int_equal(pread(w->fd[0], w->buf, SIZE_MAX_HERE, 0), w->size);
	for (size_t i = 0; i < w->size; i++) {
		if (w->buf[i] != w->image[i])
			fail_msg("after %s: byte %zu of %zu is %u, not %u", w->done, i, w->size,
				w->buf[i], w->image[i]);
	}
}

static void open_all(struct world *w)
{
	support_mount(w->fixture);
	for (int i = 0; i < HANDLES; i++) {
		w->fd[i] = open_file(w, i, O_CREAT);
		assert_true(w->fd[i] >= 0);
	}
}

static void close_all(struct world *w)
{
	for (int i = 0; i < HANDLES; i++)
		assert_int_equal(close(w->fd[i]), 0);
	support_unmount(w->fixture);
}

typedef void op_fn(struct world *w);

static op_fn *const ops[] = {op_write, op_write, op_write, op_write, op_append, op_append, op_read,
	op_read, op_read, op_truncate, op_map, op_map, op_allocate, op_copy, op_reopen};

/* After any operations, through any of the open files, the file is what the image is. */
static void test_data(void **state)
{
	unsigned long limit = support_operations(OPS);
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->fixture = *state;
	w->image = calloc(1, SIZE_MAX_HERE);
	w->buf = malloc(SIZE_MAX_HERE);
	assert_true(w->image != NULL && w->buf != NULL);
	open_all(w);
	for (unsigned long i = 0; i < limit; i++) {
		ops[below(w, sizeof(ops) / sizeof(ops[0]))](w);
		if (below(w, 300) == 0)
			op_sync(w);
		if (below(w, 500) == 0)
			op_holes(w);
		if (below(w, 200) == 0)
			compare_all(w);
		if (below(w, 3000) == 0) {
			close_all(w);
			assert_int_equal(support_keytree("check", w->fixture->store_path, NULL), 0);
			open_all(w);
			compare_all(w);
		}
	}
	compare_all(w);
	close_all(w);
	free(w->image);
	free(w->buf);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_data, support_setup, support_teardown),
	};

	if (!support_has_fuse())
		return SUPPORT_SKIPPED;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
