/* Sizes and times in words, and colours. See human.h. */
#include "mount/text/human.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool show_columns(void)
{
	static int terminal = -1;

	if (terminal < 0)
		terminal = isatty(STDOUT_FILENO);
	return terminal;
}

static bool has_colours(void)
{
	const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return show_columns() && (no == NULL || *no == '\0') &&
	       (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

const char *show_style(enum show_style style)
{
	static const char *const styles[] = {
		[SHOW_PLAIN] = "",
		[SHOW_GREEN] = "\033[32m",
		[SHOW_RED] = "\033[31m",
		[SHOW_YELLOW] = "\033[33m",
		[SHOW_BLUE] = "\033[1;34m",
		[SHOW_CYAN] = "\033[36m",
	};

	return has_colours() ? styles[style] : "";
}

const char *show_end(enum show_style style)
{
	return *show_style(style) != '\0' ? "\033[0m" : "";
}

void show_size(uint64_t bytes, char ret_text[SHOW_SIZE_SIZE])
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double size = (double)bytes;
	unsigned unit = 0;

	if (bytes < 1024) {
		snprintf(ret_text, SHOW_SIZE_SIZE, "%" PRIu64 " B", bytes);
		return;
	}
	for (size /= 1024; size >= 1024; size /= 1024)
		unit++;
	snprintf(ret_text, SHOW_SIZE_SIZE, "%.*f %s", size < 10 ? 1 : 0, size, units[unit]);
}

static time_t seconds_of(int64_t time_ns)
{
	return time_ns / 1000000000 - (time_ns % 1000000000 < 0);
}

void show_local(int64_t time_ns, char ret_text[SHOW_TIME_SIZE])
{
	time_t seconds = seconds_of(time_ns);
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(ret_text, SHOW_TIME_SIZE, "%Y-%m-%d %H:%M:%S", &tm);
}

void show_utc(int64_t time_ns, char ret_text[SHOW_TIME_SIZE])
{
	time_t seconds = seconds_of(time_ns);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(ret_text, SHOW_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
}
