/* Names side by side, as many as the terminal has room for; to be read down each column.
 *
 *     a    ccc
 *     bb   d
 */
#ifndef MOUNT_TEXT_COLUMNS_H
#define MOUNT_TEXT_COLUMNS_H

#include "mount/text/human.h"

#include <stddef.h>

/** A name as it is printed. */
struct column_name {
	const char *text; /* borrowed */
	enum human_style style;
};

/** Print names on standard output, which is a terminal.
 *  @return 0; -errno the output could not be written */
int columns_print(const struct column_name *names, size_t count);

#endif
