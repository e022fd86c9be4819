/* kt_compact() beside a slow disk: it holds nobody up for longer than a small step takes. */
#include "tests/unit/store/compact/compact_world.h"

#include "store/io/io.h"
#include "store/share/writer_lock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

void __real_io_write_back(struct io *io, uint64_t offset, uint64_t size);
int __real_io_write(struct io *io, uint64_t offset, const struct iovec *parts, size_t count);
int __real_io_sync(struct io *io);
int __wrap_io_write(struct io *io, uint64_t offset, const struct iovec *parts, size_t count);
void __wrap_io_write_back(struct io *io, uint64_t offset, uint64_t size);
int __wrap_io_sync(struct io *io);

/* What the disk saw since compacting began. A page takes DISK_NS to reach it. */
#define DISK_NS 500000

static struct {
	struct kt_store *store; /* NULL: nothing is counted */
	uint64_t cached;	/* bytes that were written and are not on the disk */
	uint64_t held;		/* most of them that a sync had to write: others wait for that */
	unsigned syncs, write_backs, locked;
} disk;

static void disk_work(uint64_t bytes)
{
	int64_t ns = (int64_t)(bytes / 4096) * DISK_NS;
	const struct timespec time = {ns / 1000000000, ns % 1000000000};

	nanosleep(&time, NULL);
}

int __wrap_io_write(struct io *io, uint64_t offset, const struct iovec *parts, size_t count)
{
	for (size_t i = 0; disk.store != NULL && i < count; i++)
		disk.cached += parts[i].iov_len;
	return __real_io_write(io, offset, parts, count);
}

void __wrap_io_write_back(struct io *io, uint64_t offset, uint64_t size)
{
	__real_io_write_back(io, offset, size);
	if (disk.store == NULL)
		return;
	disk.write_backs++;
	disk.locked += writer_lock_is_held(disk.store);
	disk_work(disk.cached);
	disk.cached = 0;
}

int __wrap_io_sync(struct io *io)
{
	if (disk.store != NULL) {
		disk.syncs++;
		disk.held = disk.cached > disk.held ? disk.cached : disk.held;
		disk_work(disk.cached);
		disk.cached = 0;
	}
	return __real_io_sync(io);
}

/* What a step has written goes to the disk while others may write, and a flush has next to nothing
 * left to do. */
static void others_go_on(void **state)
{
	struct compact_world *f = *state;

	compact_age(f, f->store, 1500, 3000, VALUE_MAX);
	assert_int_equal(kt_flush(f->store), 0);
	disk.store = f->store;
	assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
	disk.store = NULL;
	print_message("%u steps, %u syncs, one of them had %llu bytes to write\n", disk.write_backs,
		disk.syncs, (unsigned long long)disk.held);
	assert_true(disk.write_backs > 10);
	assert_int_equal(disk.locked, 0);
	/* At the end of the file's growth a commit flushes itself: of one branch and a small step. */
	assert_true(disk.held <= 300 * 4096);
	compact_assert_sound(f->store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(others_go_on, compact_setup, compact_teardown),
	};

	return cmocka_run_group_tests_name("compact_pace", tests, NULL, NULL);
}
