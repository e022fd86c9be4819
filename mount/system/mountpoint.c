/* Mount points: finding, checking, locking and clearing them. */
#include "mount/system/mountpoint.h"
#include "mount/system/dying.h"
#include "mount/system/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int mountpoint_fail(struct attach_why *ret_why, int err, const char *why)
{
	snprintf(ret_why->text, sizeof(ret_why->text), "%s", why);
	return err;
}

/* Real path of a directory's parent, and its own name: what is left to say of a directory whose
 * mount does not answer. */
static char *resolve_by_parent(const char *dir)
{
	char *copy = strdup(dir), *copy2 = strdup(dir), *parent = NULL, *path = NULL;

	if (copy != NULL && copy2 != NULL)
		parent = realpath(dirname(copy), NULL);
	if (parent != NULL && asprintf(&path, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent,
				      basename(copy2)) < 0)
		path = NULL;
	free(parent);
	free(copy2);
	free(copy);
	return path;
}

static char *mountpoint_resolve(const char *dir)
{
	char *path = realpath(dir, NULL);

	return path != NULL || errno == ENOENT ? path : resolve_by_parent(dir);
}

static bool is_ours(const struct mountinfo *info)
{
	return strcmp(info->type, ATTACH_TYPE) == 0;
}

/* End the connection of a mount of ours whose process was killed and cannot end. It may be unmounted
 * by that. Until then nothing in it may be asked for.
 *  @param path  that was resolved without asking the mount
 *  @return 1 it was so; 0 it is no such mount; or why the connection cannot be ended */
static int end_dying(const char *path, mountpoint_tell_fn *tell, struct attach_why *ret_why)
{
	struct mountinfo info = {0};
	int err = mountinfo_find(path, &info), found = 0;

	if (!err && is_ours(&info) && dying_is(&info)) {
		err = dying_abort(&info);
		if (err)
			mountpoint_fail(ret_why, err,
				"its process was killed and cannot end; only root can abort the "
				"connection");
		else
			tell(info.dir, "its process was killed and could not end: the connection "
				       "was aborted");
		found = 1;
	}
	mountinfo_fini(&info);
	return found && err ? err : found;
}

/* Take off a mount whose process has died, if it is one of ours. */
static int clear_dead(const char *dir, struct attach_why *ret_why)
{
	struct mountinfo info = {0};
	char *path = resolve_by_parent(dir);
	int err = path != NULL ? mountinfo_find(path, &info) : -ENOMEM;

	if (!err && is_ours(&info))
		err = attach_unmount(path, true, ret_why);
	else
		err = mountpoint_fail(ret_why, -ENOTCONN,
			"a dead mount that is not keytree's is there; unmount it first");
	mountinfo_fini(&info);
	free(path);
	return err;
}

/* The mode of a file, asked from its file system: the kernel may know it of a dead one, too. */
static int ask_mode(const char *path, mode_t *ret_mode)
{
	struct statx stat;

	if (statx(AT_FDCWD, path, AT_STATX_FORCE_SYNC, STATX_TYPE, &stat) != 0)
		return -errno;
	*ret_mode = stat.stx_mode;
	return 0;
}

/* Only its user may ask a mount without allow_other anything, root may not; it may be dead. */
static int fail_of_another_user(const char *dir, struct attach_why *ret_why)
{
	struct mountinfo info = {0};
	char *path = resolve_by_parent(dir);
	int err = path != NULL ? mountinfo_find(path, &info) : -ENOMEM;

	if (!err && is_ours(&info))
		snprintf(ret_why->text, sizeof(ret_why->text),
			"another user has mounted %s there; take that off first: umount %s",
			info.source, path);
	else
		mountpoint_fail(ret_why, -EACCES, strerror(EACCES));
	mountinfo_fini(&info);
	free(path);
	return -EACCES;
}

static int check_directory(const char *dir, struct attach_why *ret_why)
{
	mode_t mode = 0;
	int err = ask_mode(dir, &mode);

	if (err == -ENOTCONN) {
		err = clear_dead(dir, ret_why);
		if (err != 0)
			return err;
		err = ask_mode(dir, &mode);
	}
	if (err == -EACCES)
		return fail_of_another_user(dir, ret_why);
	if (err != 0)
		return mountpoint_fail(
			ret_why, err, err == -ENOENT ? "no such directory" : strerror(-err));
	if (!S_ISDIR(mode))
		return mountpoint_fail(ret_why, -ENOTDIR, "not a directory");
	return 0;
}

static int check_unused(const char *path, struct attach_why *ret_why)
{
	struct mountinfo info;
	int err = mountinfo_find(path, &info);

	if (err != 0)
		return err == -ENOENT ? 0 : mountpoint_fail(ret_why, err, strerror(-err));
	snprintf(ret_why->text, sizeof(ret_why->text), "in use: %s is mounted there", info.source);
	mountinfo_fini(&info);
	return -EBUSY;
}

int mountpoint_take(
	const char *dir, mountpoint_tell_fn *tell, char **ret_path, struct attach_why *ret_why)
{
	char *path = resolve_by_parent(dir);
	int err = path != NULL ? end_dying(path, tell, ret_why) : 0, fd;

	free(path);
	if (err >= 0)
		err = check_directory(dir, ret_why);
	if (err != 0)
		return err;
	path = realpath(dir, NULL);
	if (path == NULL)
		return mountpoint_fail(ret_why, -errno, strerror(errno));
	err = check_unused(path, ret_why);
	if (err != 0) {
		free(path);
		return err;
	}
	/* Open, and so locked, to the end of the process. Without permission to read the directory
	 * only waiting for this mount's end is lost. */
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		flock(fd, LOCK_SH | LOCK_NB);
	*ret_path = path;
	return 0;
}

