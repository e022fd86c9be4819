/* Leaving the terminal: a process that reports to its parent when it is ready, and the parent's
 * exit status. */
#ifndef MOUNT_SYSTEM_DAEMONIZE_H
#define MOUNT_SYSTEM_DAEMONIZE_H

/** Fork a process that goes on in the background. The caller's process waits in here until that
 *  one is ready, and exits with status 0, or has ended, and exits with its status.
 *  @param ret_ready_fd  in the background process: for daemonize_ready()
 *  @return 0 in the background process; -errno if there is none */
int daemonize_begin(int *ret_ready_fd);

/** Let the parent exit; leave its directory and its standard streams.
 *  @param ready_fd  taken */
void daemonize_ready(int ready_fd);

#endif
