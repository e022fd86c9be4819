/* Pages of a map that cannot be read. The kernel sends SIGBUS to a thread that touches a page which
 * the disk does not give, or which lies in a part of the file that another program has cut off.
 *
 *     SIGBUS ──> fault.c puts zeros where the page was, and counts ──> the thread goes on
 *         ──> the library looks at the count before it returns what it found: -EIO
 *
 * Pages are then verified each time they are met (pager_doubt()), and zeros have a wrong checksum.
 * The handler is installed by kt_catch_faults() only: signals belong to the program.
 */
#ifndef STORE_IO_FAULT_H
#define STORE_IO_FAULT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/** Let faults in a map be handled. Forgotten faults end the process, as without a handler: when
 *  there is no memory for an entry.
 *  @param base   the map of a file from its beginning
 *  @param fd     the file; must stay open until fault_unregister()
 *  @param count  increased with each fault; must stay valid as long; NULL: not counted here */
void fault_register(const void *base, uint64_t size, int fd, _Atomic unsigned *count);

/** Before the map ends. */
void fault_unregister(const void *base);

#endif
