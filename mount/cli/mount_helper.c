/* From the arguments of mount(8) to those of keytree mount. See mount_helper.h. */
#include "mount/cli/mount_helper.h"
#include "mount/cli/command.h"
#include "mount/system/mount_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Exit status of mount(8): one for everything but wrong use. */
enum { MOUNT_HELPER_USAGE = 1, MOUNT_HELPER_FAILED = 32 };

bool mount_helper_is(const char *program)
{
	const char *name = strrchr(program, '/');

	return strncmp(name != NULL ? name + 1 : program, "mount.", strlen("mount.")) == 0;
}

/* Words that are for mount(8), or true of every mount of ours. */
static bool is_of_mount(const char *word)
{
	static const char *const words[] = {"defaults", "auto", "noauto", "user", "nouser", "users",
		"nousers", "owner", "noowner", "group", "nogroup", "_netdev", "nofail", "async",
		"exec", "suid", "nosuid", "dev", "nodev", "atime", "noatime", "relatime",
		"norelatime", "strictatime", "nostrictatime", "diratime", "nodiratime", "lazytime",
		"nolazytime", "loud", "silent"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(word, words[i]) == 0)
			return true;
	}
	return strncmp(word, "x-", 2) == 0 || strncmp(word, "X-", 2) == 0 ||
	       strncmp(word, "comment=", strlen("comment=")) == 0;
}

/* Copy the words that are for us. A comma behind a backslash is one of a word.
 * @param sloppy  leave out what nobody knows, too */
static void filter(const char *list, bool sloppy, char *ret_list)
{
	char *used = ret_list;

	*used = '\0';
	while (*list != '\0') {
		size_t length = 0;
		char *word = used + (used != ret_list);

		while (list[length] != '\0' && list[length] != ',')
			length += list[length] == '\\' && list[length + 1] != '\0' ? 2 : 1;
		memcpy(word, list, length);
		word[length] = '\0';
		list += length + (list[length] == ',');
		if (is_of_mount(word) || (sloppy && !mount_options_has(word))) {
			*used = '\0';
			continue;
		}
		if (word > used)
			*used = ',';
		used = word + length;
	}
}

struct request {
	const char *options;
	bool sloppy, fake;
};

static int take_options(struct request *request, int argc, char **argv)
{
	int option;

	while ((option = command_option(&cmd_mount, argc, argv, "sfnvo:t:N:", NULL)) != -1) {
		if (option == '?')
			return MOUNT_HELPER_USAGE;
		if (option == 'o')
			request->options = optarg;
		request->sloppy |= option == 's';
		request->fake |= option == 'f';
	}
	return 0;
}

int mount_helper_run(int argc, char **argv)
{
	struct request request = {.options = ""};
	char **operands, *list;
	int status = take_options(&request, argc, argv);

	if (status != 0 || command_operands(&cmd_mount, argc, argv, 2, 2, &operands) < 0)
		return MOUNT_HELPER_USAGE;
	if (request.fake)
		return COMMAND_DONE;
	list = malloc(strlen(request.options) + 2);
	if (list == NULL)
		return MOUNT_HELPER_FAILED;
	filter(request.options, request.sloppy, list);
	optind = 0; /* begin anew */
	status = cmd_mount.run(&cmd_mount, 6,
		(char *[]){"mount", "-o", list, "--", operands[0], operands[1], NULL});
	free(list);
	if (status == COMMAND_USAGE)
		return MOUNT_HELPER_USAGE;
	return status == COMMAND_DONE ? COMMAND_DONE : MOUNT_HELPER_FAILED;
}
