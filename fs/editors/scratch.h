/* Scratch files: the swap, backup and lock files of editors, known by their names. They stay in
 * memory, as the content of a file that is being written does (dirty_file.h), also while they are
 * not open. A scratch file is published when it is renamed to another kind of name, and when the file
 * system ends while it is there: a swap file may be needed then. A key that exists already stays one, whatever its
 * name.
 *
 * The probe of vim is an empty file named 4913. An application could want a key of that name: the
 * file is published when something is written to it, and else after a moment (DIRTY_DELAYED,
 * flusher.h).
 */
#ifndef FS_EDITORS_SCRATCH_H
#define FS_EDITORS_SCRATCH_H

#include "fs/dirty/dirty_file.h"

struct fs;

/** Names of scratch files, as patterns of the shell, separated by ':'. */
#define SCRATCH_DEFAULT                                                                            \
	".*.sw?:.*.sw?x:*~:#*#:.#*:.~lock.*#:.goutputstream-*:.*.kate-swp:*___jb_???___"

/** The name of probes. */
#define SCRATCH_PROBE "4913"

/** Most scratch files at a time; more are ordinary files. */
#define SCRATCH_FILES_MAX 1000

/** What is to become of a new file of this name. @return enum dirty_plan */
unsigned scratch_plan(const struct fs *fs, const char *name);

#endif
