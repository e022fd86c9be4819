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
	.summary = "make an empty store",
	.help = "Makes an empty store in the file STORE, which must not exist. Only you can read "
		"it\n"
		"(mode 0600); chmod it to share it.\n",
	.run = create_run,
};
