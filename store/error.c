/* One note per thread. It is used only with the error number that it was made for. */
#include "store/error.h"

#include "keytree.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

static _Thread_local struct {
	int err;
	char text[256];
} note;

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
