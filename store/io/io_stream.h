/* The I/O table of what can only be written from its beginning to its end: a pipe, a socket. */
#ifndef STORE_IO_IO_STREAM_H
#define STORE_IO_IO_STREAM_H

#include "store/io/io.h"

/** Write to a descriptor in ascending order; gaps are filled with zeros. Nothing can be read.
 *  @param fd      borrowed: not closed
 *  @param ret_io  end with io_close()
 *  @return 0; -ENOMEM */
int io_stream_open(int fd, struct io **ret_io);

#endif
