/* Bare names: names that were asked for, and that no node stands for in the table. Such a name means
 * nothing, or a file that has several names. Who keeps that is to be told when the name changes its
 * meaning; of a new name that nobody has asked for, nobody needs to hear.
 *
 * It is a filter: one bit for all names of one hash. A name that has another's bit is told in vain.
 */
#ifndef FS_FOREIGN_BARE_NAMES_H
#define FS_FOREIGN_BARE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Bytes of the filter. */
#define BARE_NAMES_SIZE (size_t)(128 << 10)

/** Zeroed: there are none. */
struct bare_names {
	unsigned char bits[BARE_NAMES_SIZE];
};

/** A name was asked for, and no node stands for it. @param directory  its node */
void bare_names_add(struct bare_names *names, uint64_t directory, const char *name);

/** May a name be one of them? */
bool bare_names_has(const struct bare_names *names, uint64_t directory, const char *name);

#endif
