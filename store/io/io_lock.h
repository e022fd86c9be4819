/* The part of a file's I/O table that other processes take part in: locks, and the shared memory in
 * the file NAME-lock beside it.
 *
 * Locks are open-file-description locks. They belong to an opening of the file, so two openings in
 * one process exclude each other as well, and the kernel drops them when the process dies, whatever
 * it was doing. Whoever may read a file can lock it shared. So the locks that writers depend on are
 * on the lock file, which those who may only read the store cannot even read.
 */
#ifndef STORE_IO_IO_LOCK_H
#define STORE_IO_IO_LOCK_H

#include "store/io/io.h"

/* The functions of a table; see io_lock() and its like. */

int io_lock_set(struct io *io, enum io_place place, enum io_lock kind, const struct io_range *range,
	bool wait);
bool io_lock_test(struct io *io, enum io_place place, enum io_lock kind,
	const struct io_range *range, struct io_range *ret_by);
bool io_lock_is_at(struct io *io, const char *path);
int io_lock_area(struct io *io, size_t size, bool create, struct io_area *ret_area);
int io_lock_area_clear(struct io *io, uint64_t offset, uint64_t size);
int io_lock_watch(struct io *io);

#endif
