#include "mount/system/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int target_resolve(const char *path, char **ret_path, bool *ret_special)
{
	struct stat stat_buf;
	char *real;

	*ret_special = false;
	if (stat(path, &stat_buf) != 0) {
		if (errno != ENOENT || lstat(path, &stat_buf) == 0)
			return -errno; /* a link that leads nowhere is no name for a new file */
		real = strdup(path);
	} else {
		*ret_special = S_ISCHR(stat_buf.st_mode) || S_ISBLK(stat_buf.st_mode) ||
			       S_ISFIFO(stat_buf.st_mode);
		real = realpath(path, NULL);
	}
	if (real == NULL)
		return -errno;
	*ret_path = real;
	return 0;
}

/* A file beside the one that is wanted. */
static int target_open_temporary(struct target *target)
{
	struct stat old;

	if (stat(target->path, &old) == 0) {
		target->replaces = true;
		target->uid = old.st_uid;
		target->gid = old.st_gid;
		target->mode = old.st_mode & 07777;
	}
	if (asprintf(&target->temporary, "%s.XXXXXX", target->path) < 0) {
		target->temporary = NULL;
		return -ENOMEM;
	}
	target->fd = mkostemp(target->temporary, O_CLOEXEC);
	return target->fd < 0 ? -errno : 0;
}

static void target_fini(struct target *target)
{
	if (target->fd >= 0)
		close(target->fd);
	free(target->temporary);
	free(target->path);
	*target = (struct target){.fd = -1};
}

int target_open(const char *path, struct target *ret_target)
{
	struct target target = {.fd = -1};
	bool special;
	int err = target_resolve(path, &target.path, &special);

	if (err)
		return err;
	if (special) {
		target.fd = open(target.path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		err = target.fd < 0 ? -errno : 0;
	} else {
		err = target_open_temporary(&target);
	}
	if (err)
		target_fini(&target);
	else
		*ret_target = target;
	return err;
}

/* The new file gets owner and mode of the one it replaces. A user who may not give a file away keeps
 * it; nobody gets rights that way that had none. */
static int target_take_rights(const struct target *target)
{
	mode_t mode = target->mode;

	if (!target->replaces)
		return 0;
	if (fchown(target->fd, target->uid, target->gid) != 0) {
		if (fchown(target->fd, (uid_t)-1, target->gid) != 0)
			mode &= ~(mode_t)070;
		mode &= ~(mode_t)(S_ISUID | S_ISGID);
	}
	return fchmod(target->fd, mode) != 0 ? -errno : 0;
}

int target_commit(struct target *target)
{
	int err = 0;

	if (target->temporary == NULL) {
		err = close(target->fd) != 0 ? -errno : 0;
		target->fd = -1;
	} else {
		err = target_take_rights(target);
		if (!err && fsync(target->fd) != 0)
			err = -errno;
		if (!err && rename(target->temporary, target->path) != 0)
			err = -errno;
		if (err)
			unlink(target->temporary);
	}
	target_fini(target);
	return err;
}

void target_discard(struct target *target)
{
	if (target->temporary != NULL)
		unlink(target->temporary);
	target_fini(target);
}
