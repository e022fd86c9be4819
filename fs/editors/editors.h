/* Files of editors that are not for the store, or not yet. Nothing but fs_open() knows this folder:
 * the rest of fs/ calls the table of functions in editor_hooks.h, and works without it.
 *
 * Reading order:
 *     scratch   swap, backup and lock files, which stay in memory
 *     aside     saved files that an editor renames while it saves
 *     editors   the table
 */
#ifndef FS_EDITORS_EDITORS_H
#define FS_EDITORS_EDITORS_H

#include "fs/editor_hooks.h"

extern const struct fs_editor_hooks editors_hooks;

#endif
