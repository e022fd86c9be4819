/* The three standard descriptors of the program are always open.
 *
 * A program that is started with one of them closed would open its own files under that number, and
 * then print into them, or read a value from them.
 */
#ifndef MOUNT_SYSTEM_STDIO_H
#define MOUNT_SYSTEM_STDIO_H

/** Open each standard descriptor that is closed, so that using it fails with EBADF as before. To be
 *  called before anything else is opened.
 *  @return 0; -errno: one cannot be opened, and the program must not go on */
int stdio_open_missing(void);

#endif
