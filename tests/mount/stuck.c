/* Serves a mount and cannot die: one thread leaves a read unanswered, another tells the kernel to
 * drop the page that is being read, and waits for it in the kernel.
 *
 *     stuck DIR SOURCE      says "ready" when the mount can be read
 */
#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define NODE 2
#define SIZE 4096

static struct fuse_session *session;

static struct stat stat_of(fuse_ino_t node)
{
	return (struct stat){
		.st_ino = node,
		.st_mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644,
		.st_nlink = 1,
		.st_size = node == FUSE_ROOT_ID ? 0 : SIZE,
	};
}

static void stuck_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param param = {.ino = NODE, .attr = stat_of(NODE)};

	(void)parent;
	if (strcmp(name, "file") == 0)
		fuse_reply_entry(req, &param);
	else
		fuse_reply_err(req, ENOENT);
}

static void stuck_getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct stat stat = stat_of(node);

	(void)fi;
	fuse_reply_attr(req, &stat, 0);
}

static void stuck_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	(void)node;
	fuse_reply_open(req, fi);
}

static void *stuck_tell(void *arg)
{
	(void)arg;
	fuse_lowlevel_notify_inval_inode(session, NODE, 0, 0);
	return NULL;
}

/* The read is not answered; its page is locked. */
static void stuck_read(
	fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *fi)
{
	pthread_t thread;

	(void)req, (void)node, (void)size, (void)offset, (void)fi;
	pthread_create(&thread, NULL, stuck_tell, NULL);
}

static const struct fuse_lowlevel_ops table = {
	.lookup = stuck_lookup,
	.getattr = stuck_getattr,
	.open = stuck_open,
	.read = stuck_read,
};

int main(int argc, char **argv)
{
	char option[4200] = "";
	char *words[] = {"stuck", option, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(2, words);
	int dir = argc > 2 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;

	if (dir < 0 || flock(dir, LOCK_SH) != 0)
		return 2;
	snprintf(option, sizeof(option), "-osubtype=keytree,fsname=%s", argv[2]);
	session = fuse_session_new(&args, &table, sizeof(table), NULL);
	if (session == NULL || fuse_session_mount(session, argv[1]) != 0)
		return 1;
	puts("ready");
	fflush(stdout);
	return fuse_session_loop(session) != 0;
}
