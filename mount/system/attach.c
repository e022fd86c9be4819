/* mount(2) needs root. fusermount3 is installed set-user-id, mounts for the user who calls it, and
 * passes the descriptor of /dev/fuse back through the socket named by _FUSE_COMMFD. */
#include "mount/system/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FUSERMOUNT "fusermount3"

extern char **environ;

static int attach_fail(struct attach_why *ret_why, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int attach_fail(struct attach_why *ret_why, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(ret_why->text, sizeof(ret_why->text), format, args);
	va_end(args);
	return err;
}

/* What to do about a refusal that is not one of permission bits. */
static const char *attach_hint(int err)
{
	if (err == -EACCES)
		return "; a policy such as AppArmor or SELinux forbids it: allow mounts of type "
		       "fuse.keytree (docker: --security-opt apparmor=unconfined)";
	if (err == -EPERM)
		return "; in a container, give it CAP_SYS_ADMIN and /dev/fuse (docker: --cap-add "
		       "SYS_ADMIN --device /dev/fuse)";
	return "";
}

/* ---- fusermount3 ---- */

static int spawn(char **argv, int stderr_fd, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int err;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_adddup2(&actions, stderr_fd, STDERR_FILENO);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	err = posix_spawnp(ret_pid, argv[0], &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -err;
}

/* Keep the first line a program says on its standard error, without the program's name. */
static void read_complaint(int fd, struct attach_why *ret_why)
{
	static const char prefix[] = FUSERMOUNT ": ";
	char text[sizeof(ret_why->text)] = "";
	size_t used = 0;
	ssize_t got;
	const char *begin = text;

	while (used + 1 < sizeof(text)) {
		got = read(fd, text + used, sizeof(text) - 1 - used);
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	text[used] = '\0';
	if (strncmp(begin, prefix, strlen(prefix)) == 0)
		begin += strlen(prefix);
	snprintf(ret_why->text, sizeof(ret_why->text), "%.*s", (int)strcspn(begin, "\n"), begin);
}

/* Run fusermount3 to its end. */
static int run_fusermount(char **argv, struct attach_why *ret_why)
{
	int pipe_fds[2], status = 0, err;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) != 0)
		return attach_fail(ret_why, -errno, "%s", strerror(errno));
	err = spawn(argv, pipe_fds[1], &pid);
	close(pipe_fds[1]);
	if (!err) {
		read_complaint(pipe_fds[0], ret_why);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(pipe_fds[0]);
	if (err != 0)
		return attach_fail(ret_why, err, "cannot run " FUSERMOUNT " (package fuse3): %s",
			strerror(-err));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (ret_why->text[0] == '\0')
		return attach_fail(ret_why, -EIO, FUSERMOUNT " failed");
	if (strstr(ret_why->text, strerror(EBUSY)) != NULL)
		return -EBUSY;
	return strstr(ret_why->text, strerror(EACCES)) != NULL ? -EACCES : -EPERM;
}

/* Add to a complaint of mount(2) that fusermount3 has passed on what can be done about it. */
static void add_hint(struct attach_why *ret_why)
{
	size_t used = strlen(ret_why->text);
	int err = 0;

	if (strstr(ret_why->text, "mount failed: ") == NULL)
		return;
	if (strstr(ret_why->text, strerror(EACCES)) != NULL)
		err = -EACCES;
	else if (strstr(ret_why->text, strerror(EPERM)) != NULL)
		err = -EPERM;
	snprintf(ret_why->text + used, sizeof(ret_why->text) - used, "%s", attach_hint(err));
}

/* Receive the descriptor that fusermount3 has sent; it has ended by then. */
static int receive_fd(int socket)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *header;
	int fd;

	if (recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
		return -EIO;
	header = CMSG_FIRSTHDR(&message);
	if (header == NULL || header->cmsg_type != SCM_RIGHTS)
		return -EIO;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

/* In the options of fusermount3 a comma ends the word, unless behind a backslash. */
static void append_escaped(char *to, size_t size, const char *text)
{
	size_t used = strlen(to);

	for (; *text != '\0' && used + 3 < size; text++) {
		if (*text == ',' || *text == '\\')
			to[used++] = '\\';
		to[used++] = *text;
	}
	to[used] = '\0';
}

static int mount_by_fusermount(
	const struct attach_options *options, int *ret_fd, struct attach_why *ret_why)
{
	char words[8192], number[16];
	char *argv[] = {FUSERMOUNT, "-o", words, "--", (char *)options->dir, NULL};
	int sockets[2], fd, err;

	snprintf(words, sizeof(words), "subtype=keytree,default_permissions%s%s%s,fsname=",
		options->allow_other ? ",allow_other" : "", options->read_only ? ",ro" : "",
		options->no_exec ? ",noexec" : "");
	append_escaped(words, sizeof(words), options->source);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0)
		return attach_fail(ret_why, -errno, "%s", strerror(errno));
	fcntl(sockets[0], F_SETFD, FD_CLOEXEC);
	snprintf(number, sizeof(number), "%d", sockets[1]);
	setenv("_FUSE_COMMFD", number, 1);
	err = run_fusermount(argv, ret_why);
	if (err)
		add_hint(ret_why);
	unsetenv("_FUSE_COMMFD");
	fd = !err ? receive_fd(sockets[0]) : err;
	close(sockets[0]);
	close(sockets[1]);
	if (fd < 0)
		return err != 0 ? err : attach_fail(ret_why, fd, FUSERMOUNT " sent no descriptor");
	*ret_fd = fd;
	return 0;
}

/* ---- mount(2) ---- */

static int mount_directly(
	const struct attach_options *options, int *ret_fd, struct attach_why *ret_why)
{
	unsigned long flags = MS_NOSUID | MS_NODEV | (options->read_only ? MS_RDONLY : 0) |
			      (options->no_exec ? MS_NOEXEC : 0);
	char data[128];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	int err;

	if (fd < 0)
		return attach_fail(ret_why, -errno, "cannot open /dev/fuse: %s", strerror(errno));
	snprintf(data, sizeof(data),
		"fd=%d,rootmode=40000,user_id=%u,group_id=%u,default_permissions%s", fd, getuid(),
		getgid(), options->allow_other ? ",allow_other" : "");
	if (mount(options->source, options->dir, ATTACH_TYPE, flags, data) != 0) {
		err = -errno;
		close(fd);
		return attach_fail(ret_why, err, "cannot mount: %s%s", strerror(-err),
			err == -EACCES ? attach_hint(err) : "");
	}
	*ret_fd = fd;
	return 0;
}

int attach_mount(const struct attach_options *options, int *ret_fd, struct attach_why *ret_why)
{
	int err = mount_directly(options, ret_fd, ret_why);

	if (err == -EPERM)
		err = mount_by_fusermount(options, ret_fd, ret_why);
	if (!err && fcntl(*ret_fd, F_SETFL, O_RDWR | O_NONBLOCK) != 0)
		err = attach_fail(ret_why, -errno, "%s", strerror(errno));
	return err;
}

int attach_unmount(const char *dir, bool lazy, struct attach_why *ret_why)
{
	char *argv[] = {FUSERMOUNT, lazy ? "-uz" : "-u", "--", (char *)dir, NULL};
	int err = 0;

	if (umount2(dir, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) != 0)
		err = -errno;
	if (err == -EPERM)
		err = run_fusermount(argv, ret_why);
	else if (err != 0)
		attach_fail(ret_why, err, "%s", strerror(-err));
	if (err == -EBUSY)
		attach_fail(ret_why, err, "in use: files in it are open");
	return err;
}
