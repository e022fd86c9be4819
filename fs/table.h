/* uthash, as this project uses it: memory that runs out is an error to be handled, not the end of
 * the process, and keys are hashed by xxHash. Include this, never uthash.h itself. */
#ifndef FS_TABLE_H
#define FS_TABLE_H

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(key, size, hash) ((hash) = (unsigned)XXH3_64bits((key), (size)))

#include <uthash.h>
#include <xxhash.h>

#endif
