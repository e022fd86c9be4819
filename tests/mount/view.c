/* See view.h. */
#include "view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

static void count_name(struct view *view, const struct stat *stat)
{
	size_t i = 0;

	while (i < view->inode_count &&
		!(view->inodes[i].ino == stat->st_ino &&
			(view->made || view->inodes[i].links == stat->st_nlink)))
		i++;
	assert_true(i < VIEW_INODES_MAX);
	if (i == view->inode_count)
		view->inodes[view->inode_count++].links = stat->st_nlink;
	view->inodes[i].ino = stat->st_ino;
	view->inodes[i].names++;
}

static void show_content(struct view *view, int at, const char *name, mode_t mode)
{
	static char bytes[4 * 1024 * 1024];
	ssize_t size;
	uint32_t sum = 0;
	int fd;

	if (S_ISLNK(mode)) {
		size = readlinkat(at, name, bytes, sizeof(bytes));
	} else {
		fd = openat(at, name, O_RDONLY | O_NOFOLLOW);
		assert_true(fd >= 0);
		size = read(fd, bytes, sizeof(bytes));
		fprintf(view->stream, " x%zd", fgetxattr(fd, "user.x", NULL, 0));
		close(fd);
	}
	assert_true(size >= 0 && size < (ssize_t)sizeof(bytes));
	for (ssize_t i = 0; i < size; i++)
		sum = sum * 31 + (unsigned char)bytes[i];
	fprintf(view->stream, " %zd:%08x", size, sum);
}

static void show_number_and_times(struct view *view, const struct stat *stat)
{
	const struct timespec *m = &stat->st_mtim, *c = &stat->st_ctim;

	if (S_ISDIR(stat->st_mode) && !view->made)
		return;
	fprintf(view->stream, " %ju %jd.%09ld %jd.%09ld", (uintmax_t)stat->st_ino,
		(intmax_t)m->tv_sec, m->tv_nsec, (intmax_t)c->tv_sec, c->tv_nsec);
}

/* Have the mount itself tell the times of a directory, and when a file changed: a kernel whose
 * question for them was on its way while a name in there, or an attribute, changed keeps those from
 * before. */
static void ask_times(int at, const char *name, struct stat *stat)
{
	struct statx told;

	assert_int_equal(statx(at, name, AT_SYMLINK_NOFOLLOW | AT_STATX_FORCE_SYNC,
				 STATX_MTIME | STATX_CTIME, &told),
		0);
	if (S_ISDIR(stat->st_mode))
		stat->st_mtim = (struct timespec){told.stx_mtime.tv_sec, told.stx_mtime.tv_nsec};
	stat->st_ctim = (struct timespec){told.stx_ctime.tv_sec, told.stx_ctime.tv_nsec};
}

static void show_directory(struct view *view, int at, const char *path);

static void show_name(struct view *view, int at, const char *path, const char *name)
{
	struct stat stat;
	char *full;

	assert_true(asprintf(&full, "%s/%s", path, name) > 0);
	if (fstatat(at, name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
		fail_msg("%s is listed, and: %s", full, strerror(errno));
	ask_times(at, name, &stat);
	fprintf(view->stream, "%s %o", full, stat.st_mode);
	show_number_and_times(view, &stat);
	if (S_ISDIR(stat.st_mode)) {
		int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		assert_true(fd >= 0);
		fputc('\n', view->stream);
		show_directory(view, fd, full);
		close(fd);
	} else {
		fprintf(view->stream, " %ju %jd", (uintmax_t)stat.st_nlink, (intmax_t)stat.st_size);
		count_name(view, &stat);
		show_content(view, at, name, stat.st_mode);
		fputc('\n', view->stream);
	}
	free(full);
}

static int is_name(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static void show_directory(struct view *view, int at, const char *path)
{
	struct dirent **entries;
	int count = scandirat(at, ".", &entries, is_name, alphasort);

	assert_true(count >= 0);
	for (int i = 0; i < count; i++) {
		show_name(view, at, path, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

/* Say what the names of an inode are, of which it has not as many as it says. */
static void fail_names(const struct view *view, const struct view_inode *inode)
{
	char number[24];

	snprintf(number, sizeof(number), " %ju ", (uintmax_t)inode->ino);
	for (char *save, *line = strtok_r(view->text, "\n", &save); line != NULL;
		line = strtok_r(NULL, "\n", &save))
		if (strstr(line, number) != NULL)
			fprintf(stderr, "%s\n", line);
	fail_msg("inode %ju has %ju names, and says %ju", (uintmax_t)inode->ino,
		(uintmax_t)inode->names, (uintmax_t)inode->links);
}

void view_look(struct view *view, const char *mount, bool made)
{
	int fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	*view = (struct view){.made = made};
	view->stream = open_memstream(&view->text, &view->size);
	show_directory(view, fd, "");
	fclose(view->stream);
	close(fd);
	for (size_t i = 0; i < view->inode_count; i++)
		if (view->inodes[i].names != view->inodes[i].links &&
			(view->made || view->inodes[i].links > 1))
			fail_names(view, &view->inodes[i]);
}

void view_assert_same(const struct view *view, const struct view *fresh)
{
	const char *a = view->text, *b = fresh->text;

	if (strcmp(a, b) == 0)
		return;
	while (*a == *b) {
		a++;
		b++;
	}
	while (a > view->text && a[-1] != '\n') {
		a--;
		b--;
	}
	fail_msg("the mount shows\n%.300s\na fresh one\n%.300s", a, b);
}
