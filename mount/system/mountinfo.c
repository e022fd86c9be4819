/* Reading mountinfo. A line of it:
 *
 *     36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw,errors=continue
 *     id    dev    dir                        type source
 *
 * Blanks and backslashes in names are written as \ and three octal digits.
 */
#include "mount/system/mountinfo.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

static bool is_octal(char digit)
{
	return digit >= '0' && digit <= '7';
}

/* Decode \ooo in place. */
static void unescape(char *text)
{
	char *to = text;

	while (*text != '\0') {
		if (*text == '\\' && is_octal(text[1]) && is_octal(text[2]) && is_octal(text[3])) {
			*to++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + text[3] - '0');
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

/* Cut the next blank-separated field off. @return NULL at the end of the line */
static char *cut_field(char **line)
{
	char *field = strsep(line, " \n");

	if (field != NULL)
		unescape(field);
	return field;
}

static void cut_fields(char **line, int count)
{
	while (count-- > 0)
		cut_field(line);
}

/* Parse a line, which is cut up; what is in info points into it.
 * @return false: it is none */
static bool parse_line(char *line, struct mountinfo *ret_info)
{
	struct mountinfo info = {0};
	unsigned major, minor;
	char *field;

	field = cut_field(&line);
	if (field == NULL)
		return false;
	info.id = strtol(field, NULL, 10);
	cut_fields(&line, 1);
	field = cut_field(&line);
	if (field == NULL || sscanf(field, "%u:%u", &major, &minor) != 2)
		return false;
	info.dev = makedev(major, minor);
	cut_fields(&line, 1);
	info.dir = cut_field(&line);
	do {
		field = cut_field(&line);
	} while (field != NULL && strcmp(field, "-") != 0);
	info.type = cut_field(&line);
	info.source = cut_field(&line);
	*ret_info = info;
	return info.source != NULL;
}

/* List the mounts of a process, in its namespace. */
static int mountinfo_read(const char *path, mountinfo_fn *fn, void *arg)
{
	FILE *file = fopen(path, "re");
	struct mountinfo info;
	char *line = NULL;
	size_t size = 0;
	int err = 0;

	if (file == NULL)
		return -errno;
	while (!err && getline(&line, &size, file) >= 0) {
		if (parse_line(line, &info))
			err = fn(arg, &info);
	}
	free(line);
	fclose(file);
	return err;
}

int mountinfo_each(mountinfo_fn *fn, void *arg)
{
	return mountinfo_read("/proc/self/mountinfo", fn, arg);
}

/* @return 1: the mount is in our namespace too; else 0 */
static int mountinfo_has_id(void *arg, const struct mountinfo *info)
{
	return info->id == *(const long *)arg;
}

/* The number of a device that has gone may have been given to another mount since.
 * @return 1: it is what is searched for, and not a mount of our namespace; else 0 */
static int mountinfo_is_like(void *arg, const struct mountinfo *info)
{
	const struct mountinfo *gone = arg;
	bool like = strcmp(info->type, gone->type) == 0 &&
		    (strcmp(info->dir, gone->dir) == 0 ||
			    (info->dev == gone->dev && strcmp(info->source, gone->source) == 0));
	long id = info->id;

	return like && mountinfo_each(mountinfo_has_id, &id) == 0;
}

int mountinfo_find_elsewhere(const struct mountinfo *gone, pid_t *ret_pid)
{
	DIR *processes = opendir("/proc");
	const struct dirent *entry;
	int err = -ENOENT;

	if (processes == NULL)
		return -errno;
	while (err == -ENOENT && (entry = readdir(processes)) != NULL) {
		char path[sizeof("/proc//mountinfo") + sizeof(entry->d_name)];
		long pid = strtol(entry->d_name, NULL, 10);

		if (pid <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/mountinfo", entry->d_name);
		if (mountinfo_read(path, mountinfo_is_like, (void *)gone) != 1)
			continue;
		*ret_pid = (pid_t)pid;
		err = 0;
	}
	closedir(processes);
	return err;
}

/* What is searched for. */
struct search {
	const char *dir;
	struct mountinfo found;
};

static int keep_last(void *arg, const struct mountinfo *info)
{
	struct search *search = arg;

	if (strcmp(info->dir, search->dir) != 0)
		return 0;
	mountinfo_fini(&search->found);
	search->found = (struct mountinfo){
		.id = info->id,
		.dev = info->dev,
		.dir = strdup(info->dir),
		.type = strdup(info->type),
		.source = strdup(info->source),
	};
	return search->found.dir != NULL && search->found.type != NULL &&
			       search->found.source != NULL
		       ? 0
		       : -ENOMEM;
}

int mountinfo_find(const char *dir, struct mountinfo *ret_info)
{
	struct search search = {.dir = dir};
	int err = mountinfo_each(keep_last, &search);

	if (!err && search.found.dir == NULL)
		err = -ENOENT;
	if (err != 0)
		mountinfo_fini(&search.found);
	else
		*ret_info = search.found;
	return err;
}

void mountinfo_fini(struct mountinfo *info)
{
	free(info->dir);
	free(info->type);
	free(info->source);
	*info = (struct mountinfo){0};
}
