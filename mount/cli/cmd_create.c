/* keytree create: make an empty store. */
#include "mount/cli/command.h"

#include "keytree.h"

static int create_run(const struct command *command, int argc, char **argv)
{
	struct kt_store *store;
	char **operands;
	int status;

	if (command_option(command, argc, argv, "", NULL) != -1)
		return COMMAND_USAGE;
	if (command_operands(command, argc, argv, 1, 1, &operands) < 0)
		return COMMAND_USAGE;
	status = command_open(operands[0], KT_CREATE | KT_EXCLUSIVE, &store);
	if (status != COMMAND_DONE)
		return status;
	return command_close(operands[0], store, status);
}

const struct command cmd_create = {
	.name = "create",
	.operands = "STORE",
	.summary = "create an empty store",
	.help = "Creates an empty store in the new file STORE. The file has mode 0600; use chmod "
		"to let\n"
		"other users read or write it.\n",
	.run = create_run,
};