/* ---- waiting for the process of a mount ------------------------------------------------------ */

/* Seconds after which whoever waits is told why. */
#define MOUNTPOINT_PATIENCE 1

/* flock(2) has no time limit, so a thread of its own waits for the lock. */
struct mountpoint_wait {
	pthread_mutex_t mutex;
	pthread_cond_t ended;
	bool done;	/* the lock was there to be had: no process serves the mount */
	bool abandoned; /* nobody waits for the thread: the memory is its own */
	int fd;
};

static void mountpoint_wait_free(struct mountpoint_wait *wait)
{
	close(wait->fd);
	pthread_cond_destroy(&wait->ended);
	pthread_mutex_destroy(&wait->mutex);
	free(wait);
}

static void *mountpoint_lock(void *arg)
{
	struct mountpoint_wait *wait = arg;
	bool abandoned;

	while (flock(wait->fd, LOCK_EX) != 0 && errno == EINTR)
		;
	pthread_mutex_lock(&wait->mutex);
	wait->done = true;
	abandoned = wait->abandoned;
	pthread_cond_signal(&wait->ended);
	pthread_mutex_unlock(&wait->mutex);
	if (abandoned)
		mountpoint_wait_free(wait);
	return NULL;
}

/* @return false: the process still serves after some seconds */
static bool mountpoint_wait_some(struct mountpoint_wait *wait)
{
	struct timespec until;
	int err = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += MOUNTPOINT_PATIENCE;
	pthread_mutex_lock(&wait->mutex);
	while (!wait->done && !err)
		err = pthread_cond_timedwait(&wait->ended, &wait->mutex, &until);
	if (wait->done)
		err = 0;
	pthread_mutex_unlock(&wait->mutex);
	return !err;
}

/* Free the memory, or leave it to the thread if that still waits. */
static void mountpoint_wait_end(struct mountpoint_wait *wait)
{
	bool done;

	pthread_mutex_lock(&wait->mutex);
	done = wait->done;
	wait->abandoned = true;
	pthread_mutex_unlock(&wait->mutex);
	if (done)
		mountpoint_wait_free(wait);
}

static int mountpoint_wait_begin(const char *path, struct mountpoint_wait **ret_wait)
{
	struct mountpoint_wait *wait = calloc(1, sizeof(*wait));
	pthread_t thread;
	int err;

	if (wait == NULL)
		return -ENOMEM;
	pthread_mutex_init(&wait->mutex, NULL);
	pthread_cond_init(&wait->ended, NULL);
	wait->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = wait->fd < 0 ? -errno : -pthread_create(&thread, NULL, mountpoint_lock, wait);
	if (err) {
		mountpoint_wait_free(wait);
		return err;
	}
	pthread_detach(thread);
	*ret_wait = wait;
	return 0;
}

/* Wait until no process holds the directory below a mount locked: it is served no more. Where the
 * directory cannot be opened, nothing can be waited for.
 * @return 0; -EBUSY another mount namespace keeps the mount */
static int mountpoint_wait_for_end(
	const struct mountinfo *gone, mountpoint_tell_fn *tell, struct attach_why *ret_why)
{
	struct mountpoint_wait *wait;
	bool told = false;
	int err = 0;

	if (mountpoint_wait_begin(gone->dir, &wait) != 0)
		return 0;
	while (!err && !mountpoint_wait_some(wait)) {
		pid_t pid;

		if (mountinfo_find_elsewhere(gone, &pid) == 0) {
			snprintf(ret_why->text, sizeof(ret_why->text),
				"unmounted here, but process %ld still has it mounted in another "
				"mount namespace",
				(long)pid);
			err = -EBUSY;
		} else if (!told) {
			tell(gone->dir, "waiting until the store is flushed and the process of the "
					"mount ends");
			told = true;
		}
	}
	mountpoint_wait_end(wait);
	return err;
}

static int unmount_path(const char *path, mountpoint_tell_fn *tell, struct attach_why *ret_why)
{
	struct mountinfo info;
	int err = mountinfo_find(path, &info), dying;

	if (err == -ENOENT)
		return mountpoint_fail(ret_why, -EINVAL, "nothing is mounted there");
	if (err)
		return mountpoint_fail(ret_why, err, strerror(-err));
	dying = end_dying(path, tell, ret_why);
	if (dying < 0)
		err = dying;
	else if (dying)
		attach_unmount(path, true, ret_why); /* unless that was done already */
	else if (is_ours(&info))
		err = attach_unmount(path, false, ret_why);
	else
		err = mountpoint_fail(ret_why, -EINVAL, "not a keytree mount");
	if (!err)
		err = mountpoint_wait_for_end(&info, tell, ret_why);
	mountinfo_fini(&info);
	return err;
}

int mountpoint_unmount(const char *dir, mountpoint_tell_fn *tell, struct attach_why *ret_why)
{
	char *path = mountpoint_resolve(dir);
	int err;

	if (path == NULL)
		return mountpoint_fail(
			ret_why, -errno, errno == ENOENT ? "no such directory" : strerror(errno));
	err = unmount_path(path, tell, ret_why);
	free(path);
	return err;
}
