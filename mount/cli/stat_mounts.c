#include "mount/cli/stat_mounts.h"
#include "mount/system/attach.h"
#include "mount/fuse/counts.h"
#include "mount/text/line.h"
#include "mount/system/mountinfo.h"
#include "mount/text/prometheus.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* How long a mount may take to answer. */
#define PATIENCE_MS 2000

/* A mount that has answered. */
struct stat_mount {
	char *dir; /* owned */
	dev_t dev;
	char text[COUNTS_TEXT_SIZE]; /* NUL-terminated */
};

/* ---- asking ---- */

/* Ask the mount that mountinfo has told of, not one that is on top of it. */
static void ask_and_write(const struct mountinfo *info, int fd)
{
	char text[COUNTS_TEXT_SIZE];
	ssize_t size = -1;
	struct stat stat_;

	if (stat(info->dir, &stat_) == 0 && stat_.st_dev == info->dev)
		size = getxattr(info->dir, COUNTS_XATTR, text, sizeof(text) - 1);
	if (size > 0 && write(fd, text, (size_t)size) != size)
		_exit(EXIT_FAILURE);
}

/* Ask in a process of its own, which holds nothing else: if the mount's process hangs, no signal
 * but SIGKILL gets it out of the kernel, and some time not even that.
 * @param ret_pid  it; to be killed and waited for
 * @return a descriptor to read the answer from, or -errno */
static int begin_asking(const struct mountinfo *info, pid_t *ret_pid)
{
	int fds[2], err;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -errno;
	*ret_pid = fork();
	if (*ret_pid == 0) {
		dup2(fds[1], STDIN_FILENO);
		close_range(STDIN_FILENO + 1, ~0U, 0);
		ask_and_write(info, STDIN_FILENO);
		_exit(EXIT_SUCCESS);
	}
	err = *ret_pid < 0 ? -errno : 0;
	close(fds[1]);
	if (!err)
		return fds[0];
	close(fds[0]);
	return err;
}

/* @return false: there is no answer */
static bool ask(const struct mountinfo *info, char ret_text[COUNTS_TEXT_SIZE])
{
	pid_t pid;
	struct pollfd answer = {.fd = begin_asking(info, &pid), .events = POLLIN};
	ssize_t size = -1;
	bool ended;

	if (answer.fd < 0)
		return false;
	ended = poll(&answer, 1, PATIENCE_MS) > 0;
	if (ended)
		size = read(answer.fd, ret_text, COUNTS_TEXT_SIZE - 1); /* written at once */
	else
		kill(pid, SIGKILL);
	close(answer.fd);
	waitpid(pid, NULL, ended ? 0 : WNOHANG);
	if (size <= 0)
		return false;
	ret_text[size] = '\0';
	return true;
}

struct search {
	const char *source;
	struct stat_mounts found;
};

static bool stat_mounts_has(const struct stat_mounts *mounts, dev_t dev)
{
	for (size_t i = 0; i < mounts->count; i++) {
		if (mounts->list[i].dev == dev)
			return true;
	}
	return false;
}

