/* The formats of import and export; which are there is a matter of the build. */
#ifndef MOUNT_CONVERT_FORMATS_H
#define MOUNT_CONVERT_FORMATS_H

#include "mount/convert/convert.h"

extern const struct format format_jsonl;
extern const struct format format_sqlite;
extern const struct format format_tar;

#endif
