/* For people: sizes, times, and colours on a terminal that may have them. Output that goes into a
 * pipe gets plain numbers and times of a fixed form instead, so that it means the same everywhere.
 */
#ifndef MOUNT_TEXT_HUMAN_H
#define MOUNT_TEXT_HUMAN_H

#include <stdbool.h>
#include <stdint.h>

#define HUMAN_TIME_SIZE 32
#define HUMAN_SIZE_SIZE 32

/** Is standard output read by a person: a terminal? */
bool human_is_reading(void);

/** How a word looks. */
enum human_style { HUMAN_PLAIN, HUMAN_GREEN, HUMAN_RED, HUMAN_YELLOW, HUMAN_BLUE, HUMAN_CYAN };

/** What begins a style on standard output; empty where there are no colours: elsewhere than on a
 *  terminal, on one that is dumb, and if the user has set NO_COLOR. */
const char *human_style_begin(enum human_style style);

/** What ends it. */
const char *human_style_end(enum human_style style);

/** A size with its unit, like "1.5 MiB". */
void human_size(uint64_t bytes, char ret_text[HUMAN_SIZE_SIZE]);

/** A time in the user's zone, like "2026-11-20 12:00:00". @param time_ns  since 1970 UTC */
void human_local_time(int64_t time_ns, char ret_text[HUMAN_TIME_SIZE]);

/** A time in UTC, like "2026-11-20T12:00:00Z". @param time_ns  since 1970 UTC */
void human_utc_time(int64_t time_ns, char ret_text[HUMAN_TIME_SIZE]);

/** The time now, in nanoseconds since 1970. */
int64_t human_now_ns(void);

/** Read an age: a decimal number and s, m, h, d or w, for seconds, minutes, hours, days or weeks.
 *  @return false: it is none, or too long for nanoseconds */
bool human_read_age(const char *text, int64_t *ret_ns);

#endif
