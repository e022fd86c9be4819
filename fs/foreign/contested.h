/* Contested keys: those of files that other processes have changed lately, so that they may do so again
 * while the file is read. A client cache drops pages one by one, and could mix two values in one read
 * of such a file.
 *
 * It is a table of times by the hash of a key. A key that has another's hash is contested in vain: the
 * file is then read past the client cache. Nodes do not keep this: they come and go with their names.
 */
#ifndef FS_FOREIGN_CONTESTED_H
#define FS_FOREIGN_CONTESTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Keys that are told apart. */
#define CONTESTED_KEYS 1024

/** A key stays contested for so long after a change. */
#define CONTESTED_MS 60000

/** Zeroed: there are none. */
struct contested {
	int64_t changed_ms[CONTESTED_KEYS];
};

/** Another process has changed or removed the entry of a key, or may have. @param now_ms  flusher_clock_ms() */
void contested_add(struct contested *contested, const void *key, size_t size, int64_t now_ms);

/** May the key be contested? */
bool contested_has(const struct contested *contested, const void *key, size_t size, int64_t now_ms);

#endif
