/* Whether standard output was written. */
#ifndef MOUNT_TEXT_OUTPUT_H
#define MOUNT_TEXT_OUTPUT_H

#include <errno.h>
#include <stdbool.h>

/** The result of a call that has just printed.
 *  @param ok  whether the call reported success
 *  @return 0 or -errno */
static inline int output_wrote(bool ok)
{
	return ok ? 0 : errno != 0 ? -errno : -EIO;
}

#endif
