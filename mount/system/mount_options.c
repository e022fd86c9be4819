/* Mount options: a table of words. */
#include "mount/system/mount_options.h"

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
	WORD_NOEXEC,
	WORD_SYNC,
	WORD_UID,
	WORD_GID,
	WORD_UMASK,
	WORD_COMMIT,
	WORD_SNAPSHOT,
	WORD_SUBTREE,
	WORD_SEPARATOR,
	WORD_MAX_SIZE,
	WORD_SCRATCH,
	WORD_CONFLICT,
	WORD_COUNT,
};

static const char *const words[] = {
	[WORD_RO] = "ro",
	[WORD_RW] = "rw",
	[WORD_ALLOW_OTHER] = "allow_other",
	[WORD_NOEXEC] = "noexec",
	[WORD_SYNC] = "sync",
	[WORD_UID] = "uid",
	[WORD_GID] = "gid",
	[WORD_UMASK] = "umask",
	[WORD_COMMIT] = "commit",
	[WORD_SNAPSHOT] = "snapshot",
	[WORD_SUBTREE] = "subtree",
	[WORD_SEPARATOR] = "separator",
	[WORD_MAX_SIZE] = "max_size",
	[WORD_SCRATCH] = "scratch",
	[WORD_CONFLICT] = "conflict",
};

void mount_options_init(struct mount_options *options)
{
	*options = (struct mount_options){
		.uid = getuid(),
		.gid = getgid(),
		.umask = 022,
		.commit_seconds = 5,
		.separator = '/',
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

/* A size in bytes, or with K, M, G or T in units of 1024. */
static int parse_size(const char *text, uint64_t *ret_size)
{
	static const char suffixes[] = "KMGT";
	const char *suffix;
	unsigned long number;
	unsigned shift = 0;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno != 0)
		return -EINVAL;
	suffix = *end != '\0' ? strchr(suffixes, *end) : NULL;
	if (suffix != NULL) {
		shift = 10 * (unsigned)(suffix - suffixes + 1);
		end++;
	}
	if (*end != '\0' || number == 0 || number > UINT64_MAX >> shift)
		return -EINVAL;
	*ret_size = (uint64_t)number << shift;
	return 0;
}

static int take_flag(struct mount_options *options, int word)
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
	case WORD_NOEXEC:
		options->no_exec = true;
		return 0;
	case WORD_SYNC:
		options->commit_seconds = 0;
		return 0;
	default:
		return -EINVAL;
	}
}

/* A path without slashes at its ends. */
static const char *strip_slashes(char *path)
{
	size_t size;

	while (*path == '/')
		path++;
	size = strlen(path);
	while (size > 0 && path[size - 1] == '/')
		path[--size] = '\0';
	return path;
}

/* A byte that is a character by itself. '%' is what names are escaped with. */
static int parse_separator(const char *text, char *ret_separator)
{
	if (text[0] == '\0' || text[1] != '\0' || (text[0] & 0x80) || text[0] == '%')
		return -EINVAL;
	*ret_separator = text[0];
	return 0;
}

/* Who wins when a file is written while others change its entry. */
static int parse_conflict(const char *text, bool *ret_fail)
{
	*ret_fail = strcmp(text, "fail") == 0;
	return *ret_fail || strcmp(text, "last") == 0 ? 0 : -EINVAL;
}

static int take_value(struct mount_options *options, int word, char *value)
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
	case WORD_SNAPSHOT:
		options->snapshot = value;
		return *value != '\0' ? 0 : -EINVAL;
	case WORD_MAX_SIZE:
		return parse_size(value, &options->max_size);
	case WORD_SUBTREE:
		options->subtree = strip_slashes(value);
		return 0;
	case WORD_SEPARATOR:
		return parse_separator(value, &options->separator);
	case WORD_SCRATCH:
		options->scratch = value;
		return 0;
	case WORD_CONFLICT:
		return parse_conflict(value, &options->conflict_fail);
	default:
		return -EINVAL;
	}
}

/* Cut the next word off a list, without the backslashes that quote. */
static char *cut_word(char **list)
{
	char *word = *list, *from = word, *to = word;

	while (*from != '\0' && *from != ',') {
		if (*from == '\\' && from[1] != '\0')
			from++;
		*to++ = *from++;
	}
	*list = *from == ',' ? from + 1 : from;
	*to = '\0';
	return word;
}

/* The word that a text of so many bytes is; WORD_COUNT: none. */
static int find_word(const char *text, size_t length)
{
	int word = 0;

	while (word < WORD_COUNT &&
		(strlen(words[word]) != length || memcmp(words[word], text, length) != 0))
		word++;
	return word;
}

bool mount_options_has(const char *word)
{
	return find_word(word, strcspn(word, "=")) != WORD_COUNT;
}

/* Take one word. @return 0; -EINVAL */
static int take_word(struct mount_options *options, char *word)
{
	size_t length = strcspn(word, "=");
	int found = find_word(word, length);

	return word[length] == '=' ? take_value(options, found, word + length + 1)
				   : take_flag(options, found);
}

int mount_options_parse(struct mount_options *options, char *list, const char **ret_wrong)
{
	while (*list != '\0') {
		char *word = cut_word(&list);
		int err = take_word(options, word);

		if (err != 0) {
			*ret_wrong = word;
			return err;
		}
	}
	if (options->snapshot != NULL)
		options->read_only = true;
	return 0;
}
