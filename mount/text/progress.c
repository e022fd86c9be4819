/* One line on a terminal, and signals held back. See progress.h. */
#include "mount/text/progress.h"
#include "mount/text/human.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

/* Between two lines; the first one comes after work that a person would notice. */
#define DRAW_MS 250

/* Between two looks for a signal: a system call for each record would be felt. */
#define LOOK_MS 20

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void progress_init(struct progress *progress, uint64_t total, bool hold)
{
	sigset_t set;

	*progress = (struct progress){
		.total = total,
		.shown = isatty(STDERR_FILENO),
		.begin_ms = now_ms(),
		.signal_fd = -1,
	};
	progress->drawn_ms = progress->looked_ms = progress->begin_ms;
	if (!hold)
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, &progress->old_signals);
	progress->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
}

static void draw(struct progress *progress, uint64_t done, int64_t now)
{
	double seconds = (double)(now - progress->begin_ms) / 1000;
	double rate = (double)done / seconds;
	char done_text[HUMAN_SIZE_SIZE], rate_text[HUMAN_SIZE_SIZE];

	human_size(done, done_text);
	human_size((uint64_t)rate, rate_text);
	fprintf(stderr, "\r\033[K%s, %s/s", done_text, rate_text);
	if (progress->total > done && done > 0) {
		unsigned left = (unsigned)((double)(progress->total - done) / rate);

		fprintf(stderr, ", %u%%, %u:%02u left",
			(unsigned)(100.0 * (double)done / (double)progress->total), left / 60,
			left % 60);
	}
	fflush(stderr);
	progress->drawn = true;
	progress->drawn_ms = now;
}

int progress_step(struct progress *progress, uint64_t done)
{
	struct pollfd signal = {.fd = progress->signal_fd, .events = POLLIN};
	int64_t now;

	if (!progress->shown && progress->signal_fd < 0)
		return 0;
	now = now_ms();
	if (progress->shown && now >= progress->drawn_ms + DRAW_MS)
		draw(progress, done, now);
	if (progress->signal_fd < 0 || now < progress->looked_ms + LOOK_MS)
		return 0;
	progress->looked_ms = now;
	return poll(&signal, 1, 0) > 0 ? -EINTR : 0;
}

void progress_hide(struct progress *progress)
{
	if (progress->drawn)
		fputs("\r\033[K", stderr);
	progress->drawn = false;
}

void progress_fini(struct progress *progress)
{
	struct signalfd_siginfo info;
	struct pollfd signal = {.fd = progress->signal_fd, .events = POLLIN};

	progress_hide(progress);
	if (progress->signal_fd < 0)
		return;
	/* what was told of is dealt with; it does not end the process when it is let through */
	while (poll(&signal, 1, 0) > 0 &&
		read(progress->signal_fd, &info, sizeof(info)) == sizeof(info))
		;
	close(progress->signal_fd);
	sigprocmask(SIG_SETMASK, &progress->old_signals, NULL);
}
