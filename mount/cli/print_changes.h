/* Keys that differ between two points in time, one on a line: what keytree diff and keytree watch
 * print.
 *
 *     + KEY   it was added        - KEY   it was removed        ~ KEY   value or attributes differ
 */
#ifndef MOUNT_CLI_PRINT_CHANGES_H
#define MOUNT_CLI_PRINT_CHANGES_H

#include "keytree.h"

#include <stdbool.h>

struct command;

/** How to print, and what is compared. */
struct print_changes {
	bool json;
	char line_end; /* newline; or NUL: raw keys */
	struct kt_txn *from, *to;
};

/** Take the options of a command that prints such lines: -0 and --json.
 *  @return COMMAND_DONE; or COMMAND_USAGE, and it has been printed */
int print_changes_parse(
	const struct command *command, int argc, char **argv, struct print_changes *print);

/** Print a key; for kt_diff(). One that was written anew and is as it was is left out.
 *  @param arg  struct print_changes
 *  @return 0; -ENOMEM; -errno the output could not be written; of the store */
int print_changes_print(void *arg, const struct kt_slice *key, const struct kt_entry_info *from,
	const struct kt_entry_info *to);

#endif
