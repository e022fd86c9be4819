/* Options and operands of import and export. See convert_run.h. */
#include "mount/cli/convert_run.h"
#include "mount/cli/command.h"

#include "keytree.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* @return false if its value is wrong */
static bool convert_run_option(struct convert_run *run, int option, const char **format)
{
	struct convert *convert = &run->convert;

	switch (option) {
	case 'f':
		*format = optarg;
		return true;
	case 'r':
		run->replace = true;
		return true;
	case 't':
		convert->table = optarg;
		return true;
	case 'k':
		convert->key_column = optarg;
		return true;
	case 'v':
		convert->value_column = optarg;
		return true;
	default:
		return command_number(optarg, &convert->batch) && convert->batch > 0;
	}
}

/* Is a file an increment? Its first bytes tell, or, where they are missing, its name. */
static bool is_increment(const char *name, const char *path)
{
	const char *ending = strrchr(path, '.');
	char magic[KT_INCREMENT_MAGIC_SIZE];
	bool is = ending != NULL && strcmp(ending, ".kti") == 0;
	int fd;

	if (name != NULL)
		return strcmp(name, "increment") == 0;
	fd = strcmp(path, "-") == 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return is;
	if (pread(fd, magic, sizeof(magic), 0) == sizeof(magic))
		is = is || memcmp(magic, KT_INCREMENT_MAGIC, sizeof(magic)) == 0;
	close(fd);
	return is;
}

static int choose_format(const struct command *command, const char *name,
	enum convert_direction way, struct convert_run *run)
{
	const char *path = run->convert.path;

	if (way == CONVERT_IMPORT && is_increment(name, path))
		return run->convert.batch == 0
			       ? COMMAND_DONE
			       : command_usage(command, "an increment is imported as a whole");
	if (run->replace)
		return command_usage(command, "only an increment replaces");
	run->format = convert_find_format(name, path);
	if (run->format == NULL)
		return command_usage(command,
			"cannot tell the format of '%s'; use --format tar, jsonl or sqlite",
			name != NULL ? name : path);
	if (!run->format->streams && strcmp(path, "-") == 0)
		return command_usage(command, "%s cannot be %s a pipe", run->format->name,
			way == CONVERT_IMPORT ? "read from" : "written to");
	return COMMAND_DONE;
}

int convert_run_parse(const struct command *command, int argc, char **argv,
	enum convert_direction way, struct convert_run *ret_run)
{
	static const struct option longs[] = {
		{"batch", required_argument, NULL, 'b'}, /* these two of an import only */
		{"replace", no_argument, NULL, 'r'},
		{"format", required_argument, NULL, 'f'},
		{"table", required_argument, NULL, 't'},
		{"key", required_argument, NULL, 'k'},
		{"value", required_argument, NULL, 'v'},
		{0},
	};
	const struct option *mine = way == CONVERT_IMPORT ? longs : longs + 2;
	struct convert_run run = {0};
	const char *name = NULL;
	char **operands;
	int option;

	while ((option = command_option(command, argc, argv, "f:", mine)) != -1) {
		if (option == '?')
			return COMMAND_USAGE;
		if (!convert_run_option(&run, option, &name))
			return command_usage(command, "'%s' is not a number of records", optarg);
	}
	if (command_operands(command, argc, argv, 2, 2, &operands) < 0)
		return COMMAND_USAGE;
	run.store_path = operands[0];
	run.convert.path = operands[1];
	*ret_run = run;
	return choose_format(command, name, way, ret_run);
}
