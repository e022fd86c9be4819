/* keytree ls: list one level, as the mount shows it, without mounting. */
#include "mount/text/columns.h"
#include "mount/cli/command.h"
#include "mount/text/line.h"
#include "mount/text/output.h"

#include "fs/clock.h"
#include "fs/fs.h"
#include "keytree.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct ls {
	struct fs *fs;
	const char *snapshot; /* NULL: the present */
	enum { LS_NAMES, LS_COLUMNS, LS_DETAILS, LS_JSON } form;
	char line_end; /* newline, or NUL with -0 */
};

static char type_letter(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFREG:
		return '-';
	case S_IFIFO:
		return 'p';
	case S_IFSOCK:
		return 's';
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	default:
		return '?';
	}
}

static int print_details(const struct stat *stat)
{
	static const char letters[] = "rwxrwxrwx";
	char mode[] = "----------", time[32] = "-";
	struct tm tm;

	mode[0] = type_letter(stat->st_mode);
	for (int i = 0; i < 9; i++)
		mode[i + 1] = stat->st_mode & (0400U >> i) ? letters[i] : '-';
	if (localtime_r(&stat->st_mtime, &tm) != NULL)
		strftime(time, sizeof(time), "%Y-%m-%d %H:%M", &tm);
	return output_wrote(printf("%s %5u %5u %10" PRIu64 " %s ", mode, stat->st_uid, stat->st_gid,
				    (uint64_t)stat->st_size, time) > 0);
}

static int ls_print_name(const struct ls *ls, const char *name, enum human_style style)
{
	int err;

	if (ls->line_end == '\0')
		return output_wrote(fputs(name, stdout) >= 0);
	err = output_wrote(fputs(human_style_begin(style), stdout) >= 0);
	if (!err)
		err = line_write_name(name);
	return err != 0 ? err : output_wrote(fputs(human_style_end(style), stdout) >= 0);
}

static enum human_style style_of(const struct fs_entry *entry)
{
	if (S_ISDIR(entry->stat.st_mode))
		return HUMAN_BLUE;
	return S_ISLNK(entry->stat.st_mode) ? HUMAN_CYAN : HUMAN_PLAIN;
}

static int ls_print_json(const char *name, const struct fs_entry *entry, const char *target)
{
	const struct stat *stat = &entry->stat;
	char type = type_letter(stat->st_mode);
	json_t *object = json_object();
	int err = line_json_bytes(object, "name", (struct kt_slice){name, strlen(name)});

	if (!err)
		err = line_json_bytes(object, "type", (struct kt_slice){&type, 1});
	if (!err)
		err = line_json_number(object, "mode", stat->st_mode & 07777);
	if (!err)
		err = line_json_number(object, "uid", stat->st_uid);
	if (!err)
		err = line_json_number(object, "gid", stat->st_gid);
	if (!err)
		err = line_json_number(object, "size", stat->st_size);
	if (!err)
		err = line_json_number(object, "mtime_ns", clock_timespec_ns(&stat->st_mtim));
	if (!err && target != NULL)
		err = line_json_bytes(object, "target", (struct kt_slice){target, strlen(target)});
	return line_json_print(err, object);
}

static int print_line(
	const struct ls *ls, const char *name, const struct fs_entry *entry, const char *target)
{
	int err = ls->form == LS_DETAILS ? print_details(&entry->stat) : 0;

	if (!err)
		err = ls_print_name(ls, name, style_of(entry));
	if (!err && target != NULL)
		err = output_wrote(fputs(" -> ", stdout) >= 0);
	if (!err && target != NULL)
		err = ls_print_name(ls, target, HUMAN_PLAIN);
	return err != 0 ? err : output_wrote(putchar(ls->line_end) != EOF);
}

static int ls_print_entry(const struct ls *ls, const char *name, const struct fs_entry *entry)
{
	char *target = NULL;
	int err = 0;

	if (ls->form >= LS_DETAILS && S_ISLNK(entry->stat.st_mode))
		err = fs_readlink(ls->fs, entry->node, &target);
	if (!err)
		err = ls->form == LS_JSON ? ls_print_json(name, entry, target)
					  : print_line(ls, name, entry, target);
	free(target);
	return err;
}

/* A part of a listing. Entries are kept until the file system may be called again. */
struct batch {
	off_t offset; /* where the listing goes on */
	size_t count;
	struct {
		char name[NAME_MAX + 1];
		struct fs_entry entry;
	} entries[256];
};

#define BATCH_SIZE (sizeof(((struct batch *)0)->entries) / sizeof(((struct batch *)0)->entries[0]))

static bool keep_entry(void *arg, const char *name, const struct fs_entry *entry, off_t offset)
{
	struct batch *batch = arg;

	if (batch->count == BATCH_SIZE)
		return false;
	batch->offset = offset;
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return true;
	snprintf(batch->entries[batch->count].name, NAME_MAX + 1, "%s", name);
	batch->entries[batch->count++].entry = *entry;
	return true;
}

/* Print the names of a batch in columns. */
static int print_columns(const struct batch *batch)
{
	struct column_name names[BATCH_SIZE];
	char *texts[BATCH_SIZE];
	int err = 0;

	for (size_t i = 0; i < batch->count; i++) {
		texts[i] = line_name_text(batch->entries[i].name);
		if (texts[i] == NULL)
			err = -ENOMEM;
		names[i].text = texts[i];
		names[i].style = style_of(&batch->entries[i].entry);
	}
	if (!err)
		err = columns_print(names, batch->count);
	for (size_t i = 0; i < batch->count; i++)
		free(texts[i]);
	return err;
}

