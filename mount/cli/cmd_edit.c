/* keytree edit: change a value in an editor. */
#include "mount/cli/command.h"
#include "mount/text/line.h"

#include "keytree.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Largest value that is edited, bytes. */
#define EDIT_MAX ((size_t)1 << 30)

struct edit {
	const char *path; /* of the store */
	const char *text; /* the key as typed */
	struct line_key key;
	uint64_t version; /* of the entry that is edited; 0: there was none */
	char *old;
	size_t old_size;
	char dir[64], file[400]; /* the temporary directory and file; empty: none */
};

/* ---- the value ------------------------------------------------------------------------------- */

/* Read what is to be edited, which is nothing if there is no such key. */
static int edit_read(struct edit *edit)
{
	struct kt_entry_info info = {.version = 0};
	struct kt_store *store;
	struct kt_txn *txn;
	int status = command_begin(edit->path, KT_READ, &store, &txn);
	int err;

	if (status != COMMAND_DONE)
		return status;
	err = kt_stat(txn, edit->key.bytes, edit->key.size, &info);
	if (!err && info.size > EDIT_MAX)
		err = -EFBIG;
	edit->old = malloc(info.size > 0 ? info.size : 1);
	if (!err)
		err = edit->old == NULL ? -ENOMEM
					: kt_read(txn, edit->key.bytes, edit->key.size, 0,
						  edit->old, info.size, &edit->old_size);
	if (err && err != -ENOENT)
		status = command_fail_errno(edit->path, edit->text, err);
	edit->version = err ? 0 : info.version;
	kt_abort(txn);
	return command_close(edit->path, store, status);
}

/* Write the new value, if nobody else has changed it meanwhile. */
static int edit_write(const struct edit *edit, const char *value, size_t size)
{
	struct kt_store *store;
	struct kt_txn *txn;
	int status = command_begin(edit->path, KT_WRITE, &store, &txn);
	int err;

	if (status != COMMAND_DONE)
		return status;
	err = kt_put_if(txn, edit->key.bytes, edit->key.size, value, size, edit->version);
	if (err == -ESTALE)
		status = command_fail(edit->path, edit->text,
			"another process has changed it meanwhile; nothing was written");
	else if (err)
		status = command_fail_errno(edit->path, edit->text, err);
	status = command_end_write(edit->path, txn, status);
	return command_close(edit->path, store, status);
}

/* ---- the temporary file ---------------------------------------------------------------------- */

/* The last part of the key, so that the editor sees of what kind the text is. */
static void edit_name_file(struct edit *edit)
{
	const char *from = memrchr(edit->key.bytes, '/', edit->key.size);
	const char *end = edit->key.bytes + edit->key.size;
	char *to = edit->file + snprintf(edit->file, sizeof(edit->file), "%s/", edit->dir);
	const char *name = to, *last = to + 200;

	for (from = from != NULL ? from + 1 : edit->key.bytes; from < end && to < last; from++)
		*to++ = (char)(*from > ' ' && *from < 127 ? *from : '_');
	strcpy(to, name == to || *name == '.' ? "value" : "");
}

static int edit_make_file(struct edit *edit)
{
	const char *tmp = getenv("TMPDIR");
	FILE *file;
	bool written;

	snprintf(edit->dir, sizeof(edit->dir), "%s/keytree-edit.XXXXXX",
		tmp != NULL && strlen(tmp) < 40 ? tmp : "/tmp");
	if (mkdtemp(edit->dir) == NULL)
		return command_fail(edit->dir, NULL, strerror(errno));
	edit_name_file(edit);
	file = fopen(edit->file, "wxe");
	written = file != NULL && fwrite(edit->old, 1, edit->old_size, file) == edit->old_size;
	if (file == NULL || fclose(file) != 0 || !written)
		return command_fail(edit->file, NULL, strerror(errno));
	return COMMAND_DONE;
}

static void edit_remove_file(struct edit *edit)
{
	unlink(edit->file);
	rmdir(edit->dir);
}

/* ---- the editor ------------------------------------------------------------------------------ */

