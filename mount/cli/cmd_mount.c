/* keytree mount: show a store as a directory until it is unmounted. */
#include "mount/system/daemonize.h"
#include "mount/fuse/kernel_notify.h"
#include "mount/cli/command.h"
#include "mount/system/mountpoint.h"
#include "mount/system/sd_notify.h"
#include "mount/system/mount_options.h"
#include "mount/fuse/session.h"

#include "fs/snapshots/snapdir.h"
#include "keytree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

struct mount {
	const char *store_path; /* as the user named it */
	const char *dir;
	struct mount_options options;
	bool foreground;
	bool debug;
	bool background; /* standard error is gone */
	int ready_fd;	 /* of daemonize_begin() */
};

/* Say what failed: where the user looks. */
static int complain(
	const struct mount *mount, const char *subject, const char *what, const char *why)
{
	if (mount->background)
		syslog(LOG_ERR, "%s: %s: %s", subject, what, why);
	return command_fail(subject, what, why);
}

/* Messages of libfuse are for debugging; what concerns the user comes as an error. */
static void log_fuse(enum fuse_log_level level, const char *format, va_list args)
{
	if (level == FUSE_LOG_DEBUG)
		vfprintf(stderr, format, args);
}

static int mount_serve(struct mount *mount, const struct attach_options *attach,
	struct snapdir *snapdir, struct kernel_notify *notify)
{
	struct ops_context context = {
		.snapdir = snapdir,
		.kernel_notify = notify,
		.read_only = mount->options.read_only,
	};
	struct session *session;
	struct attach_why why;
	int err;

	fuse_set_log_func(log_fuse);
	if (session_open(attach, &context, mount->debug, &session, &why) != 0)
		return complain(mount, mount->dir, "mount", why.text);
	err = kernel_notify_start(notify, session_fuse(session), &context);
	if (err) { /* changes by other processes would never appear */
		session_close(session);
		return complain(mount, mount->dir, "mount", strerror(-err));
	}
	if (!mount->foreground) {
		daemonize_ready(mount->ready_fd);
		mount->background = true;
	}
	sd_notify_send("READY=1");
	session_wait(session, notify);
	sd_notify_send("STOPPING=1");
	session_close(session);
	return COMMAND_DONE;
}

/* Serve, and tell the kernel what others change. A snapshot does not change. */
static int serve_coherently(struct mount *mount, const struct attach_options *attach,
	struct kt_store *store, struct snapdir *snapdir)
{
	bool changes = mount->options.snapshot == NULL;
	struct kernel_notify *notify;
	struct snapdir_node root;
	int err = snapdir_resolve(snapdir, FS_ROOT, &root), status;

	if (!err)
		err = kernel_notify_open(changes ? store : NULL, root.fs, &notify);
	if (err != 0)
		return complain(mount, mount->store_path, "mount", kt_strerror(store, err));
	status = mount_serve(mount, attach, snapdir, notify);
	kernel_notify_close(notify);
	return status;
}

/* Why a store cannot be shown. */
static const char *why_not(const struct mount_options *options, int err)
{
	if (err == -ENOENT && options->snapshot != NULL)
		return "no such snapshot";
	if ((err == -ENOTDIR || err == -EINVAL) && options->subtree != NULL)
		return "no such directory for subtree=";
	return kt_strerror(NULL, err);
}

static void mount_unsaved(const void *key, size_t size, int err)
{
	const char *why = kt_strerror(NULL, err);

	syslog(LOG_ERR, "not saved: %.*s: %s", (int)size, (const char *)key, why);
	fprintf(stderr, "keytree: %.*s: not saved: %s\n", (int)size, (const char *)key, why);
}

