#include "mounted.h"

#include "bench.h"
#include "keytree.h"
#include "subjects.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static dev_t device_of(const char *path)
{
	struct stat stat;

	bench_check(lstat(path, &stat) == 0);
	return stat.st_dev;
}

uint64_t subject_mount(struct subject *subject, const char *keytree)
{
	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	struct pollfd mounts = {.fd = fd, .events = POLLPRI};
	dev_t before = device_of(subject->dir);
	uint64_t start;

	bench_check(fd >= 0 && kt_close(subject->store) == 0);
	subject->store = NULL;
	start = bench_now_ns();
	subject->daemon = fork();
	if (subject->daemon == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM); /* a benchmark that fails leaves no mount */
		execl(keytree, keytree, "mount", subject->path, subject->dir, "-f", (char *)NULL);
		_exit(127);
	}
	while (device_of(subject->dir) == before) {
		bench_check(waitpid(subject->daemon, NULL, WNOHANG) == 0);
		bench_check(poll(&mounts, 1, 1000) >= 0);
	}
	start = bench_now_ns() - start;
	close(fd);
	return start;
}

void subject_unmount(struct subject *subject)
{
	int status;

	if (subject->daemon == 0)
		return;
	kill(subject->daemon, SIGTERM);
	bench_check(waitpid(subject->daemon, &status, 0) == subject->daemon);
	subject->daemon = 0;
}

void bench_drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	sync();
	bench_check(fd >= 0 && write(fd, "3", 1) == 1 && write(fd, "3", 1) == 1);
	close(fd);
}

uint64_t subject_memory(const struct subject *subject)
{
	unsigned long kib = 0;
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)subject->daemon);
	file = fopen(path, "re");
	bench_check(file != NULL);
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "RssAnon: %lu kB", &kib) == 1)
			break;
	fclose(file);
	bench_check(kib > 0);
	return (uint64_t)kib * 1024;
}
