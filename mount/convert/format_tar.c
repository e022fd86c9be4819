/* The format tar, and what its two directions share. See tar.h. */
#include "mount/convert/formats.h"
#include "mount/convert/tar.h"

#include <archive.h>

#include <errno.h>
#include <locale.h>

int tar_fail(struct convert *convert, struct archive *archive)
{
	const char *why = archive_error_string(archive);
	int err = archive_errno(archive);

	if (err == ENOSPC || err == ENOMEM || err == EDQUOT || err == EIO || err == EFBIG)
		return -err;
	return convert_malformed(convert, "%s", why != NULL ? why : "the archive cannot be read");
}

/* libarchive writes names as UTF-8 where they can be; the program's own locale stays "C". */
static int write_tar(struct convert *convert)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t old = utf8 != (locale_t)0 ? uselocale(utf8) : (locale_t)0;
	int err = tar_write(convert);

	if (utf8 != (locale_t)0) {
		uselocale(old);
		freelocale(utf8);
	}
	return err;
}

const struct format format_tar = {
	.name = "tar",
	.endings = " .tar .tar.gz .tgz .tar.xz .tar.zst",
	.streams = true,
	.write = write_tar,
	.read = tar_read,
};
