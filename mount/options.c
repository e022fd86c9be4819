/* Mount options: a table of words. */
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Longest commit= in seconds: a day. */
#define COMMIT_SECONDS_MAX 86400

enum word {
	WORD_RO,
	WORD_RW,
	WORD_ALLOW_OTHER,
	WORD_UID,
	WORD_GID,
	WORD_UMASK,
	WORD_COMMIT,
};

static char *const words[] = {
	[WORD_RO] = "ro",
	[WORD_RW] = "rw",
	[WORD_ALLOW_OTHER] = "allow_other",
	[WORD_UID] = "uid",
	[WORD_GID] = "gid",
	[WORD_UMASK] = "umask",
	[WORD_COMMIT] = "commit",
	NULL,
};

void options_init(struct options *options)
{
	*options = (struct options){
		.uid = getuid(),
		.gid = getgid(),
		.umask = 022,
		.commit_seconds = 5,
	};
}

static int parse_number(const char *text, int base, unsigned long max, unsigned long *ret_number)
{
	unsigned long number;
	char *end;

	if (text == NULL || *text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	number = strtoul(text, &end, base);
	if (errno != 0 || *end != '\0' || number > max)
		return -EINVAL;
	*ret_number = number;
	return 0;
}

static int take_flag(struct options *options, int word)
{
	switch (word) {
	case WORD_RO:
		options->read_only = true;
		return 0;
	case WORD_RW:
		options->read_only = false;
		return 0;
	case WORD_ALLOW_OTHER:
		options->allow_other = true;
		return 0;
	default:
		return -EINVAL;
	}
}

static int take_value(struct options *options, int word, const char *value)
{
	unsigned long number = 0;
	int err;

	switch (word) {
	case WORD_UID:
		err = parse_number(value, 10, UINT_MAX - 1, &number);
		options->uid = (uid_t)number;
		return err;
	case WORD_GID:
		err = parse_number(value, 10, UINT_MAX - 1, &number);
		options->gid = (gid_t)number;
		return err;
	case WORD_UMASK:
		err = parse_number(value, 8, 0777, &number);
		options->umask = (mode_t)number;
		return err;
	case WORD_COMMIT:
		err = parse_number(value, 10, COMMIT_SECONDS_MAX, &number);
		options->commit_seconds = (unsigned)number;
		return err;
	default:
		return -EINVAL;
	}
}

int options_parse(struct options *options, char *list, const char **ret_wrong)
{
	while (*list != '\0') {
		char *begin = list, *value = NULL;
		int word = getsubopt(&list, words, &value);
		int err =
			value != NULL ? take_value(options, word, value) : take_flag(options, word);

		if (err != 0) {
			*ret_wrong = begin;
			return err;
		}
	}
	return 0;
}
