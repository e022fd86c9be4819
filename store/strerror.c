/* Errors in words: of the number, with the store's name and the note that the thread has of it. */
#include "store/error.h"

#include "keytree.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[2 * PATH_MAX + 512]; /* a name, a path and a note */

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
	case -ETIMEDOUT:
		return "timed out";
	case -EBUSY:
		return "in use";
	case -ECHILD:
		return "opened before a fork";
	case -EREMOTE:
		return "a file system that may be incoherent";
	case -ENOTSUP:
		return "not supported";
	case -EILSEQ:
		return "malformed";
	case -EXDEV:
		return "belongs to another store";
	case -ESTALE:
		return "out of date";
	case -ENOTEMPTY:
		return "changes would be lost";
	default:
		return strerrordesc_np(-err);
	}
}

const char *kt_strerror(const struct kt_store *store, int err)
{
	const char *said = error_said(err);
	const char *words = said != NULL ? said : error_words(err);
	const char *detail = error_detail(err);
	const char *name = store != NULL ? kt_name(store) : "";
	const char *path = error_path_of(err);

	if (words == NULL)
		words = "unknown error";
	snprintf(message, sizeof(message), "%s%s%s%s%s%s%s", name, *name != '\0' ? ": " : "", path,
		*path != '\0' ? ": " : "", words, *detail != '\0' ? ": " : "", detail);
	return message;
}