static int mount_store(struct mount *mount, struct kt_store *store, const char *dir)
{
	const struct mount_options *options = &mount->options;
	const struct fs_options fs_options = {
		.uid = options->uid,
		.gid = options->gid,
		.file_mode = 0666 & ~options->umask,
		.dir_mode = 0777 & ~options->umask,
		.read_only = options->read_only,
		.commit_seconds = options->commit_seconds,
		.separator = options->separator,
		.snapshot = options->snapshot,
		.subtree = options->subtree,
		.scratch = options->scratch,
		.conflict_fail = options->conflict_fail,
		.unsaved = mount_unsaved,
	};
	char *source = realpath(mount->store_path, NULL);
	struct attach_options attach = {
		.dir = dir,
		.source = source != NULL ? source : mount->store_path,
		.read_only = options->read_only,
		.allow_other = options->allow_other,
		.no_exec = options->no_exec,
	};
	struct snapdir *snapdir;
	int err, status;

	err = snapdir_open(store, &fs_options, &snapdir);
	if (err != 0) {
		status = complain(mount, mount->store_path, "mount", why_not(options, err));
	} else {
		status = serve_coherently(mount, &attach, store, snapdir);
		err = snapdir_close(snapdir);
		if (err != 0)
			status =
				complain(mount, mount->store_path, "flush", kt_strerror(NULL, err));
	}
	free(source);
	return status;
}

static int open_and_mount(struct mount *mount, const char *dir)
{
	struct kt_store *store;
	int err, status;

	status = command_open_only(
		mount->store_path, mount->options.read_only ? KT_READONLY : 0, &store);
	if (status != COMMAND_DONE)
		return status;
	err = kt_set_max_size(store, mount->options.max_size);
	status = err != 0 ? complain(mount, mount->store_path, "open", kt_strerror(store, err))
			  : mount_store(mount, store, dir);
	err = kt_close(store);
	if (err != 0)
		status = complain(mount, mount->store_path, "close", kt_strerror(NULL, err));
	return status;
}

static void mount_tell(const char *dir, const char *what)
{
	fprintf(stderr, "keytree: %s: mount: %s\n", dir, what);
}

static int run_mount(struct mount *mount)
{
	struct attach_why why;
	int err, status;
	char *path;

	if (!mount->foreground) {
		err = daemonize_begin(&mount->ready_fd);
		if (err != 0)
			return command_fail(mount->dir, "mount", strerror(-err));
	}
	session_block_signals();
	if (mountpoint_take(mount->dir, mount_tell, &path, &why) != 0)
		return command_fail(mount->dir, "mount", why.text);
	status = open_and_mount(mount, path);
	free(path);
	return status;
}

static int mount_run(const struct command *command, int argc, char **argv)
{
	struct mount mount = {0};
	const char *wrong;
	char **operands;
	int option;

	mount_options_init(&mount.options);
	while ((option = command_option(command, argc, argv, "o:fd", NULL)) != -1) {
		if (option == '?')
			return COMMAND_USAGE;
		if (option == 'o' && mount_options_parse(&mount.options, optarg, &wrong) != 0)
			return command_usage(
				command, "unknown option or wrong value '-o %s'", wrong);
		mount.foreground |= option == 'f' || option == 'd';
		mount.debug |= option == 'd';
	}
	if (command_operands(command, argc, argv, 2, 2, &operands) < 0)
		return COMMAND_USAGE;
	mount.store_path = operands[0];
	mount.dir = operands[1];
	return run_mount(&mount);
}

const struct command cmd_mount = {
	.name = "mount",
	.operands = "STORE DIR [-o OPTIONS] [-f] [-d]",
	.summary = "show a store as a directory",
	.help = "Mounts STORE on the directory DIR. The command returns when the mount is ready, "
		"and a\n"
		"background process serves it until keytree umount or SIGTERM, which flush the "
		"store.\n\n"
		"  -f   stay in the foreground\n"
		"  -d   stay in the foreground and print each request of the kernel\n"
		"  -o   options, separated by commas:\n"
		"         ro rw            read only; read and write (default)\n"
		"         allow_other      let other users in; permissions of files apply\n"
		"         noexec           do not let programs in the mount be executed\n"
		"         uid=N gid=N      owner shown for entries written by applications "
		"(default: you)\n"
		"         umask=M          permission bits, in octal, missing from their modes "
		"(default: 022)\n"
		"         commit=S sync    flush changes after S seconds (default: 5); at once\n"
		"         max_size=N       largest size of the store's file, in bytes or with K, "
		"M, G or T\n"
		"         snapshot=NAME    show a snapshot, read only\n"
		"         subtree=PATH     show one directory of the store\n"
		"         separator=C      split keys at the character C, not % (default: /)\n"
		"         scratch=P:P      patterns of names of files that are saved at the end\n"
		"         conflict=fail    saving fails if another process changed the key "
		"(default: last)\n"
		"Snapshots are in DIR/.snapshots/NAME.\n",
	.run = mount_run,
};
