/* One note per thread. It is used only with the error number that it was made for. */
#include "store/error.h"

#include "keytree.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local struct {
	int err;
	const char *words;   /* instead of the usual ones of err; NULL: those */
	char text[256];	     /* the detail, or the memory of words */
	char path[PATH_MAX]; /* that it is about; empty: it is about no path */
} note;

/* Begin the note of an error. */
static void error_note(int err, const char *words)
{
	note.err = err;
	note.words = words;
	note.path[0] = '\0';
}

int error_set(int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(note.text, sizeof(note.text), format, args);
	va_end(args);
	error_note(err, NULL);
	return err;
}

int error_say(int err, const char *words)
{
	error_note(err, words);
	note.text[0] = '\0';
	return err;
}

int error_path(int err, const char *path)
{
	if (note.err != err) {
		error_note(err, NULL);
		note.text[0] = '\0';
	}
	snprintf(note.path, sizeof(note.path), "%s", path);
	return err;
}

const char *error_path_of(int err)
{
	return note.err == err && err != 0 ? note.path : "";
}

int error_key_too_long(size_t size)
{
	error_set(-ENAMETOOLONG, "key too long (%zu bytes, at most %d)", size, KT_KEY_MAX);
	note.words = note.text;
	return -ENAMETOOLONG;
}

bool error_is_full(int err)
{
	return err == -ENOSPC || err == -EDQUOT || err == -EFBIG;
}

void error_clear(void)
{
	note.err = 0;
}

int error_unknown_flags(unsigned flags, unsigned known)
{
	if ((flags & ~known) == 0)
		return 0;
	return error_set(-EINVAL, "unknown flags 0x%x", flags & ~known);
}

/* ---- the log --------------------------------------------------------------------------------- */

static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER; /* protects the next two */
static kt_log_fn *log_fn;
static void *log_arg;

void kt_set_log(kt_log_fn *log, void *arg)
{
	pthread_mutex_lock(&log_mutex);
	log_fn = log;
	log_arg = arg;
	pthread_mutex_unlock(&log_mutex);
}

static void error_log(const char *text)
{
	kt_log_fn *log;
	void *arg;

	pthread_mutex_lock(&log_mutex);
	log = log_fn;
	arg = log_arg;
	pthread_mutex_unlock(&log_mutex);
	if (log != NULL)
		log(arg, text);
}

int error_damaged(uint64_t page, const char *reason)
{
	error_set(-EUCLEAN, "page %llu: %s", (unsigned long long)page, reason);
	error_log(note.text);
	return -EUCLEAN;
}

int error_unreadable(void)
{
	error_set(-EIO, "the file was cut off by another program, or the disk cannot read it");
	error_log(note.text);
	return -EIO;
}

void error_tell(int err, const char *what)
{
	const char *detail = error_detail(err);
	char text[400];

	snprintf(text, sizeof(text), "%s: %s%s%s", what, strerrordesc_np(-err),
		*detail != '\0' ? ": " : "", detail);
	error_log(text);
}

const char *error_detail(int err)
{
	return note.err == err && err != 0 && note.words == NULL ? note.text : "";
}

const char *error_said(int err)
{
	return note.err == err && err != 0 ? note.words : NULL;
}
