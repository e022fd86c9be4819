/* The program under the name mount.keytree, as mount(8) calls it:
 *
 *     mount.keytree SOURCE DIR [-sfnv] [-t TYPE] [-N NAMESPACE] [-o OPTIONS]
 *
 * It is keytree mount, with those words of OPTIONS left out that mean something to mount(8) alone.
 */
#ifndef MOUNT_CLI_MOUNT_HELPER_H
#define MOUNT_CLI_MOUNT_HELPER_H

#include <stdbool.h>

/** Is the program called as such a helper? */
bool mount_helper_is(const char *program);

/** Mount. @return exit status, as mount(8) wants it */
int mount_helper_run(int argc, char **argv);

#endif
