/* How much memory this process may use: what the machine has, or less where a limit says so. */
#ifndef STORE_UTIL_MEMORY_H
#define STORE_UTIL_MEMORY_H

#include <stdint.h>

/** The least of the machine's memory, the limits of the process's control groups (versions 1 and 2,
 *  those of its ancestors included), RLIMIT_AS and RLIMIT_DATA. Found out once per process.
 *  @return bytes; a small machine's where nothing can be found out */
uint64_t memory_limit(void);

/** Bytes of address space that a map may take without leaving the rest of the process, its stacks
 *  above all, in want: half of what RLIMIT_AS leaves. @return UINT64_MAX: there is no such limit */
uint64_t memory_address_room(void);

#endif
