/* Calls on names. */
#include "table.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static long result_of(long result)
{
	return result < 0 ? -errno : result;
}

static mode_t mode_of(const char *word)
{
	return (mode_t)strtoul(word, NULL, 8);
}

static long call_mkdir(struct table_world *world, char **words)
{
	(void)world;
	return result_of(mkdir(words[0], mode_of(words[1])));
}

static long call_rmdir(struct table_world *world, char **words)
{
	(void)world;
	return result_of(rmdir(words[0]));
}

static long call_unlink(struct table_world *world, char **words)
{
	(void)world;
	return result_of(unlink(words[0]));
}

/* rename FROM TO [FLAGS] */
static long call_rename(struct table_world *world, char **words)
{
	static const struct table_word list[] = {{"noreplace", RENAME_NOREPLACE},
		{"exchange", RENAME_EXCHANGE}, {"whiteout", RENAME_WHITEOUT}, {NULL, 0}};

	(void)world;
	if (words[2] == NULL)
		return result_of(rename(words[0], words[1]));
	return result_of(renameat2(
		AT_FDCWD, words[0], AT_FDCWD, words[1], (unsigned)table_flags(list, words[2])));
}

static long call_link(struct table_world *world, char **words)
{
	(void)world;
	return result_of(link(words[0], words[1]));
}

/* linkfd FILE NAME: give a file without a name one */
static long call_linkfd(struct table_world *world, char **words)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", table_fd(world, words[0]));
	return result_of(linkat(AT_FDCWD, path, AT_FDCWD, words[1], AT_SYMLINK_FOLLOW));
}

/* symlink TARGET NAME: "-" is no target */
static long call_symlink(struct table_world *world, char **words)
{
	(void)world;
	return result_of(symlink(strcmp(words[0], "-") != 0 ? words[0] : "", words[1]));
}

static long call_readlink(struct table_world *world, char **words)
{
	ssize_t size = readlink(words[0], world->text, sizeof(world->text) - 1);

	world->text[size > 0 ? size : 0] = '\0';
	return result_of(size);
}

/* mknod NAME TYPE MODE [MAJOR MINOR] */
static long call_mknod(struct table_world *world, char **words)
{
	static const struct table_word types[] = {{"file", S_IFREG}, {"fifo", S_IFIFO},
		{"socket", S_IFSOCK}, {"char", S_IFCHR}, {"block", S_IFBLK}, {"dir", S_IFDIR},
		{NULL, 0}};
	dev_t device = words[3] == NULL ? 0
					: makedev((unsigned)table_number(words[3]),
						  (unsigned)table_number(words[4]));

	(void)world;
	return result_of(
		mknod(words[0], (mode_t)table_flags(types, words[1]) | mode_of(words[2]), device));
}

static long call_chdir(struct table_world *world, char **words)
{
	(void)world;
	return result_of(chdir(words[0]));
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* list DIRECTORY: its names, sorted */
static long call_list(struct table_world *world, char **words)
{
	DIR *dir = opendir(words[0]);
	char *names[1000];
	size_t count = 0;
	struct dirent *entry;

	if (dir == NULL)
		return -errno;
	while ((entry = readdir(dir)) != NULL && count < 1000) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			names[count++] = strdup(entry->d_name);
	}
	closedir(dir);
	qsort(names, count, sizeof(names[0]), compare_names);
	for (size_t i = 0; i < count; i++) {
		strcat(world->text, i > 0 ? " " : "");
		strcat(world->text, names[i]);
		free(names[i]);
	}
	return 0;
}

/* as USER GROUP: from here on */
static long call_as(struct table_world *world, char **words)
{
	(void)world;
	if (seteuid(0) != 0 || setegid((gid_t)table_number(words[1])) != 0)
		return -errno;
	return result_of(seteuid((uid_t)table_number(words[0])));
}

static long call_umask(struct table_world *world, char **words)
{
	(void)world;
	umask(mode_of(words[0]));
	return 0;
}

/* program NAME: a copy of a program */
static long call_program(struct table_world *world, char **words)
{
	char command[512];

	(void)world;
	snprintf(command, sizeof(command), "cp /bin/true %s", words[0]);
	return system(command) == 0 ? 0 : -EIO;
}

/* exec NAME: run a program. Nobody else may hold it open for writing. */
static long call_exec(struct table_world *world, char **words)
{
	char *argv[] = {words[0], NULL};
	int status = 0;
	pid_t pid = fork();

	(void)world;
	if (pid == 0) {
		for (int i = 0; i < TABLE_FILES; i++) {
			if (world->fd[i] >= 0 && (fcntl(world->fd[i], F_GETFD) & FD_CLOEXEC) == 0)
				close(world->fd[i]);
		}
		execv(words[0], argv);
		_exit(errno);
	}
	waitpid(pid, &status, 0);
	return -WEXITSTATUS(status);
}

const struct table_call table_names[] = {
	{"as", 2, call_as},
	{"chdir", 1, call_chdir},
	{"exec", 1, call_exec},
	{"link", 2, call_link},
	{"linkfd", 2, call_linkfd},
	{"list", 1, call_list},
	{"mkdir", 2, call_mkdir},
	{"mknod", 3, call_mknod},
	{"program", 1, call_program},
	{"readlink", 1, call_readlink},
	{"rename", 2, call_rename},
	{"rmdir", 1, call_rmdir},
	{"symlink", 2, call_symlink},
	{"umask", 1, call_umask},
	{"unlink", 1, call_unlink},
	{NULL, 0, NULL},
};
