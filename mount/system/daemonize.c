/* One pipe: the background process writes a byte when it is ready; when it ends before, the pipe
 * is closed and its exit status tells. */
#include "mount/system/daemonize.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Status of a process that was killed. */
#define STATUS_KILLED 3

static _Noreturn void wait_for(pid_t pid, int ready_fd)
{
	char byte;
	int status = 0;
	ssize_t got;

	do {
		got = read(ready_fd, &byte, 1);
	} while (got < 0 && errno == EINTR);
	if (got == 1)
		_exit(EXIT_SUCCESS);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : STATUS_KILLED);
}

int daemonize_begin(int *ret_ready_fd)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		int err = -errno;

		close(fds[0]);
		close(fds[1]);
		return err;
	}
	if (pid > 0) {
		close(fds[1]);
		wait_for(pid, fds[0]);
	}
	close(fds[0]);
	setsid();
	*ret_ready_fd = fds[1];
	return 0;
}

void daemonize_ready(int ready_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (chdir("/") == 0 && null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	if (null > STDERR_FILENO)
		close(null);
	while (write(ready_fd, "", 1) < 0 && errno == EINTR)
		;
	close(ready_fd);
}
