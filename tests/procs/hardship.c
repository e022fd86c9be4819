#include "hardship.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUP_MEMORY "33554432\n"	/* bytes */
#define SPACE_MORE (UINT64_C(96) << 20) /* bytes of address space beyond what is in use */
#define FILE_MORE (64 * 4096)		/* bytes that the store may grow by */
#define FILES_MORE 12			/* descriptors */
#define NOBODY 65534			/* user and group that own nothing */

static char group[256]; /* folder of the memory group; "": there is none */
static bool closed[3];	/* standard descriptors that this process has closed */

/* ---- a memory group -------------------------------------------------------------------------- */

static bool write_file(const char *folder, const char *name, const char *text)
{
	char path[300];
	int fd;
	bool written;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return written;
}

/* Find the folder of the memory group that this process is in. */
static bool own_group(char *folder, size_t size)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[200];
	bool found = false;

	while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strstr(line, ":memory:") != NULL)
			found = snprintf(folder, size, "/sys/fs/cgroup/memory%s",
					strrchr(line, ':') + 1) < (int)size;
		else if (strncmp(line, "0::", 3) == 0 &&
			 access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0)
			found = snprintf(folder, size, "/sys/fs/cgroup%s", line + 3) < (int)size;
	}
	if (file != NULL)
		fclose(file);
	return found;
}

void hardship_init(void)
{
	char own[180];

	if (own_group(own, sizeof(own))) {
		snprintf(group, sizeof(group), "%s/keytree-%d", own, getpid());
		if (mkdir(group, 0700) == 0 &&
			(write_file(group, "memory.limit_in_bytes", GROUP_MEMORY) ||
				write_file(group, "memory.max", GROUP_MEMORY)))
			return;
		rmdir(group);
	}
	group[0] = '\0';
	printf("no memory group can be made here: that hardship is left out\n");
}

void hardship_fini(void)
{
	if (group[0] != '\0' && rmdir(group) != 0)
		fprintf(stderr, "%s: %s\n", group, strerror(errno));
}

/* ---- taking one ------------------------------------------------------------------------------ */

static void limit(int resource, rlim_t value)
{
	struct rlimit limit = {value, value};

	if (setrlimit(resource, &limit) != 0)
		abort();
}

static rlim_t address_space(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	if (file == NULL || fscanf(file, "%lu", &pages) != 1)
		abort();
	fclose(file);
	return (rlim_t)pages * 4096;
}

static void close_some(struct rng *rng)
{
	uint64_t which = 1 + rng_next(rng) % 7;

	for (int fd = 0; fd < 3; fd++) {
		closed[fd] = which >> fd & 1;
		if (closed[fd])
			close(fd);
	}
}

enum hardship hardship_take(struct rng *rng, const char *path)
{
	enum hardship hardship = rng_next(rng) % HARDSHIP_COUNT;
	struct stat stat_buf;

	switch (hardship) {
	case HARDSHIP_CLOSED:
		close_some(rng);
		break;
	case HARDSHIP_FEW_FILES:
		limit(RLIMIT_NOFILE, 3 + rng_next(rng) % FILES_MORE);
		break;
	case HARDSHIP_ADDRESS_SPACE:
		limit(RLIMIT_AS, address_space() + SPACE_MORE);
		break;
	case HARDSHIP_FILE_SIZE:
		if (stat(path, &stat_buf) != 0)
			abort();
		limit(RLIMIT_FSIZE, (rlim_t)stat_buf.st_size + rng_next(rng) % FILE_MORE);
		break;
	case HARDSHIP_MEMORY:
		if (group[0] == '\0' || !write_file(group, "cgroup.procs", "0"))
			return HARDSHIP_NONE;
		break;
	case HARDSHIP_READ_ONLY:
		if (getuid() != 0)
			return HARDSHIP_NONE;
		if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
			abort();
		break;
	default:
		break;
	}
	return hardship;
}

bool hardship_allows(enum hardship hardship, int err)
{
	return (hardship == HARDSHIP_FEW_FILES && err == -EMFILE) ||
	       (hardship == HARDSHIP_ADDRESS_SPACE && err == -ENOMEM) ||
	       (hardship == HARDSHIP_FILE_SIZE && err == -EFBIG);
}

void hardship_print(enum hardship hardship)
{
	static const char text[] = "a message of a program that does not know where it goes\n";

	for (int fd = 0; hardship == HARDSHIP_CLOSED && fd < 3; fd++)
		if (closed[fd] && (write(fd, text, sizeof(text)) >= 0 || errno != EBADF))
			abort(); /* the library has taken the descriptor */
}
