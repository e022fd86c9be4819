/* Sizes and times in words. See show.h. */
#include "show.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

bool show_columns(void)
{
	return isatty(STDOUT_FILENO);
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