static int add_mount(void *arg, const struct mountinfo *info)
{
	struct search *search = arg;
	struct stat_mounts *found = &search->found;
	struct stat_mount *list, *mount;

	/* a mount may be seen at several places */
	if (strcmp(info->type, ATTACH_TYPE) != 0 || strcmp(info->source, search->source) != 0 ||
		stat_mounts_has(found, info->dev))
		return 0;
	list = realloc(found->list, (found->count + 1) * sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	found->list = list;
	mount = &list[found->count];
	if (!ask(info, mount->text))
		return 0;
	mount->dev = info->dev;
	mount->dir = strdup(info->dir);
	if (mount->dir == NULL)
		return -ENOMEM;
	found->count++;
	return 0;
}

int stat_mounts_read(const char *path, struct stat_mounts *ret_mounts)
{
	char *source = realpath(path, NULL);
	struct search search = {.source = source};
	int err = source != NULL ? mountinfo_each(add_mount, &search) : -errno;

	free(source);
	if (err != 0)
		stat_mounts_fini(&search.found);
	*ret_mounts = search.found;
	return err == -ENOMEM ? err : 0;
}

void stat_mounts_fini(struct stat_mounts *mounts)
{
	for (size_t i = 0; i < mounts->count; i++)
		free(mounts->list[i].dir);
	free(mounts->list);
	*mounts = (struct stat_mounts){0};
}

int stat_mounts_store(const char *path, char **ret_path)
{
	struct mountinfo info;
	struct stat stat_;
	char *dir;
	int err;

	*ret_path = NULL;
	if (stat(path, &stat_) != 0 || !S_ISDIR(stat_.st_mode))
		return 0;
	dir = realpath(path, NULL);
	err = dir != NULL ? mountinfo_find(dir, &info) : -errno;
	free(dir);
	if (err != 0)
		return err == -ENOENT ? 0 : err;
	if (strcmp(info.type, ATTACH_TYPE) == 0) {
		*ret_path = info.source;
		info.source = NULL;
	}
	mountinfo_fini(&info);
	return 0;
}

/* ---- showing ---- */

/* A number of a mount. */
struct number {
	char group[16], kind[24];
	uint64_t value;
};

/* Take the next number of a text. @return false at its end */
static bool next_number(const char **text, struct number *ret_number)
{
	int length = 0;

	if (sscanf(*text, "%15s %23s %" SCNu64 "%n", ret_number->group, ret_number->kind,
		    &ret_number->value, &length) != 3)
		return false;
	*text += length;
	return true;
}

int stat_mounts_print(const struct stat_mounts *mounts)
{
	struct number number;
	char name[sizeof(number.group) + sizeof(number.kind)];
	int err = 0;

	for (size_t i = 0; !err && i < mounts->count; i++) {
		const char *text = mounts->list[i].text;

		printf("%-20s ", "mount");
		err = line_write_name(mounts->list[i].dir);
		putchar('\n');
		while (next_number(&text, &number)) {
			snprintf(name, sizeof(name), "%s.%s", number.group, number.kind);
			if (number.value > 0)
				printf("  %-26s %" PRIu64 "\n", name, number.value);
		}
	}
	return err;
}

/* One mount: an object of objects, one for each group. @return NULL: no memory */
static json_t *mount_json(const struct stat_mount *mount)
{
	const struct kt_slice dir = {mount->dir, strlen(mount->dir)};
	json_t *object = json_object(), *group;
	int err = line_json_bytes(object, "dir", dir);
	const char *text = mount->text;
	struct number number;

	while (!err && next_number(&text, &number)) {
		group = json_object_get(object, number.group);
		if (group == NULL) {
			err = json_object_set_new(object, number.group, json_object());
			group = json_object_get(object, number.group);
		}
		if (!err)
			err = line_json_number(group, number.kind, (int64_t)number.value);
	}
	if (!err)
		return object;
	json_decref(object);
	return NULL;
}

int stat_mounts_json(const struct stat_mounts *mounts, json_t *object)
{
	json_t *array = json_array();

	for (size_t i = 0; i < mounts->count; i++) {
		if (json_array_append_new(array, mount_json(&mounts->list[i])) != 0) {
			json_decref(array);
			return -ENOMEM;
		}
	}
	return json_object_set_new(object, "mounts", array) != 0 ? -ENOMEM : 0;
}

/* The samples of one group, of all mounts. */
static void print_samples(
	const struct stat_mounts *mounts, const char *path, const char *group, const char *metric)
{
	struct number number;

	for (size_t i = 0; i < mounts->count; i++) {
		const struct stat_mount *mount = &mounts->list[i];
		const char *text = mount->text;

		while (next_number(&text, &number)) {
			const struct prometheus_label labels[] = {
				{"store", path},
				{"mount", mount->dir},
				{"kind", number.kind},
				{0},
			};

			if (strcmp(number.group, group) != 0)
				continue;
			prometheus_sample(metric, labels);
			printf("%" PRIu64 "\n", number.value);
		}
	}
}

void stat_mounts_prometheus(const struct stat_mounts *mounts, const char *path)
{
	static const struct {
		const char *group, *metric, *help;
	} metrics[] = {
		{"requests", "mount_requests_total", "Requests of the kernel to a mount."},
		{"opens", "mount_opens_total",
			"Opens of files whose value was sent ahead, or that read nothing."},
		{"reads", "mount_reads_total",
			"Files whose value was sent ahead as others had been read."},
		{"told", "mount_told_total",
			"What the kernel was told of changes by others than the mount."},
	};

	for (size_t i = 0; mounts->count > 0 && i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		prometheus_begin(metrics[i].metric, "counter", metrics[i].help);
		print_samples(mounts, path, metrics[i].group, metrics[i].metric);
	}
}
