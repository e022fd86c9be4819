/* The part of a file's I/O table that other processes take part in: locks, and the shared memory in
 * the file NAME-lock beside it.
 *
 * Locks are open-file-description locks on the store's own file. They belong to an opening of the
 * file, so two openings in one process exclude each other as well, and the kernel drops them when
 * the process dies, whatever it was doing. A shared one can be had by whoever may read the file.
 * They are on the store's file because all who use it meet there, whatever name they know it by.
 */
#ifndef STORE_IO_IO_LOCK_H
#define STORE_IO_IO_LOCK_H

#include "store/io/io.h"

/* The functions of a table; see io_lock() and its like. */

int io_lock_set(struct io *io, enum io_lock kind, const struct io_range *range, bool wait);
bool io_lock_test(struct io *io, const struct io_range *range, struct io_range *ret_by);
int io_lock_area(struct io *io, size_t size, bool create, void **ret_area, uint64_t *ret_number);
int io_lock_area_clear(struct io *io, uint64_t offset, uint64_t size);
int io_lock_watch(struct io *io);

#endif
