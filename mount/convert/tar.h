/* tar: the files and directories that a mount of the store shows, in the pax format, which has room
 * for any name, size and time, and for extended attributes. libarchive writes them; they are read
 * by tar_input.h, so that names stay as they are. An entry's path is that of its key (names.h).
 */
#ifndef MOUNT_CONVERT_TAR_H
#define MOUNT_CONVERT_TAR_H

#include "mount/convert/convert.h"

#include "fs/names/names.h"

#define TAR_SEPARATOR '/'

/** Room for a path with "./" or a '/' more. */
#define TAR_PATH_SIZE (NAMES_PATH_SIZE + 2)

struct archive;

/** The error of the last call of libarchive. @return -errno, or as convert_malformed() */
int tar_fail(struct convert *convert, struct archive *archive);

/** Write all records. @return 0 or -errno */
int tar_write(struct convert *convert);

/** Read all records. @return 0 or -errno */
int tar_read(struct convert *convert);

#endif