/* Print the entries of a batch and give their references back. */
static int print_batch(const struct ls *ls, const struct batch *batch)
{
	int err = ls->form == LS_COLUMNS ? print_columns(batch) : 0;

	for (size_t i = 0; i < batch->count; i++) {
		if (!err && ls->form != LS_COLUMNS)
			err = ls_print_entry(ls, batch->entries[i].name, &batch->entries[i].entry);
		fs_forget(ls->fs, batch->entries[i].entry.node, 1);
	}
	return err;
}

/* List an open directory, a batch at a time, up to an empty one. */
static int list_batches(const struct ls *ls, struct fs_dir *dir, struct batch *batch)
{
	int err;

	do {
		batch->count = 0;
		err = fs_readdir(ls->fs, dir, batch->offset, true, keep_entry, batch);
		if (!err)
			err = print_batch(ls, batch);
	} while (!err && batch->count > 0);
	return err;
}

static int list_directory(const struct ls *ls, uint64_t node)
{
	struct batch *batch = calloc(1, sizeof(*batch));
	struct fs_dir *dir;
	int err = batch != NULL ? fs_opendir(ls->fs, node, &dir) : -ENOMEM;

	if (!err) {
		err = list_batches(ls, dir, batch);
		fs_releasedir(ls->fs, dir);
	}
	free(batch);
	return err;
}

/* Find the node of a path; its last name is what a file is listed as. */
static int ls_find_path(
	struct fs *fs, char *path, struct fs_entry *ret_entry, const char **ret_name)
{
	struct fs_entry entry = {.node = FS_ROOT};
	char *rest = NULL;
	int err = fs_getattr(fs, FS_ROOT, &entry.stat);

	*ret_name = "";
	for (char *name = strtok_r(path, "/", &rest); name != NULL && !err;
		name = strtok_r(NULL, "/", &rest)) {
		err = fs_lookup(fs, entry.node, name, &entry);
		*ret_name = name;
	}
	*ret_entry = entry;
	return err;
}

static int list_path(const struct ls *ls, char *path)
{
	struct fs_entry entry;
	const char *name;
	int err = ls_find_path(ls->fs, path, &entry, &name);

	if (err != 0)
		return err;
	return S_ISDIR(entry.stat.st_mode) ? list_directory(ls, entry.node)
					   : ls_print_entry(ls, name, &entry);
}

static int list_store(struct ls *ls, const char *store_path, const char *path)
{
	const struct fs_options options = {
		.uid = getuid(),
		.gid = getgid(),
		.file_mode = 0644,
		.dir_mode = 0755,
		.read_only = true,
		.snapshot = ls->snapshot,
	};
	struct kt_store *store;
	char *copy = strdup(path);
	int status = command_open(store_path, KT_READONLY, &store);
	int err;

	if (status != COMMAND_DONE) {
		free(copy);
		return status;
	}
	err = copy != NULL ? fs_open(store, &options, &ls->fs) : -ENOMEM;
	if (!err) {
		line_read_name(copy);
		err = list_path(ls, copy);
		fs_close(ls->fs);
	}
	if (err == -ENOENT && ls->snapshot != NULL && ls->fs == NULL) {
		command_fail(store_path, ls->snapshot, "no such snapshot");
		status = COMMAND_NO;
	} else if (err == -ENOENT || err == -ENOTDIR) {
		command_fail(store_path, path, "no such key or directory");
		status = COMMAND_NO;
	} else if (err != 0) {
		status = command_fail_output(store_path, "ls", err);
	}
	free(copy);
	return command_close(store_path, store, status);
}

static int ls_run(const struct command *command, int argc, char **argv)
{
	static const struct option longs[] = {
		{"json", no_argument, NULL, 'j'},
		{"null", no_argument, NULL, '0'},
		{"snapshot", required_argument, NULL, 's'},
		{0},
	};
	struct ls ls = {.line_end = '\n'};
	char **operands;
	int option, count;

	while ((option = command_option(command, argc, argv, "l0", longs)) != -1) {
		if (option == '?')
			return COMMAND_USAGE;
		if (option == 's')
			ls.snapshot = strcmp(optarg, COMMAND_NOW) != 0 ? optarg : NULL;
		else if (option == '0')
			ls.line_end = '\0';
		else
			ls.form = option == 'j' ? LS_JSON : LS_DETAILS;
	}
	if (ls.form == LS_NAMES && ls.line_end != '\0' && human_is_reading())
		ls.form = LS_COLUMNS;
	count = command_operands(command, argc, argv, 1, 2, &operands);
	if (count < 0)
		return COMMAND_USAGE;
	return list_store(&ls, operands[0], count == 2 ? operands[1] : "");
}

const struct command cmd_ls = {
	.name = "ls",
	.operands = "STORE [PREFIX] [-l] [--snapshot NAME] [-0 | --json]",
	.summary = "list a directory without mounting",
	.help = "Lists the names in the directory PREFIX (default: the root) as a mount would show "
		"them.\n"
		"If a key is also a prefix of other keys, its value is the name %value.\n\n"
		"  -l           print mode, owner, group, size and time too\n"
		"  -0, --null   print raw names, each ended by a NUL\n"
		"  --snapshot NAME   list what was there when the snapshot was taken\n"
		"  --json       print one object on a line: name, type, mode, uid, gid, size, "
		"mtime_ns,\n"
		"               and target of a symbolic link\n",
	.run = ls_run,
};
