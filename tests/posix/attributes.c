/* Calls on attributes: what stat shows, times, extended attributes, access control lists. */
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static long result_of(long result)
{
	return result < 0 ? -errno : result;
}

/* A number is an open file; else it is a name, not followed. */
static int stat_word(struct table_world *world, const char *word, struct stat *ret_stat)
{
	if (word[0] >= '0' && word[0] <= '9')
		return fstat(table_fd(world, word), ret_stat);
	return lstat(word, ret_stat);
}

static const char *type_name(mode_t mode)
{
	return S_ISREG(mode)	? "file"
	       : S_ISDIR(mode)	? "dir"
	       : S_ISLNK(mode)	? "link"
	       : S_ISFIFO(mode) ? "fifo"
	       : S_ISSOCK(mode) ? "socket"
	       : S_ISCHR(mode)	? "char"
				: "block";
}

static void show_field(char *text, const char *field, const struct stat *stat)
{
	if (!strcmp(field, "type"))
		sprintf(text, "%s", type_name(stat->st_mode));
	else if (!strcmp(field, "mode"))
		sprintf(text, "%o", stat->st_mode & 07777);
	else if (!strcmp(field, "uid"))
		sprintf(text, "%u", stat->st_uid);
	else if (!strcmp(field, "gid"))
		sprintf(text, "%u", stat->st_gid);
	else if (!strcmp(field, "nlink"))
		sprintf(text, "%lu", (unsigned long)stat->st_nlink);
	else if (!strcmp(field, "size"))
		sprintf(text, "%lld", (long long)stat->st_size);
	else if (!strcmp(field, "blocks")) /* does it take room at all? */
		sprintf(text, "%s", stat->st_blocks > 0 ? "some" : "none");
	else if (!strcmp(field, "rdev"))
		sprintf(text, "%u:%u", major(stat->st_rdev), minor(stat->st_rdev));
	else if (!strcmp(field, "atime"))
		sprintf(text, "%lld.%09ld", (long long)stat->st_atim.tv_sec, stat->st_atim.tv_nsec);
	else if (!strcmp(field, "mtime"))
		sprintf(text, "%lld.%09ld", (long long)stat->st_mtim.tv_sec, stat->st_mtim.tv_nsec);
	else
		table_wrong("no such field", field);
}

/* stat NAME FIELDS */
static long call_stat(struct table_world *world, char **words)
{
	char *fields = words[1], *field;
	struct stat stat;

	if (stat_word(world, words[0], &stat) != 0)
		return -errno;
	while ((field = strsep(&fields, ",")) != NULL) {
		strcat(world->text, world->text[0] ? " " : "");
		show_field(world->text + strlen(world->text), field, &stat);
	}
	return 0;
}

/* Are there as many as there can be? */
static const char *sane(fsblkcnt_t all, fsblkcnt_t free, fsblkcnt_t available)
{
	return all > 0 && free <= all && available <= free ? "sane" : "insane";
}

/* statfs NAME FIELDS: followed */
static long call_statfs(struct table_world *world, char **words)
{
	bool is_open = words[0][0] >= '0' && words[0][0] <= '9';
	char *fields = words[1], *field;
	struct statvfs stat;

	if ((is_open ? fstatvfs(table_fd(world, words[0]), &stat) : statvfs(words[0], &stat)) != 0)
		return -errno;
	while ((field = strsep(&fields, ",")) != NULL) {
		char *text = world->text + strlen(world->text);

		text += sprintf(text, "%s", world->text[0] ? " " : "");
		if (!strcmp(field, "namemax"))
			sprintf(text, "%lu", stat.f_namemax);
		else if (!strcmp(field, "blocks"))
			strcpy(text, stat.f_bsize > 0 && stat.f_frsize > 0
					     ? sane(stat.f_blocks, stat.f_bfree, stat.f_bavail)
					     : "insane");
		else if (!strcmp(field, "files"))
			strcpy(text, sane(stat.f_files, stat.f_ffree, stat.f_favail));
		else
			table_wrong("no such field", field);
	}
	return 0;
}

/* same NAME NAME: are they one file? */
static long call_same(struct table_world *world, char **words)
{
	struct stat a, b;

	if (stat_word(world, words[0], &a) != 0 || stat_word(world, words[1], &b) != 0)
		return -errno;
	strcpy(world->text, a.st_ino == b.st_ino ? "yes" : "no");
	return 0;
}

