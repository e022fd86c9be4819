#include "mount/system/dying.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Room for "/proc/PID/task/TID/fdinfo/FD". */
#define DYING_PATH_SIZE 128

/* Find a line of a file in /proc. @return what follows the word; or NULL */
static const char *dying_line(const char *path, const char *word, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	const char *found = NULL;

	if (file == NULL)
		return NULL;
	while (found == NULL && fgets(line, (int)size, file) != NULL) {
		if (strncmp(line, word, strlen(word)) == 0)
			found = line + strlen(word);
	}
	fclose(file);
	return found;
}

/* Is SIGKILL pending for a thread? Of one that runs it is not for long. */
static bool dying_is_killed(const char *task)
{
	char path[DYING_PATH_SIZE + 16], line[256];
	const char *pending;

	snprintf(path, sizeof(path), "%s/status", task);
	pending = dying_line(path, "SigPnd:", line, sizeof(line));
	return pending != NULL && (strtoull(pending, NULL, 16) >> (SIGKILL - 1) & 1);
}

/* Call a function with the path of each entry of a directory whose name is a number, until one
 * returns true. */
static bool dying_any(const char *directory, bool (*fn)(const char *path, unsigned connection),
	unsigned connection)
{
	DIR *stream = opendir(directory);
	const struct dirent *entry;
	char path[DYING_PATH_SIZE];
	bool found = false;

	if (stream == NULL)
		return false;
	while (!found && (entry = readdir(stream)) != NULL) {
		if (strtol(entry->d_name, NULL, 10) <= 0 && strcmp(entry->d_name, "0") != 0)
			continue;
		snprintf(path, sizeof(path), "%.64s/%.20s", directory, entry->d_name);
		found = fn(path, connection);
	}
	closedir(stream);
	return found;
}

static bool dying_is_of_connection(const char *fdinfo, unsigned connection)
{
	char line[256];
	const char *number = dying_line(fdinfo, "fuse_connection:", line, sizeof(line));

	return number != NULL && strtoul(number, NULL, 10) == connection;
}

/* Is it a killed thread that still has the connection open? */
static bool dying_thread(const char *task, unsigned connection)
{
	char path[DYING_PATH_SIZE + 16];

	if (!dying_is_killed(task))
		return false;
	snprintf(path, sizeof(path), "%s/fdinfo", task);
	return dying_any(path, dying_is_of_connection, connection);
}

static bool dying_process(const char *process, unsigned connection)
{
	char path[DYING_PATH_SIZE + 16];

	snprintf(path, sizeof(path), "%s/task", process);
	return dying_any(path, dying_thread, connection);
}

bool dying_is(const struct mountinfo *info)
{
	return dying_any("/proc", dying_process, minor(info->dev));
}

int dying_abort(const struct mountinfo *info)
{
	char path[DYING_PATH_SIZE];
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
