#include "store/util/memory.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Where nothing can be found out, the machine is taken for a small one. */
#define MEMORY_UNKNOWN (UINT64_C(512) << 20)

static pthread_once_t memory_once = PTHREAD_ONCE_INIT;
static uint64_t memory_found;

static void memory_lower(uint64_t *limit, uint64_t to)
{
	if (to < *limit)
		*limit = to;
}

/* The number in a file of a control group; "max" and a missing file are no limit. */
static uint64_t memory_read(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned long long number;
	uint64_t limit = UINT64_MAX;

	if (file == NULL)
		return UINT64_MAX;
	if (fscanf(file, "%llu", &number) == 1)
		limit = number;
	fclose(file);
	return limit;
}

/* The limits of a group and of the groups that it is in, up to the root of the hierarchy.
 * @param root   where the hierarchy is mounted
 * @param group  begins with '/'; is cut on the way up */
static void memory_walk_groups(
	const char *root, char *group, const char *const *files, uint64_t *limit)
{
	for (;;) {
		char path[PATH_MAX];

		for (size_t i = 0; files[i] != NULL; i++) {
			int size = snprintf(path, sizeof(path), "%s%s/%s", root, group, files[i]);

			if (size > 0 && (size_t)size < sizeof(path))
				memory_lower(limit, memory_read(path));
		}
		if (strrchr(group, '/') == NULL)
			return;
		*strrchr(group, '/') = '\0';
	}
}

/* A line of /proc/self/cgroup is NUMBER:CONTROLLERS:GROUP; version 2 has no controllers there. */
static void memory_look_at_groups(uint64_t *limit)
{
	static const char *const files_1[] = {"memory.limit_in_bytes", NULL};
	static const char *const files_2[] = {"memory.max", "memory.high", NULL};
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX + 64];

	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL) {
		char *controllers = strchr(line, ':');
		char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;

		if (group == NULL)
			continue;
		*group++ = '\0';
		group[strcspn(group, "\n")] = '\0';
		if (controllers[1] == '\0')
			memory_walk_groups("/sys/fs/cgroup", group, files_2, limit);
		else if (strstr(controllers, "memory") != NULL)
			memory_walk_groups("/sys/fs/cgroup/memory", group, files_1, limit);
	}
	fclose(file);
}

static void memory_look_at_process(int resource, uint64_t *limit)
{
	struct rlimit r;

	if (getrlimit(resource, &r) == 0 && r.rlim_cur != RLIM_INFINITY)
		memory_lower(limit, (uint64_t)r.rlim_cur);
}

static void memory_find(void)
{
	long pages = sysconf(_SC_PHYS_PAGES);
	long size = sysconf(_SC_PAGESIZE);

	memory_found = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : MEMORY_UNKNOWN;
	memory_look_at_groups(&memory_found);
	memory_look_at_process(RLIMIT_AS, &memory_found);
	memory_look_at_process(RLIMIT_DATA, &memory_found);
}

uint64_t memory_limit(void)
{
	pthread_once(&memory_once, memory_find);
	return memory_found;
}

uint64_t memory_address_room(void)
{
	unsigned long long pages = 0;
	struct rlimit r;
	uint64_t used;
	FILE *file;

	if (getrlimit(RLIMIT_AS, &r) < 0 || r.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	file = fopen("/proc/self/statm", "re");
	if (file != NULL && fscanf(file, "%llu", &pages) != 1)
		pages = 0;
	if (file != NULL)
		fclose(file);
	used = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
	return used < (uint64_t)r.rlim_cur ? ((uint64_t)r.rlim_cur - used) / 2 : 0;
}