static long call_chmod(struct table_world *world, char **words)
{
	mode_t mode = (mode_t)strtoul(words[1], NULL, 8);

	if (words[0][0] >= '0' && words[0][0] <= '9')
		return result_of(fchmod(table_fd(world, words[0]), mode));
	return result_of(chmod(words[0], mode));
}

/* chown NAME USER GROUP: not followed; -1 leaves it */
static long call_chown(struct table_world *world, char **words)
{
	(void)world;
	return result_of(
		lchown(words[0], (uid_t)table_number(words[1]), (gid_t)table_number(words[2])));
}

/* access NAME R|W|X bits, by the effective user */
static long call_access(struct table_world *world, char **words)
{
	static const struct table_word list[] = {
		{"f", F_OK}, {"r", R_OK}, {"w", W_OK}, {"x", X_OK}, {NULL, 0}};

	(void)world;
	return result_of(
		faccessat(AT_FDCWD, words[0], (int)table_flags(list, words[1]), AT_EACCESS));
}

static struct timespec time_word(const char *word)
{
	struct timespec time = {0};
	char *end;

	if (!strcmp(word, "now") || !strcmp(word, "omit")) {
		time.tv_nsec = word[0] == 'n' ? UTIME_NOW : UTIME_OMIT;
		return time;
	}
	time.tv_sec = strtol(word, &end, 10);
	time.tv_nsec = *end == '.' ? strtol(end + 1, NULL, 10) : 0;
	return time;
}

/* utimens NAME ATIME MTIME: seconds.nanoseconds, now, omit */
static long call_utimens(struct table_world *world, char **words)
{
	struct timespec times[2] = {time_word(words[1]), time_word(words[2])};

	(void)world;
	return result_of(utimensat(AT_FDCWD, words[0], times, AT_SYMLINK_NOFOLLOW));
}

