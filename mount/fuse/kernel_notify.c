#include "mount/fuse/kernel_notify.h"

#include "mount/fuse/ops.h"

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

struct coherence {
	struct fs *fs;
	struct kt_waiter *waiter; /* NULL: nobody changes anything */
	struct fuse_session *fuse;
	struct ops_context *context;
	int stop_fd, due_fd; /* eventfds */
	int revived_fd;	     /* of the file system */
	bool started;
	pthread_t thread;
};

static void wake(int event_fd)
{
	const uint64_t one = 1;

	while (write(event_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* Drop attributes, and pages if it is more than these.
 * @return 0; -ENOENT the kernel does not know the node */
static int drop(const struct coherence *coherence, const struct fs_invalidation *notice)
{
	off_t offset = notice->kind == FS_INVALIDATE_ATTR ? -1 : 0;

	return fuse_lowlevel_notify_inval_inode(coherence->fuse, notice->node, offset, 0);
}

/* A directory that somebody works in must not lose its name: it is to be asked for again. Any other
 * name is dropped. The kernel, when it asks again, waits for nobody, and an answer with what was
 * true before, which is on its way just now, would make the name good once more. */
static void notify_name(const struct coherence *coherence, const struct fs_invalidation *notice)
{
	if (notice->stays)
		wire_expire(fuse_session_fd(coherence->fuse), notice->node, notice->name);
	else
		fuse_lowlevel_notify_inval_entry(
			coherence->fuse, notice->node, notice->name, strlen(notice->name));
}

/* A name or a node that the kernel does not know is no error. But the lookup of the node may be on
 * its way, with what was true before: to wait for its directory is to wait for that. */
static void tell_kernel(void *arg, const struct fs_invalidation *notice)
{
	const struct coherence *coherence = arg;

	counts_add(&coherence->context->counts.told[notice->kind]);
	if (notice->kind == FS_INVALIDATE_NAME) {
		notify_name(coherence, notice);
	} else if (drop(coherence, notice) == -ENOENT && notice->parent != 0) {
		wire_expire(fuse_session_fd(coherence->fuse), notice->parent, notice->name);
		drop(coherence, notice);
	}
}

static void send_value(void *arg, uint64_t node, const void *value, size_t size)
{
	const struct coherence *coherence = arg;

	counts_add(&coherence->context->counts.sent);
	wire_store(&coherence->context->wire, node, value, size);
}

static void notify_prefetch(const struct coherence *coherence)
{
	uint64_t count;

	while (read(coherence->due_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	if (fs_prefetch(coherence->fs, send_value, (void *)coherence))
		wake(coherence->due_fd); /* there may be more, when all has been told again */
}

/* @return 0 or an error: not all was told */
static int tell(const struct coherence *coherence)
{
	if (coherence->waiter == NULL)
		return 0;
	kt_waiter_clear(coherence->waiter, NULL);
	return fs_invalidate(coherence->fs, tell_kernel, (void *)coherence);
}

static void *run(void *arg)
{
	struct coherence *coherence = arg;
	struct pollfd fds[] = {
		{.fd = coherence->waiter != NULL ? kt_waiter_fd(coherence->waiter) : -1,
			.events = POLLIN},
		{.fd = coherence->stop_fd, .events = POLLIN},
		{.fd = coherence->revived_fd, .events = POLLIN},
		{.fd = coherence->due_fd, .events = POLLIN},
	};
	bool failed = false;

	while (poll(fds, 4, failed ? AGAIN_MS : -1) >= 0 || errno == EINTR) {
		int err;

		if (fds[1].revents != 0)
			break;
		err = tell(coherence);
		if (err != 0 && !failed)
			syslog(LOG_ERR, "what others change may not be seen in the mount: %s",
				kt_strerror(NULL, err));
		failed = err != 0;
		if (fds[3].revents != 0)
			notify_prefetch(coherence);
	}
	return NULL;
}

int coherence_open(struct kt_store *store, struct fs *fs, struct coherence **ret_coherence)
{
	struct coherence *coherence = calloc(1, sizeof(*coherence));
	int err;

	if (coherence == NULL)
		return -ENOMEM;
	coherence->fs = fs;
	coherence->revived_fd = -1;
	coherence->stop_fd = eventfd(0, EFD_CLOEXEC);
	coherence->due_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = coherence->stop_fd < 0 || coherence->due_fd < 0 ? -errno : 0;
	if (!err && store != NULL)
		err = kt_waiter_open(store, KT_OTHERS, &coherence->waiter);
	if (!err && store != NULL)
		err = fs_watch(fs, &coherence->revived_fd);
	if (err != 0) {
		coherence_close(coherence);
		return err;
	}
	*ret_coherence = coherence;
	return 0;
}

int coherence_start(
	struct coherence *coherence, struct fuse_session *fuse, struct ops_context *context)
{
	int err;

	coherence->fuse = fuse;
	coherence->context = context;
	err = pthread_create(&coherence->thread, NULL, run, coherence);
	coherence->started = !err;
	return -err;
}

void coherence_send(struct coherence *coherence)
{
	wake(coherence->due_fd);
}

void coherence_stop(struct coherence *coherence)
{
	if (!coherence->started)
		return;
	wake(coherence->stop_fd);
	pthread_join(coherence->thread, NULL);
	coherence->started = false;
}

void coherence_close(struct coherence *coherence)
{
	if (coherence == NULL)
		return;
	coherence_stop(coherence);
	kt_waiter_close(coherence->waiter);
	if (coherence->stop_fd >= 0)
		close(coherence->stop_fd);
	if (coherence->due_fd >= 0)
		close(coherence->due_fd);
	free(coherence);
}
