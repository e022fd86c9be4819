/* One note per thread. It is used only with the error number that it was made for. */
#include "store/error.h"

#include "keytree.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local struct {
	int err;
	char text[256];
} note;

static _Thread_local char message[4608]; /* a path and a note */

int error_set(int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(note.text, sizeof(note.text), format, args);
	va_end(args);
	note.err = err;
	return err;
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

const char *error_detail(int err)
{
	return note.err == err && err != 0 ? note.text : "";
}

/* Error numbers whose usual text would mislead here. */
static const char *error_words(int err)
{
	switch (err) {
	case 0:
		return "success";
	case -EUCLEAN:
		return "the store is damaged";
	case -EBADMSG:
		return "checksum mismatch";
	case -EMEDIUMTYPE:
		return "not a keytree store";
	case -EBUSY:
		return "in use";
	case -ECHILD:
		return "not usable here";
	case -ENOTSUP:
		return "not supported";
	case -EILSEQ:
		return "malformed";
	case -EXDEV:
		return "of another store";
	case -ESTALE:
		return "of another time";
	case -ENOTEMPTY:
		return "changes would be lost";
	default:
		return strerrordesc_np(-err);
	}
}

const char *kt_strerror(const struct kt_store *store, int err)
{
	const char *words = error_words(err);
	const char *detail = error_detail(err);
	const char *name = store != NULL ? kt_name(store) : "";

	if (words == NULL)
		words = "unknown error";
	snprintf(message, sizeof(message), "%s%s%s%s%s", name, *name != '\0' ? ": " : "", words,
		*detail != '\0' ? ": " : "", detail);
	return message;
}
