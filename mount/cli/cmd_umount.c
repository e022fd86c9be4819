/* keytree umount: take a mount off, and wait until its store is flushed and free. */
#include "mount/cli/command.h"
#include "mount/system/mountpoint.h"

#include <stddef.h>
#include <stdio.h>

static void umount_tell(const char *dir, const char *what)
{
	fprintf(stderr, "keytree: %s: umount: %s\n", dir, what);
}

static int umount_run(const struct command *command, int argc, char **argv)
{
	struct attach_why why;
	char **operands;

	if (command_option(command, argc, argv, "", NULL) != -1)
		return COMMAND_USAGE;
	if (command_operands(command, argc, argv, 1, 1, &operands) < 0)
		return COMMAND_USAGE;
	if (mountpoint_unmount(operands[0], umount_tell, &why) != 0)
		return command_fail(operands[0], "umount", why.text);
	return COMMAND_DONE;
}

const struct command cmd_umount = {
	.name = "umount",
	.operands = "DIR",
	.summary = "unmount, and wait until everything is on the disk",
	.help = "Unmounts the store that is mounted on DIR. When the command returns, all changes "
		"are on\n"
		"the disk and the mount's process no longer has the store open.\n",
	.run = umount_run,
};
