/* Which handles of which processes have the store open, and what they hold. */
#include "store/error.h"
#include "store/share/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The name of a process. */
static void process_command(uint32_t pid, char command[16])
{
	char path[32];
	ssize_t size = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		size = read(fd, command, 15);
		close(fd);
	}
	command[size > 0 ? size : 0] = '\0';
	command[strcspn(command, "\n")] = '\0';
}

/* Add the read transactions that one block of pins tells of. */
static void process_add_block(struct pin_block *block, int64_t now_ns, struct kt_process *process)
{
	for (unsigned i = 0; i < LOCKAREA_PINS; i++) {
		uint64_t txn = atomic_load(&block->pins[i].txn);
		int64_t age_ns = now_ns - atomic_load(&block->pins[i].begun_ns);

		if (txn == 0)
			continue;
		process->readers++;
		if (process->oldest == 0 || txn < process->oldest)
			process->oldest = txn;
		if (age_ns > process->age_ns)
			process->age_ns = age_ns;
	}
}

static void process_add_readers(struct lockarea *area, uint32_t index, struct kt_process *process)
{
	uint32_t used = atomic_load(&area->blocks_used);
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	for (uint32_t i = 0; i < used && i < LOCKAREA_BLOCKS; i++)
		if (atomic_load(&area->owners[i]) == index + 1)
			process_add_block(&area->blocks[i],
				now.tv_sec * INT64_C(1000000000) + now.tv_nsec, process);
}

int kt_processes(struct kt_store *store, kt_process_fn *each, void *arg)
{
	struct lockarea *area = store->area;
	uint32_t used = atomic_load(&area->openers_used);
	int result = 0;

	error_clear();
	if (io_forked(store->io))
		return error_set(
			-ECHILD, "it was opened before a fork; open it again in the child");
	if (store->unprivileged)
		return error_set(-EACCES, "only those who may write it can list its users");
	for (uint32_t i = 0; result == 0 && i < used && i < LOCKAREA_OPENERS; i++) {
		uint64_t id = atomic_load(&area->openers[i].id);
		struct kt_process process = {.pid = atomic_load(&area->openers[i].pid),
			.writing = id != 0 && id == atomic_load(&area->writer_id)};

		if (id == 0 || !lockarea_is_alive(store, i))
			continue;
		process_command(process.pid, process.command);
		process_add_readers(area, i, &process);
		result = each(arg, &process);
	}
	return result;
}
