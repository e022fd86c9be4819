/* The handler of SIGBUS, and the list of maps that it looks at. See fault.h.
 *
 * An entry is never freed but used again, so that the handler may walk the list at any time. What it
 * calls are system calls: fstat() and mmap().
 */
#include "store/io/fault.h"

#include "store/format.h"

#include "keytree.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct fault_map {
	struct fault_map *next;
	_Atomic uintptr_t base; /* 0: unused */
	_Atomic uint64_t size;
	_Atomic int fd;
	_Atomic(_Atomic unsigned *) count;
};

static pthread_mutex_t fault_mutex = PTHREAD_MUTEX_INITIALIZER; /* of those who change the list */
static _Atomic(struct fault_map *) fault_maps;
static _Atomic uint64_t fault_total;
static struct sigaction fault_before; /* what SIGBUS did before kt_catch_faults() */

void fault_register(const void *base, uint64_t size, int fd, _Atomic unsigned *count)
{
	struct fault_map *map;

	pthread_mutex_lock(&fault_mutex);
	map = atomic_load(&fault_maps);
	while (map != NULL && atomic_load(&map->base) != 0)
		map = map->next;
	if (map == NULL) {
		map = calloc(1, sizeof(*map));
		if (map != NULL) {
			map->next = atomic_load(&fault_maps);
			atomic_store(&fault_maps, map);
		}
	}
	if (map != NULL) {
		atomic_store(&map->size, size);
		atomic_store(&map->fd, fd);
		atomic_store(&map->count, count);
		atomic_store(&map->base, (uintptr_t)base);
	}
	pthread_mutex_unlock(&fault_mutex);
}

void fault_unregister(const void *base)
{
	pthread_mutex_lock(&fault_mutex);
	for (struct fault_map *map = atomic_load(&fault_maps); map != NULL; map = map->next) {
		if (atomic_load(&map->base) == (uintptr_t)base)
			atomic_store(&map->base, 0);
	}
	pthread_mutex_unlock(&fault_mutex);
}

/* Put zeros in the place of a page. Of a file that was cut, in the place of all that it lost: each
 * page for itself would take a map of its own, of which a process may have 65,530. */
static bool fault_replace(const struct fault_map *map, uintptr_t base, uintptr_t page)
{
	uint64_t size = PAGE_SIZE, end = atomic_load(&map->size);
	struct stat st;

	if (fstat(atomic_load(&map->fd), &st) == 0 && (uint64_t)st.st_size <= page - base) {
		page = base + ((uint64_t)st.st_size + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
		size = end - (page - base);
	}
	/* The addresses are those of the map, and stay it until munmap(). */
	return mmap((void *)page, size, PROT_READ,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
		       0) != MAP_FAILED;
}

static bool fault_handle(uintptr_t at)
{
	for (struct fault_map *map = atomic_load(&fault_maps); map != NULL; map = map->next) {
		uintptr_t base = atomic_load(&map->base);
		_Atomic unsigned *count = atomic_load(&map->count);

		if (base == 0 || at < base || at - base >= atomic_load(&map->size))
			continue;
		if (!fault_replace(map, base, at - at % PAGE_SIZE))
			return false;
		if (count != NULL)
			atomic_fetch_add(count, 1);
		atomic_fetch_add(&fault_total, 1);
		return true;
	}
	return false;
}

/* What is not ours goes to the handler before, or ends the process as without one. */
static void fault_signal(int signal, siginfo_t *info, void *context)
{
	int old_errno = errno;
	bool handled = info->si_code > 0 && fault_handle((uintptr_t)info->si_addr);

	errno = old_errno;
	if (handled)
		return;
	if (fault_before.sa_flags & SA_SIGINFO)
		fault_before.sa_sigaction(signal, info, context);
	else if (fault_before.sa_handler != SIG_DFL && fault_before.sa_handler != SIG_IGN)
		fault_before.sa_handler(signal);
	else {
		sigaction(SIGBUS, &fault_before, NULL);
		if (info->si_code <= 0) /* sent by a process: it does not come again by itself */
			raise(SIGBUS);
	}
}

int kt_catch_faults(void)
{
	struct sigaction action = {
		.sa_sigaction = fault_signal,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART,
	};
	struct sigaction now;
	int err;

	sigemptyset(&action.sa_mask);
	pthread_mutex_lock(&fault_mutex);
	err = sigaction(SIGBUS, NULL, &now) < 0 ? -errno : 0;
	if (!err && (!(now.sa_flags & SA_SIGINFO) || now.sa_sigaction != fault_signal)) {
		fault_before = now;
		err = sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
	}
	pthread_mutex_unlock(&fault_mutex);
	return err;
}

uint64_t kt_fault_count(void)
{
	return atomic_load_explicit(&fault_total, memory_order_relaxed);
}
