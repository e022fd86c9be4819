#include "mount/system/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Each is opened for the opposite of its use, as the C library does for set-user-id programs: output
 * that cannot be written is an error and not lost, and missing input is not an empty value. */
int stdio_open_missing(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		int opened;

		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (errno != EBADF)
			return -errno;
		opened = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
		if (opened < 0)
			return -errno;
		if (opened != fd) { /* the lowest free number is fd, unless a thread interferes */
			close(opened);
			return -EBUSY;
		}
	}
	return 0;
}
