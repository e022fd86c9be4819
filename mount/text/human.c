/* Sizes and times in words, and colours. See human.h. */
#include "mount/text/human.h"

#include "fs/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool human_is_reading(void)
{
	static int terminal = -1;

	if (terminal < 0)
		terminal = isatty(STDOUT_FILENO);
	return terminal;
}

static bool has_colours(void)
{
	const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return human_is_reading() && (no == NULL || *no == '\0') &&
	       (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

const char *human_style_begin(enum human_style style)
{
	static const char *const styles[] = {
		[HUMAN_PLAIN] = "",
		[HUMAN_GREEN] = "\033[32m",
		[HUMAN_RED] = "\033[31m",
		[HUMAN_YELLOW] = "\033[33m",
		[HUMAN_BLUE] = "\033[1;34m",
		[HUMAN_CYAN] = "\033[36m",
	};

	return has_colours() ? styles[style] : "";
}

const char *human_style_end(enum human_style style)
{
	return *human_style_begin(style) != '\0' ? "\033[0m" : "";
}

void human_size(uint64_t bytes, char ret_text[HUMAN_SIZE_SIZE])
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double size = (double)bytes;
	unsigned unit = 0;

	if (bytes < 1024) {
		snprintf(ret_text, HUMAN_SIZE_SIZE, "%" PRIu64 " B", bytes);
		return;
	}
	for (size /= 1024; size >= 1024; size /= 1024)
		unit++;
	snprintf(ret_text, HUMAN_SIZE_SIZE, "%.*f %s", size < 10 ? 1 : 0, size, units[unit]);
}

void human_local_time(int64_t time_ns, char ret_text[HUMAN_TIME_SIZE])
{
	time_t seconds = clock_timespec(time_ns).tv_sec;
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(ret_text, HUMAN_TIME_SIZE, "%Y-%m-%d %H:%M:%S", &tm);
}

void human_utc_time(int64_t time_ns, char ret_text[HUMAN_TIME_SIZE])
{
	time_t seconds = clock_timespec(time_ns).tv_sec;
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(ret_text, HUMAN_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

int64_t human_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return clock_timespec_ns(&now);
}

bool human_read_age(const char *text, int64_t *ret_ns)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
	unsigned long long number;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno != 0 || *end == '\0' || end[1] != '\0')
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (*end == units[i].letter)
			return !__builtin_mul_overflow(
				number, units[i].seconds * INT64_C(1000000000), ret_ns);
	}
	return false;
}
