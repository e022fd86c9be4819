/* File systems that may differ between their users. See incoherent.c. */
#ifndef STORE_IO_INCOHERENT_H
#define STORE_IO_INCOHERENT_H

struct io;

/** As io_check_coherent(), for a file. @param io  of io_file.c */
int incoherent_check(struct io *io);

#endif
