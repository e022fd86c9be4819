/* An example: an application whose settings are keys below settings/ in its store.
 *
 *     settings STORE
 *
 * It prints its settings, and again whenever somebody has changed them: another process, a command,
 * or an editor in a mount. keytree.3 shows the heart of it.
 */
#include "keytree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "settings/"

static void must(int err)
{
	if (!err)
		return;
	fprintf(stderr, "settings: %s\n", kt_strerror(NULL, err));
	exit(1);
}

/* Bytes of the first line: editors end it with a newline. */
static int line_size(struct kt_slice value)
{
	const char *end = value.size > 0 ? memchr(value.data, '\n', value.size) : NULL;

	return (int)(end != NULL ? (size_t)(end - (const char *)value.data) : value.size);
}

static void print_settings(struct kt_txn *now)
{
	struct kt_cursor *cursor;
	struct kt_slice value;
	int err;

	must(kt_cursor_open(now, &cursor));
	must(kt_cursor_set_prefix(cursor, PREFIX, strlen(PREFIX)));
	while ((err = kt_cursor_next(cursor)) == 0) {
		struct kt_slice key = kt_cursor_key(cursor);

		must(kt_cursor_value(cursor, &value));
		printf("%.*s=%.*s ", (int)(key.size - strlen(PREFIX)),
			(const char *)key.data + strlen(PREFIX), line_size(value),
			(const char *)value.data);
	}
	must(err == -ENOENT ? 0 : err);
	kt_cursor_close(cursor);
	puts("");
	fflush(stdout);
}

/* Is it a setting that differs? Then that is enough. */
static int is_setting(void *arg, const struct kt_slice *key, const struct kt_entry_info *from,
	const struct kt_entry_info *to)
{
	(void)arg;
	(void)from;
	(void)to;
	return key->size >= strlen(PREFIX) && memcmp(key->data, PREFIX, strlen(PREFIX)) == 0;
}

int main(int argc, char **argv)
{
	struct kt_store *store;
	struct kt_txn *before, *now;
	uint64_t txn;

	if (argc != 2)
		return 2;
	must(kt_open(argv[1], KT_OPTIONS(.flags = KT_READONLY), &store));
	must(kt_begin(store, KT_READ, &before));
	print_settings(before);
	for (;;) {
		int changed;

		must(kt_wait(store, kt_txn_id(before), -1, &txn));
		must(kt_begin(store, KT_READ, &now));
		changed = kt_diff(before, now, is_setting, NULL);
		must(changed < 0 ? changed : 0);
		kt_abort(before);
		before = now;
		if (changed)
			print_settings(now);
	}
}
