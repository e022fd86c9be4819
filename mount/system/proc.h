/* What /proc says of processes. No file in a mount is touched by asking. */
#ifndef MOUNT_SYSTEM_PROC_H
#define MOUNT_SYSTEM_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/** Room for "/proc/PID/task/TID/fdinfo/FD". */
#define PROC_PATH_SIZE 128

/** Find a line of a file.
 *  @param word  with which it begins
 *  @param line  room for size bytes; the line is kept here
 *  @return what follows the word; NULL there is no such line, or no such file */
const char *proc_line(const char *path, const char *word, char *line, size_t size);

/** Receives the path of an entry. @return whether to end with that */
typedef bool proc_fn(void *arg, const char *path);

/** Call a function for each entry of a directory whose name is a number.
 *  @return whether one of the calls has returned true */
bool proc_any(const char *directory, proc_fn *fn, void *arg);

/** Has a process a descriptor of a file?
 *  @param dev  device number of its file system's mount
 *  @return false also where that may not be asked */
bool proc_has_open(pid_t pid, dev_t dev, ino_t ino);

#endif
