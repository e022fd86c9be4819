#include "mount/system/dying.h"

#include "mount/system/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Is SIGKILL pending for a thread? Of one that runs it is not for long. */
static bool dying_is_killed(const char *task)
{
	char path[PROC_PATH_SIZE + 16], line[256];
	const char *pending;

	snprintf(path, sizeof(path), "%s/status", task);
	pending = proc_line(path, "SigPnd:", line, sizeof(line));
	return pending != NULL && (strtoull(pending, NULL, 16) >> (SIGKILL - 1) & 1);
}

static bool dying_is_of_connection(void *arg, const char *fdinfo)
{
	const unsigned *connection = arg;
	char line[256];
	const char *number = proc_line(fdinfo, "fuse_connection:", line, sizeof(line));

	return number != NULL && strtoul(number, NULL, 10) == *connection;
}

/* Is it a killed thread that still has the connection open? */
static bool dying_thread(void *arg, const char *task)
{
	char path[PROC_PATH_SIZE + 16];

	if (!dying_is_killed(task))
		return false;
	snprintf(path, sizeof(path), "%s/fdinfo", task);
	return proc_any(path, dying_is_of_connection, arg);
}

static bool dying_process(void *arg, const char *process)
{
	char path[PROC_PATH_SIZE + 16];

	snprintf(path, sizeof(path), "%s/task", process);
	return proc_any(path, dying_thread, arg);
}

bool dying_is(const struct mountinfo *info)
{
	unsigned connection = minor(info->dev);

	return proc_any("/proc", dying_process, &connection);
}

int dying_abort(const struct mountinfo *info)
{
	char path[PROC_PATH_SIZE];
	int fd, err = 0;

	if (umount2(info->dir, MNT_FORCE | UMOUNT_NOFOLLOW) == 0 || errno == EBUSY)
		return 0;
	snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u/abort", minor(info->dev));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -EPERM : -errno;
	if (write(fd, "1", 1) != 1)
		err = -errno;
	close(fd);
	return err;
}
