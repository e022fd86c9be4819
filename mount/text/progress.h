/* Long work on a terminal: how far it is, how fast, and how long it still takes; and an end in good
 * order when it is interrupted. Standard error gets one line that is written over again and again;
 * when it is no terminal, nothing.
 */
#ifndef MOUNT_TEXT_PROGRESS_H
#define MOUNT_TEXT_PROGRESS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
	uint64_t total; /* bytes; 0: not known */
	bool shown;	/* on a terminal */
	bool drawn;	/* there is a line */
	int64_t begin_ms, drawn_ms, looked_ms;
	int signal_fd; /* -1: signals end the process as ever */
	sigset_t old_signals;
};

/** Begin.
 *  @param total  bytes of work; 0: not known
 *  @param hold   hold back the signals that end a process; progress_step() tells of them */
void progress_init(struct progress *progress, uint64_t total, bool hold);

/** So many bytes are done. Cheap enough for each record.
 *  @return 0; -EINTR a signal has come that was held back */
int progress_step(struct progress *progress, uint64_t done);

/** Take the line away, until the next one: something is to be printed. */
void progress_hide(struct progress *progress);

/** End, without a line. */
void progress_fini(struct progress *progress);

#endif
