/* Descriptors that the library holds are never 0, 1 or 2.
 *
 * A program may run with its standard descriptors closed. The kernel gives out the lowest free
 * number, so the store's file could become descriptor 2, and the program's next message would be
 * written over the store's header.
 */
#ifndef STORE_UTIL_FD_H
#define STORE_UTIL_FD_H

/** Move a new descriptor above the standard ones.
 *  @param fd  taken; a negative one, from a call that failed, is passed on
 *  @return the descriptor, close-on-exec, at least 3; -1 with errno set */
int fd_above_stdio(int fd);

#endif
