/* For people: sizes, times, and colours on a terminal that may have them. Output that goes into a
 * pipe gets plain numbers and times of a fixed form instead, so that it means the same everywhere.
 */
#ifndef MOUNT_TEXT_HUMAN_H
#define MOUNT_TEXT_HUMAN_H

#include <stdbool.h>
#include <stdint.h>

#define SHOW_TIME_SIZE 32
#define SHOW_SIZE_SIZE 32

/** Is standard output read by a person: a terminal? */
bool show_columns(void);

/** How a word looks. */
enum show_style { SHOW_PLAIN, SHOW_GREEN, SHOW_RED, SHOW_YELLOW, SHOW_BLUE, SHOW_CYAN };

/** What begins a style on standard output; empty where there are no colours: elsewhere than on a
 *  terminal, on one that is dumb, and if the user has set NO_COLOR. */
const char *show_style(enum show_style style);

/** What ends it. */
const char *show_end(enum show_style style);

/** A size with its unit, like "1.5 MiB". */
void show_size(uint64_t bytes, char ret_text[SHOW_SIZE_SIZE]);

/** A time in the user's zone, like "2026-11-20 12:00:00". @param time_ns  since 1970 UTC */
void show_local(int64_t time_ns, char ret_text[SHOW_TIME_SIZE]);

/** A time in UTC, like "2026-11-20T12:00:00Z". @param time_ns  since 1970 UTC */
void show_utc(int64_t time_ns, char ret_text[SHOW_TIME_SIZE]);

#endif
