#include "mount/system/proc.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

const char *proc_line(const char *path, const char *word, char *line, size_t size)
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

bool proc_any(const char *directory, proc_fn *fn, void *arg)
{
	DIR *stream = opendir(directory);
	const struct dirent *entry;
	char path[PROC_PATH_SIZE];
	bool found = false;

	if (stream == NULL)
		return false;
	while (!found && (entry = readdir(stream)) != NULL) {
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "%.64s/%.20s", directory, entry->d_name);
		found = fn(arg, path);
	}
	closedir(stream);
	return found;
}

/* What is searched for among the descriptors of a process. */
struct proc_search {
	pid_t pid;
	dev_t dev;
	ino_t ino;
};

/* Is a mount, by its number in the namespace of a process, one of a device? */
static bool proc_is_mount_of(pid_t pid, const char *mount, dev_t dev)
{
	char path[PROC_PATH_SIZE], word[32], line[4096];
	unsigned parent, major_, minor_;
	const char *rest;

	snprintf(path, sizeof(path), "/proc/%ld/mountinfo", (long)pid);
	snprintf(word, sizeof(word), "%ld ", strtol(mount, NULL, 10));
	rest = proc_line(path, word, line, sizeof(line));
	return rest != NULL && sscanf(rest, "%u %u:%u", &parent, &major_, &minor_) == 3 &&
	       makedev(major_, minor_) == dev;
}

static bool proc_is_file(void *arg, const char *path)
{
	const struct proc_search *search = arg;
	char line[256];
	const char *value = proc_line(path, "ino:", line, sizeof(line));

	if (value == NULL || strtoull(value, NULL, 10) != search->ino)
		return false;
	value = proc_line(path, "mnt_id:", line, sizeof(line));
	return value != NULL && proc_is_mount_of(search->pid, value, search->dev);
}

bool proc_has_open(pid_t pid, dev_t dev, ino_t ino)
{
	struct proc_search search = {pid, dev, ino};
	char path[PROC_PATH_SIZE];

	snprintf(path, sizeof(path), "/proc/%ld/fdinfo", (long)pid);
	return pid > 0 && proc_any(path, proc_is_file, &search);
}
