#include "mount/fuse/kernel_notify.h"

#include "mount/fuse/ops.h"

#include "fs/event.h"
#include "fs/fs.h"
#include "keytree.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <syslog.h>
#include <unistd.h>

/* After a failure: how long to wait before what others change is looked at again. */
#define AGAIN_MS 100

struct kernel_notify {
	struct fs *fs;
	struct kt_waiter *waiter; /* NULL: nobody changes anything */
	struct fuse_session *fuse;
	struct ops_context *context;
	int stop_fd, due_fd; /* eventfds */
	int revived_fd;	     /* of the file system */
	bool started;
	pthread_t thread;
};

/* Drop attributes, and pages if it is more than these.
 * @return 0; -ENOENT the kernel does not know the node */
static int notify_drop(const struct kernel_notify *notify, const struct fs_invalidation *notice)
{
	off_t offset = notice->kind == FS_INVALIDATE_ATTR ? -1 : 0;

	return fuse_lowlevel_notify_inval_inode(notify->fuse, notice->node, offset, 0);
}

/* A directory that somebody works in must not lose its name: it is to be asked for again. Any other
 * name is dropped. The kernel, when it asks again, waits for nobody, and an answer with what was
 * true before, which is on its way just now, would make the name good once more. */
static void notify_name(const struct kernel_notify *notify, const struct fs_invalidation *notice)
{
	if (notice->stays)
		wire_expire(fuse_session_fd(notify->fuse), notice->node, notice->name);
	else
		fuse_lowlevel_notify_inval_entry(
			notify->fuse, notice->node, notice->name, strlen(notice->name));
}

/* A name or a node that the kernel does not know is no error. But the lookup of the node may be on
 * its way, with what was true before: to wait for its directory is to wait for that. */
static void notify_one(void *arg, const struct fs_invalidation *notice)
{
	const struct kernel_notify *notify = arg;
	const struct wire *wire = &notify->context->wire;

	counts_add(&notify->context->counts.told[notice->kind]);
	if (notice->kind == FS_INVALIDATE_NAMES) {
		if (wire_has_epoch(wire))
			wire_next_epoch(wire);
	} else if (notice->kind == FS_INVALIDATE_NAME) {
		if (!notice->by_all || !wire_has_epoch(wire))
			notify_name(notify, notice);
	} else if (notify_drop(notify, notice) == -ENOENT && notice->parent != 0) {
		wire_expire(fuse_session_fd(notify->fuse), notice->parent, notice->name);
		notify_drop(notify, notice);
	}
}

static void notify_store_value(void *arg, uint64_t node, const void *value, size_t size)
{
	const struct kernel_notify *notify = arg;

	counts_add(&notify->context->counts.sent);
	wire_store(&notify->context->wire, node, value, size);
}

static void notify_prefetch(const struct kernel_notify *notify)
{
	uint64_t count;

	while (read(notify->due_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	if (fs_prefetch(notify->fs, notify_store_value, (void *)notify))
		event_signal(notify->due_fd); /* there may be more, when all has been told again */
}

/* @return 0 or an error: not all was told */
static int notify_foreign(const struct kernel_notify *notify)
{
	if (notify->waiter == NULL)
		return 0;
	kt_waiter_clear(notify->waiter, NULL);
	return fs_invalidate(notify->fs, notify_one, (void *)notify);
}

static void *notify_run(void *arg)
{
	struct kernel_notify *notify = arg;
	struct pollfd fds[] = {
		{.fd = notify->waiter != NULL ? kt_waiter_fd(notify->waiter) : -1,
			.events = POLLIN},
		{.fd = notify->stop_fd, .events = POLLIN},
		{.fd = notify->revived_fd, .events = POLLIN},
		{.fd = notify->due_fd, .events = POLLIN},
	};
	bool failed = false;

	while (poll(fds, 4, failed ? AGAIN_MS : -1) >= 0 || errno == EINTR) {
		int err;

		if (fds[1].revents != 0)
			break;
		err = notify_foreign(notify);
		if (err != 0 && !failed)
			syslog(LOG_ERR, "what others change may not be seen in the mount: %s",
				kt_strerror(NULL, err));
		failed = err != 0;
		if (fds[3].revents != 0)
			notify_prefetch(notify);
	}
	return NULL;
}

int kernel_notify_open(struct kt_store *store, struct fs *fs, struct kernel_notify **ret_notify)
{
	struct kernel_notify *notify = calloc(1, sizeof(*notify));
	int err;

	if (notify == NULL)
		return -ENOMEM;
	notify->fs = fs;
	notify->revived_fd = -1;
	notify->stop_fd = eventfd(0, EFD_CLOEXEC);
	notify->due_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = notify->stop_fd < 0 || notify->due_fd < 0 ? -errno : 0;
	if (!err && store != NULL)
		err = kt_waiter_open(store, KT_OTHERS, &notify->waiter);
	if (!err && store != NULL)
		err = fs_watch(fs, &notify->revived_fd);
	if (err != 0) {
		kernel_notify_close(notify);
		return err;
	}
	*ret_notify = notify;
	return 0;
}

int kernel_notify_start(
	struct kernel_notify *notify, struct fuse_session *fuse, struct ops_context *context)
{
	int err;

	notify->fuse = fuse;
	notify->context = context;
	err = pthread_create(&notify->thread, NULL, notify_run, notify);
	notify->started = !err;
	return -err;
}

void kernel_notify_prefetch(struct kernel_notify *notify)
{
	event_signal(notify->due_fd);
}

void kernel_notify_stop(struct kernel_notify *notify)
{
	if (!notify->started)
		return;
	fs_invalidate_stop(notify->fs);
	event_signal(notify->stop_fd);
	pthread_join(notify->thread, NULL);
	notify->started = false;
}

void kernel_notify_close(struct kernel_notify *notify)
{
	if (notify == NULL)
		return;
	kernel_notify_stop(notify);
	kt_waiter_close(notify->waiter);
	if (notify->stop_fd >= 0)
		close(notify->stop_fd);
	if (notify->due_fd >= 0)
		close(notify->due_fd);
	free(notify);
}
