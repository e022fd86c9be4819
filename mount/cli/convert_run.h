/* One run of keytree import or keytree export: what their command lines say alike. */
#ifndef MOUNT_CLI_CONVERT_RUN_H
#define MOUNT_CLI_CONVERT_RUN_H

#include "mount/convert/convert.h"

struct command;

enum convert_direction { CONVERT_IMPORT, CONVERT_EXPORT };

struct convert_run {
	const char *store_path;
	const struct format *format; /* NULL: it is an increment (kt_apply()) */
	bool replace;		     /* it drops what the store has changed since it begins */
	struct convert convert;	     /* with path, and what the options say */
};

/** Take the options and operands of a command line, and choose the format.
 *  @param way      the direction; an import may come in batches
 *  @param ret_run  zeroed but for that
 *  @return COMMAND_DONE; or COMMAND_USAGE, and it has been printed */
int convert_run_parse(const struct command *command, int argc, char **argv,
	enum convert_direction way, struct convert_run *ret_run);

#endif
