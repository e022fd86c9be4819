/* An application that reads its store all the time, while others save through a mount.
 *
 *     watcher STORE PREFIX        ends with its standard input
 *
 * Each value is to be a text whose every line begins with one tag, and whose first line says how
 * many lines there are, so that any part or mixture of values is none:
 *
 *     TAG begin 2
 *     TAG 1
 *     TAG 2
 *     TAG end
 *
 * Each point in time that it sees must have whole values only, no name of a scratch file, and, from
 * the first on, all keys that begin with the prefix. It says "ready" after the first and how many
 * there were at the end; or what is wrong, and exits with 1.
 */
#include "keytree.h"
#include "fs/editors/scratch.h"

#include <fnmatch.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEYS_MAX 1000
#define KEY_SIZE 256

struct seen {
	char key[KEY_SIZE];
	uint64_t version; /* of the entry when its value was checked */
	bool expected;	  /* it is to be there always */
	bool there;	  /* at this point in time */
};

struct watcher {
	struct kt_store *store;
	const char *prefix;
	struct seen seen[KEYS_MAX];
	size_t count;
	unsigned long scans, checked;
};

static _Noreturn void wrong(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stdout, format, args);
	va_end(args);
	puts("");
	exit(1);
}

static void must(int err)
{
	if (err != 0)
		wrong("%s", kt_strerror(NULL, err));
}

/* Go behind a text, if it comes next. */
static bool take(const char **at, const char *end, const char *text, size_t size)
{
	if ((size_t)(end - *at) < size || memcmp(*at, text, size) != 0)
		return false;
	*at += size;
	return true;
}

/* Go behind a line: a tag and something else. */
static bool take_line(const char **at, const char *end, struct kt_slice tag, const char *rest)
{
	return take(at, end, tag.data, tag.size) && take(at, end, rest, strlen(rest));
}

static bool is_whole(struct kt_slice value)
{
	const char *at = value.data, *end = at + value.size;
	const char *blank = value.size > 0 ? memchr(at, ' ', value.size) : NULL;
	struct kt_slice tag = {at, blank != NULL ? (size_t)(blank - at) : 0};
	char rest[64] = "", *behind = NULL;
	unsigned long lines;

	if (blank == NULL || !take_line(&at, end, tag, " begin "))
		return false;
	memcpy(rest, at,
		(size_t)(end - at) < sizeof(rest) - 1 ? (size_t)(end - at) : sizeof(rest) - 1);
	lines = strtoul(rest, &behind, 10);
	if (behind == rest || *behind != '\n')
		return false;
	at += behind - rest + 1;
	for (unsigned long i = 1; i <= lines; i++) {
		snprintf(rest, sizeof(rest), " %lu\n", i);
		if (!take_line(&at, end, tag, rest))
			return false;
	}
	return take_line(&at, end, tag, " end\n") && at == end;
}

static void check_name(const char *key)
{
	char patterns[] = SCRATCH_DEFAULT, *list = patterns, *pattern;
	const char *name = strrchr(key, '/') != NULL ? strrchr(key, '/') + 1 : key;

	while ((pattern = strsep(&list, ":")) != NULL) {
		if (fnmatch(pattern, name, 0) == 0)
			wrong("a scratch file: %s", key);
	}
	if (!strcmp(name, SCRATCH_PROBE))
		wrong("a probe: %s", key);
}

static struct seen *find(struct watcher *w, const char *key)
{
	struct seen *seen = w->seen;

	while (seen < w->seen + w->count && strcmp(seen->key, key) != 0)
		seen++;
	if (seen < w->seen + w->count)
		return seen;
	if (w->count == KEYS_MAX)
		wrong("too many keys");
	w->count++;
	*seen = (struct seen){
		.expected = w->scans == 0 && strncmp(key, w->prefix, strlen(w->prefix)) == 0};
	strcpy(seen->key, key);
	return seen;
}

static void check(struct watcher *w, struct kt_cursor *cursor)
{
	struct kt_slice key = kt_cursor_key(cursor), value;
	char text[KEY_SIZE] = "";
	struct kt_entry_info stat;
	struct seen *seen;

	if (key.size >= KEY_SIZE)
		wrong("a long key");
	memcpy(text, key.data, key.size);
	check_name(text);
	seen = find(w, text);
	seen->there = true;
	must(kt_cursor_stat(cursor, &stat));
	if (stat.version == seen->version)
		return;
	must(kt_cursor_value(cursor, &value));
	if (!is_whole(value))
		wrong("not whole: %s, %zu bytes: %.*s ... %.*s", text, value.size,
			(int)(value.size < 30 ? value.size : 30), (const char *)value.data,
			(int)(value.size < 30 ? 0 : 30),
			(const char *)value.data + value.size - (value.size < 30 ? 0 : 30));
	seen->version = stat.version;
	w->checked++;
}

/* Look at one point in time. */
static void scan(struct watcher *w)
{
	struct kt_cursor *cursor;
	struct kt_txn *txn;

	for (size_t i = 0; i < w->count; i++)
		w->seen[i].there = false;
	must(kt_begin(w->store, KT_READ, &txn));
	must(kt_cursor_open(txn, &cursor));
	while (kt_cursor_next(cursor) == 0)
		check(w, cursor);
	kt_cursor_close(cursor);
	kt_abort(txn);
	for (size_t i = 0; i < w->count; i++) {
		if (w->seen[i].expected && !w->seen[i].there)
			wrong("missing: %s", w->seen[i].key);
	}
	w->scans++;
}

static bool goes_on(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	char byte;

	return poll(&input, 1, 0) == 0 || read(STDIN_FILENO, &byte, 1) == 1;
}

int main(int argc, char **argv)
{
	static struct watcher watcher;

	if (argc != 3)
		return 2;
	watcher.prefix = argv[2];
	must(kt_open(argv[1], NULL, &watcher.store));
	scan(&watcher);
	puts("ready");
	fflush(stdout);
	while (goes_on())
		scan(&watcher);
	scan(&watcher);
	printf("%lu points in time, %lu values\n", watcher.scans, watcher.checked);
	return kt_close(watcher.store) != 0;
}
