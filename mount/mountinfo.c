/* Reading mountinfo. A line of it:
 *
 *     36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw,errors=continue
 *           dev    dir                        type source
 *
 * Blanks and backslashes in names are written as \ and three octal digits.
 */
#include "mountinfo.h"

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

/* Parse a line, which is cut up. @return 0; -ENOENT it is of another directory; -ENOMEM */
static int parse_line(char *line, const char *dir, struct mountinfo *ret_info)
{
	struct mountinfo info = {0};
	unsigned major, minor;
	const char *field;

	cut_fields(&line, 2);
	field = cut_field(&line);
	if (field == NULL || sscanf(field, "%u:%u", &major, &minor) != 2)
		return -ENOENT;
	cut_fields(&line, 1);
	field = cut_field(&line);
	if (field == NULL || strcmp(field, dir) != 0)
		return -ENOENT;
	do {
		field = cut_field(&line);
	} while (field != NULL && strcmp(field, "-") != 0);
	field = cut_field(&line);
	info.type = strdup(field != NULL ? field : "");
	field = cut_field(&line);
	info.source = strdup(field != NULL ? field : "");
	info.dev = makedev(major, minor);
	if (info.type == NULL || info.source == NULL) {
		mountinfo_fini(&info);
		return -ENOMEM;
	}
	*ret_info = info;
	return 0;
}

int mountinfo_find(const char *dir, struct mountinfo *ret_info)
{
	struct mountinfo found = {0}, info;
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;

	if (file == NULL)
		return -errno;
	while (getline(&line, &size, file) >= 0) {
		if (parse_line(line, dir, &info) == 0) {
			mountinfo_fini(&found);
			found = info;
		}
	}
	free(line);
	fclose(file);
	if (found.type == NULL)
		return -ENOENT;
	*ret_info = found;
	return 0;
}

void mountinfo_fini(struct mountinfo *info)
{
	free(info->type);
	free(info->source);
	*info = (struct mountinfo){0};
}