static int64_t ns_of(const struct timespec *time)
{
	return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

/* mark NAME...: remember their times, and let the clock move on */
static long call_mark(struct table_world *world, char **words)
{
	struct timespec tick;

	world->mark_count = 0;
	for (; *words != NULL; words++) {
		struct table_mark *mark = &world->marks[world->mark_count++];
		struct stat stat;

		if (stat_word(world, *words, &stat) != 0)
			return -errno;
		snprintf(mark->name, sizeof(mark->name), "%s", *words);
		mark->atime_ns = ns_of(&stat.st_atim);
		mark->mtime_ns = ns_of(&stat.st_mtim);
		mark->ctime_ns = ns_of(&stat.st_ctim);
	}
	clock_getres(CLOCK_REALTIME_COARSE, &tick);
	tick.tv_nsec *= 2;
	nanosleep(&tick, NULL);
	return 0;
}

/* changed NAME [AS]: which of the times that were marked differ now; it may have another name */
static long call_changed(struct table_world *world, char **words)
{
	struct stat stat;

	if (stat_word(world, words[1] != NULL ? words[1] : words[0], &stat) != 0)
		return -errno;
	for (size_t i = 0; i < world->mark_count; i++) {
		const struct table_mark *mark = &world->marks[i];
		bool mtime = mark->mtime_ns != ns_of(&stat.st_mtim);
		bool ctime = mark->ctime_ns != ns_of(&stat.st_ctim);

		if (strcmp(mark->name, words[0]) != 0)
			continue;
		strcpy(world->text, mtime && ctime ? "mtime ctime"
				    : mtime	   ? "mtime"
				    : ctime	   ? "ctime"
						   : "nothing");
		return 0;
	}
	table_wrong("not marked", words[0]);
}

/* ---- extended attributes --------------------------------------------------------------------- */

/* setxattr NAME ATTRIBUTE VALUE [create|replace] */
static long call_setxattr(struct table_world *world, char **words)
{
	static const struct table_word list[] = {
		{"create", XATTR_CREATE}, {"replace", XATTR_REPLACE}, {NULL, 0}};
	int flags = words[3] != NULL ? (int)table_flags(list, words[3]) : 0;
	const char *value = strcmp(words[2], "-") != 0 ? words[2] : "";

	(void)world;
	return result_of(lsetxattr(words[0], words[1], value, strlen(value), flags));
}

/* getxattr NAME ATTRIBUTE [ROOM] */
static long call_getxattr(struct table_world *world, char **words)
{
	size_t room = words[2] != NULL ? (size_t)table_number(words[2]) : sizeof(world->text) - 1;
	ssize_t size = lgetxattr(words[0], words[1], room > 0 ? world->text : NULL, room);

	if (room == 0)
		sprintf(world->text, "%zd", size);
	else
		world->text[size > 0 ? size : 0] = '\0';
	return result_of(size);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* listxattr NAME [ROOM]: sorted; security.selinux and the like come from elsewhere */
static long call_listxattr(struct table_world *world, char **words)
{
	static char names[65536];
	size_t room = words[1] != NULL ? (size_t)table_number(words[1]) : sizeof(names);
	ssize_t size = llistxattr(words[0], names, room);
	char *sorted[1000];
	size_t count = 0;

	if (size < 0)
		return -errno;
	for (char *at = names; at < names + size && count < 1000; at += strlen(at) + 1)
		sorted[count++] = at;
	qsort(sorted, count, sizeof(sorted[0]), compare_names);
	for (size_t i = 0; i < count; i++) {
		strcat(world->text, i > 0 ? " " : "");
		strcat(world->text, sorted[i]);
	}
	return 0;
}

static long call_removexattr(struct table_world *world, char **words)
{
	(void)world;
	return result_of(lremovexattr(words[0], words[1]));
}

/* ---- access control lists -------------------------------------------------------------------- */

struct acl {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} entries[16];
};

static const char *acl_name(const char *kind)
{
	return !strcmp(kind, "access") ? "system.posix_acl_access" : "system.posix_acl_default";
}

static unsigned acl_tag(const char *who, bool id)
{
	return *who == 'u' ? (id ? 2 : 1) : *who == 'g' ? (id ? 8 : 4) : *who == 'm' ? 16 : 32;
}

/* setacl NAME access|default u=rw,u65534=r,g=r,m=rw,o= */
static long call_setacl(struct table_world *world, char **words)
{
	struct acl acl = {.version = 2};
	char *entry, *list = words[2];
	size_t count = 0;

	(void)world;
	while ((entry = strsep(&list, ",")) != NULL) {
		char *perms = strchr(entry, '=');
		bool id = perms != entry + 1;

		acl.entries[count].tag = (uint16_t)acl_tag(entry, id);
		acl.entries[count].id = id ? (uint32_t)strtoul(entry + 1, NULL, 10) : UINT32_MAX;
		acl.entries[count].perm =
			(uint16_t)((strchr(perms, 'r') ? 4 : 0) | (strchr(perms, 'w') ? 2 : 0) |
				   (strchr(perms, 'x') ? 1 : 0));
		count++;
	}
	return result_of(setxattr(words[0], acl_name(words[1]), &acl, 4 + 8 * count, 0));
}

/* getacl NAME access|default: as setacl takes it */
static long call_getacl(struct table_world *world, char **words)
{
	struct acl acl;
	ssize_t size = getxattr(words[0], acl_name(words[1]), &acl, sizeof(acl));

	if (size < 0)
		return -errno;
	for (size_t i = 0; i < ((size_t)size - 4) / 8; i++) {
		unsigned tag = acl.entries[i].tag, perm = acl.entries[i].perm;
		char *end = world->text + strlen(world->text);

		end += sprintf(end, "%s%c", i > 0 ? "," : "",
			tag <= 2    ? 'u'
			: tag <= 8  ? 'g'
			: tag == 16 ? 'm'
				    : 'o');
		if (tag == 2 || tag == 8)
			end += sprintf(end, "%u", acl.entries[i].id);
		sprintf(end, "=%s%s%s", perm & 4 ? "r" : "", perm & 2 ? "w" : "",
			perm & 1 ? "x" : "");
	}
	return 0;
}

const struct table_call table_attributes[] = {
	{"access", 2, call_access},
	{"changed", 1, call_changed},
	{"chmod", 2, call_chmod},
	{"chown", 3, call_chown},
	{"getacl", 2, call_getacl},
	{"getxattr", 2, call_getxattr},
	{"listxattr", 1, call_listxattr},
	{"mark", 0, call_mark},
	{"removexattr", 2, call_removexattr},
	{"same", 2, call_same},
	{"setacl", 3, call_setacl},
	{"setxattr", 3, call_setxattr},
	{"stat", 2, call_stat},
	{"statfs", 2, call_statfs},
	{"utimens", 3, call_utimens},
	{NULL, 0, NULL},
};
