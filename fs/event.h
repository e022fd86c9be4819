/* Waking a thread that polls an eventfd. */
#ifndef FS_EVENT_H
#define FS_EVENT_H

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

/** Make an eventfd readable. */
static inline void event_signal(int event_fd)
{
	const uint64_t one = 1;

	while (write(event_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

#endif
