/* Scratch files: the swap, backup and lock files of editors, known by their names. They live in
 * memory, as the content of a file that is being written does (dirty_file.h), also while they are not
 * open; they never become keys, and end with the mount. Renaming one onto another kind of name
 * saves it. A key that is there already stays one, whatever its name.
 *
 * The probe of vim, an empty file named 4913, could be a key that somebody wants: it becomes one
 * when something is written to it, and else with what is stored late (flusher.h).
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

/** So many at a time; more are ordinary files. */
#define SCRATCH_FILES_MAX 1000

/** What is to become of a new file of this name. @return enum dirty_plan */
unsigned scratch_plan(const struct fs *fs, const char *name);

#endif
