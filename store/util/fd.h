/* Descriptors that the library holds are never 0, 1 or 2.
 *
 * A program may run with its standard descriptors closed. The kernel gives out the lowest free
 * number, so the store's file could become descriptor 2, and the program's next message would be
 * written over the store's header.
 */
#ifndef STORE_UTIL_FD_H
#define STORE_UTIL_FD_H

#include <stdint.h>

/** Move a new descriptor above the standard ones.
 *  @param fd  taken; a negative one, from a call that failed, is passed on
 *  @return the descriptor, close-on-exec, at least 3; -1 with errno set */
int fd_above_stdio(int fd);

/** Would a file of so many bytes exceed RLIMIT_FSIZE? The kernel ends a process with SIGXFSZ that
 *  writes beyond, unless it ignores the signal, and a library must not change how signals are
 *  handled. To be asked before a file is made longer.
 *  @return 0; -EFBIG */
int fd_check_size(uint64_t size);

#endif
