/* File systems on which two openers may not see each other's writes, locks or shared memory: those of
 * other machines, and those that a process serves. Mounted twice, or on two machines, they have a page
 * cache each. Their numbers are those of statfs(2); linux/magic.h has only some of them.
 */
#include "store/io/incoherent.h"

#include "store/error.h"
#include "store/io/io_fd.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/vfs.h>

static const struct {
	uint32_t type;
	const char *name;
} incoherent[] = {
	{0x00006969, "NFS"},
	{0x0000517b, "SMB"},
	{0xff534d42, "SMB"},
	{0xfe534d42, "SMB"},
	{0x01021997, "9p"},
	{0x65735546, "FUSE or virtiofs"},
	{0x5346414f, "AFS"},
	{0x6b414653, "AFS"},
	{0x00c36400, "Ceph"},
	{0x73757245, "Coda"},
	{0x7461636f, "OCFS2"},
	{0x01161970, "GFS2"},
	{0x0bd00bd0, "Lustre"},
	{0x47504653, "GPFS"},
	{0xaad7aaea, "PanFS"},
	{0x786f4256, "vboxsf"},
	{0x7c7c6673, "prl_fs"},
	{0xbacbacbc, "hgfs"},
};

int incoherent_check(struct io *io)
{
	const struct io_fd *file = (const struct io_fd *)io;
	struct statfs statfs;

	if (fstatfs(file->fd, &statfs) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(incoherent) / sizeof(incoherent[0]); i++)
		if ((uint32_t)statfs.f_type == incoherent[i].type)
			return error_set(-EREMOTE,
				"its file system (%s) need not show all its users the same",
				incoherent[i].name);
	return 0;
}
