/* The words behind mount -o. */
#ifndef MOUNT_SYSTEM_MOUNT_OPTIONS_H
#define MOUNT_SYSTEM_MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct mount_options {
	bool read_only;
	bool allow_other;
	bool no_exec; /* programs in it cannot be run */
	uid_t uid;    /* of entries without an owner of their own */
	gid_t gid;
	mode_t umask;		 /* bits missing in modes of entries without a mode of their own */
	unsigned commit_seconds; /* changes reach the disk within so many seconds */
	bool conflict_fail;	 /* a file that others change is not saved */
	uint64_t max_size;	 /* of the store's file, bytes; 0: no limit */
	const char *snapshot;	 /* name; then read_only, too; NULL: the present */
	const char *scratch;	 /* patterns of scratch files; NULL: the usual ones */
	char separator;		 /* between the components of a key */
	const char *subtree;	 /* path; NULL: all of the store */
};

/** The options of a mount that names none. */
void mount_options_init(struct mount_options *options);

/** Does a list have such a word? @param word  with its value, if it has one */
bool mount_options_has(const char *word);

/** Take a list like "ro,uid=1000". Later words win. A backslash makes the comma behind it one of
 *  the word.
 *  @param list       cut up; borrowed as long as options are used
 *  @param ret_wrong  on failure the word that is wrong; points into list
 *  @return 0; -EINVAL */
int mount_options_parse(struct mount_options *options, char *list, const char **ret_wrong);

#endif
