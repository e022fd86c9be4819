/* Words to the service manager that has started the process, if one has (sd_notify(3)). */
#ifndef MOUNT_SYSTEM_SD_NOTIFY_H
#define MOUNT_SYSTEM_SD_NOTIFY_H

/** Send a state like "READY=1" to the socket that the environment names. Without one, or if it
 *  cannot be reached, nothing happens. */
void sd_notify_send(const char *state);

#endif