static const char *edit_editor(void)
{
	const char *editor = getenv("VISUAL");

	if (editor == NULL || *editor == '\0')
		editor = getenv("EDITOR");
	return editor != NULL && *editor != '\0' ? editor : "vi";
}

/* Run the editor, which may be a command with arguments, and wait for its end. The keyboard's
 * signals are for it alone. */
static int edit_run_editor(const struct edit *edit)
{
	const char *editor = edit_editor();
	char *command = NULL;
	int status = 0, err;
	pid_t pid;

	if (asprintf(&command, "%s \"$1\"", editor) < 0)
		return command_fail_errno(edit->path, "edit", -ENOMEM);
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	err = posix_spawn(&pid, "/bin/sh", NULL, NULL,
		(char *[]){"sh", "-c", command, "sh", (char *)edit->file, NULL}, environ);
	while (!err && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	free(command);
	if (err)
		return command_fail("/bin/sh", NULL, strerror(err));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return command_fail(editor, NULL, "the editor failed; nothing was written");
	return COMMAND_DONE;
}

/* Read what the editor has written. An editor may have made a new file of the name. */
static int edit_read_file(const struct edit *edit, char **ret_value, size_t *ret_size)
{
	FILE *file = fopen(edit->file, "re");
	struct stat stat;
	char *value = NULL;
	bool whole = false;

	if (file != NULL && fstat(fileno(file), &stat) == 0 && stat.st_size >= 0 &&
		(value = malloc((size_t)stat.st_size + 1)) != NULL) {
		*ret_size = fread(value, 1, (size_t)stat.st_size + 1, file);
		whole = *ret_size == (size_t)stat.st_size && !ferror(file);
	}
	if (file != NULL)
		fclose(file);
	if (!whole) {
		free(value);
		return command_fail(edit->file, "read", strerror(errno != 0 ? errno : EIO));
	}
	*ret_value = value;
	return COMMAND_DONE;
}

static int edit_take(struct edit *edit)
{
	char *value;
	size_t size;
	int status = edit_read_file(edit, &value, &size);

	if (status != COMMAND_DONE)
		return status;
	if (size != edit->old_size || memcmp(value, edit->old, size) != 0)
		status = edit_write(edit, value, size);
	else
		fprintf(stderr, "keytree: %s: %s: unchanged\n", edit->path, edit->text);
	free(value);
	return status;
}

/* What the user has typed is not lost: only when it is in the store the file is removed. */
static int edit_all(struct edit *edit)
{
	int status = edit_read(edit);

	if (status == COMMAND_DONE)
		status = edit_make_file(edit);
	if (status == COMMAND_DONE)
		status = edit_run_editor(edit);
	if (status == COMMAND_DONE)
		status = edit_take(edit);
	if (status == COMMAND_DONE)
		edit_remove_file(edit);
	else if (*edit->file != '\0' && access(edit->file, F_OK) == 0)
		fprintf(stderr, "keytree: the text is in %s\n", edit->file);
	free(edit->old);
	return status;
}

static int edit_run(const struct command *command, int argc, char **argv)
{
	static struct edit edit;
	char **operands;

	if (command_option(command, argc, argv, "", NULL) != -1 ||
		command_operands(command, argc, argv, 2, 2, &operands) < 0)
		return COMMAND_USAGE;
	edit.path = operands[0];
	edit.text = operands[1];
	if (command_read_key(edit.path, edit.text, &edit.key) != COMMAND_DONE)
		return COMMAND_FAILED;
	return edit_all(&edit);
}

const struct command cmd_edit = {
	.name = "edit",
	.operands = "STORE KEY",
	.summary = "change a value in an editor",
	.help = "Runs $VISUAL, else $EDITOR, else vi, on the value of KEY, and writes what was "
		"saved. A "
		"KEY\n"
		"that does not exist is made.\n"
		"If another process has changed the value meanwhile, or the editor fails, nothing "
		"is\n"
		"written, and the command says where the text is.\n"
		"Most editors end the text with a newline, which becomes part of the value.\n",
	.run = edit_run,
};
