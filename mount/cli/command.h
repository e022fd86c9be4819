/* Commands of the program: what each is, and what all of them share.
 *
 * A command is one entry of the table in main.c. Its run function parses its own options with
 * command_option(), does its work through the library, and returns the exit status. Whatever goes
 * wrong is one line on standard error: keytree: STORE: what: why.
 *
 * The folder: command.c, then cmd_NAME.c for each command (mv is in cmd_cp.c); copy_entry (cp and mv),
 * convert_run (import and export),
 * print_changes (diff and watch), stat_mounts (stat), mount_helper (mount.keytree).
 */
#ifndef MOUNT_CLI_COMMAND_H
#define MOUNT_CLI_COMMAND_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

struct kt_store;
struct kt_txn;
struct line_key;

/** Exit status of every command. */
enum command_status {
	COMMAND_DONE = 0,
	COMMAND_NO = 1, /* the answer is no: no such key, damage was found */
	COMMAND_USAGE = 2,
	COMMAND_FAILED = 3,
};

/** The present, where the name of a snapshot may stand. */
#define COMMAND_NOW "now"

struct command {
	const char *name;
	const char *operands; /* as in a usage line, options included */
	const char *summary;  /* for the list of commands */
	const char *help;     /* what --help says below the usage line; at most a screen */
	int (*run)(const struct command *command, int argc, char **argv);
};

extern const struct command cmd_backup;
extern const struct command cmd_check;
extern const struct command cmd_compact;
extern const struct command cmd_collection;
extern const struct command cmd_cp;
extern const struct command cmd_create;
extern const struct command cmd_del;
extern const struct command cmd_diff;
extern const struct command cmd_edit;
extern const struct command cmd_export;
extern const struct command cmd_get;
extern const struct command cmd_import;
extern const struct command cmd_ls;
extern const struct command cmd_mount;
extern const struct command cmd_mv;
extern const struct command cmd_put;
extern const struct command cmd_readers;
extern const struct command cmd_scan;
extern const struct command cmd_snapshot;
extern const struct command cmd_stat;
extern const struct command cmd_umount;
extern const struct command cmd_watch;

/** Next option of a command's arguments, as getopt_long() returns it.
 *  @param letters  as for getopt()
 *  @param longs    as for getopt_long(), each with the letter as value; NULL: none
 *  @return the option's letter; -1 at the end; '?' after a usage error, which has been printed */
int command_option(const struct command *command, int argc, char **argv, const char *letters,
	const struct option *longs);

/** The operands that follow the options.
 *  @param min           how few there may be
 *  @param max           how many; -1: any number
 *  @param ret_operands   the first of them
 *  @return how many there are; -1 after a usage error, which has been printed */
int command_operands(const struct command *command, int argc, char **argv, int min, int max,
	char ***ret_operands);

/** Print a usage error and where help is.
 *  @param command  NULL: the error is not of one command
 *  @return COMMAND_USAGE */
int command_usage(const struct command *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** Read a decimal number from the command line.
 *  @return false when text is not one, or too large */
bool command_number(const char *text, uint64_t *ret_number);

/** Read a key as the user typed it; a failure is printed.
 *  @param path  the store as the user named it
 *  @return COMMAND_DONE or COMMAND_FAILED */
int command_read_key(const char *path, const char *text, struct line_key *ret_key);

/** Print keytree: SUBJECT: what: why.
 *  @param subject  the store, or the directory, as the user named it
 *  @param what     what was being done; NULL: left out
 *  @param why      the reason in words
 *  @return COMMAND_FAILED */
int command_fail(const char *subject, const char *what, const char *why);

/** The same for the error of a library call made last by this thread. @return COMMAND_FAILED */
int command_fail_errno(const char *subject, const char *what, int err);

/** As command_fail_errno() for a call that also printed: when that is what failed, it is told of.
 *  @return COMMAND_FAILED */
int command_fail_output(const char *subject, const char *what, int err);

/** What allows a store on any file system, as a user sets it: the environment. */
#define COMMAND_ANY_FS "KEYTREE_ANY_FS"

/** Open the store a command works on; a failure is printed. If it is to be written, and another process
 *  is writing for longer than a second, a terminal is told which one.
 *  @param flags      of kt_open()
 *  @param ret_store  end with command_close()
 *  @return COMMAND_DONE or COMMAND_FAILED */
int command_open(const char *path, unsigned flags, struct kt_store **ret_store);

/** The same for a command that does not write at once: nobody is told of a wait. */
int command_open_only(const char *path, unsigned flags, struct kt_store **ret_store);

/** Open a store and begin a transaction on it; a failure is printed and leaves nothing open.
 *  @param begin_flags  KT_READ, which opens for reading only, or KT_WRITE
 *  @return COMMAND_DONE or COMMAND_FAILED */
int command_begin(const char *path, unsigned begin_flags, struct kt_store **ret_store,
	struct kt_txn **ret_txn);

/** Open a store for reading, and begin a transaction on the present or on a snapshot; a failure is
 *  printed and leaves nothing open.
 *  @param snapshot  its name; NULL or COMMAND_NOW: the present
 *  @return COMMAND_DONE; COMMAND_NO no such snapshot; COMMAND_FAILED */
int command_begin_at(const char *path, const char *snapshot, struct kt_store **ret_store,
	struct kt_txn **ret_txn);

/** Begin a read transaction as command_begin_at() does, on a store that is open. */
int command_begin_in(
	const char *path, struct kt_store *store, const char *snapshot, struct kt_txn **ret_txn);

/** End a write transaction: commit it so that it is on the disk; or abort it, if something failed.
 *  A failure is printed.
 *  @param status  exit status so far
 *  @return status, or COMMAND_FAILED */
int command_end_write(const char *path, struct kt_txn *txn, int status);

/** Close the store, and standard output with it; their failure is printed.
 *  @param store   taken; NULL is allowed
 *  @param status  exit status so far
 *  @return status, or COMMAND_FAILED if closing failed */
int command_close(const char *path, struct kt_store *store, int status);

#endif
