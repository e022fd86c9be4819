/* The loop around libfuse's low-level session, and its orderly end. */
#include "mount/fuse/session.h"
#include "mount/fuse/kernel_notify.h"
#include "mount/fuse/ops_reply.h"
#include "mount/system/mountinfo.h"

#include "fs/event.h"
#include "keytree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define THREADS_MIN 2 /* one may wait for the disk, or for the kernel */
#define THREADS_MAX 4 /* each request wakes them all */

/* When a mount ends with files open: longest wait for a request in work, and how often at most to
 * wait, as a busy client may send new ones for ever. */
#define DRAIN_MS 5000
#define DRAIN_ROUNDS 10000

#define READAHEAD_KB 1024

/* A request is at most one write and its headers. */
#define REQUEST_SIZE (OPS_MAX_WRITE + 4096)

struct session {
	const struct attach_options *attach;
	struct fuse_session *fuse;
	struct ops_context *context;
	struct wire *wire;
	struct counts *counts;
	int fuse_fd;	 /* owned by fuse */
	int stop_fd;	 /* eventfd; readable from when serving is to end */
	int idle_fd;	 /* eventfd; readable after a thread went idle, while draining */
	atomic_int busy; /* threads that may be serving a request */
	atomic_bool draining;
	dev_t dev;   /* of the mount */
	int threads; /* started */
	pthread_t thread[THREADS_MAX];
	char *buf[THREADS_MAX]; /* one request each */
};

struct worker {
	struct session *session;
	char *buf;
	int epoll_fd; /* what it waits for: a request, or the end */
};

static void session_signals(sigset_t *ret_set)
{
	sigemptyset(ret_set);
	sigaddset(ret_set, SIGTERM);
	sigaddset(ret_set, SIGINT);
	sigaddset(ret_set, SIGHUP);
}

void session_block_signals(void)
{
	sigset_t set;

	session_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* ---- serving ---- */

static void stop_threads(struct session *session)
{
	fuse_session_exit(session->fuse);
	event_signal(session->stop_fd);
}

/* Wait for a request. @return false when serving is to end */
static bool wait_for_request(const struct worker *worker)
{
	struct session *session = worker->session;
	struct epoll_event events[2];
	int count;

	atomic_fetch_sub(&session->busy, 1);
	if (atomic_load(&session->draining))
		event_signal(session->idle_fd);
	count = epoll_wait(worker->epoll_fd, events, 2, -1);
	atomic_fetch_add(&session->busy, 1);
	for (int i = 0; i < count; i++) {
		if (events[i].data.fd == session->stop_fd)
			return false;
	}
	return count >= 0 || errno == EINTR;
}

static bool has_request(const struct session *session)
{
	struct pollfd fd = {.fd = session->fuse_fd, .events = POLLIN};

	return poll(&fd, 1, 0) > 0 && (fd.revents & POLLIN);
}

/* Wait until every request that is waiting now has been answered: until no request waits, and then
 * each thread has found none. */
static void session_drain(struct session *session)
{
	struct pollfd idle = {.fd = session->idle_fd, .events = POLLIN};
	uint64_t count;

	atomic_store(&session->draining, true);
	for (int i = 0; i < DRAIN_ROUNDS; i++) {
		if (!has_request(session) && atomic_load(&session->busy) == 0)
			break;
		if (poll(&idle, 1, DRAIN_MS) <= 0 ||
			read(session->idle_fd, &count, sizeof(count)) < 0)
			break;
	}
	atomic_store(&session->draining, false);
}

/* kt_fault_count() when the thread's request came. */
static _Thread_local uint64_t faults_before;

/* Receive and serve one request, if there is one. @return false when the mount has ended */
static bool serve_one(struct session *session, char *mem)
{
	ssize_t size = read(session->fuse_fd, mem, REQUEST_SIZE);
	struct fuse_buf buf = {0};

	if (size > 0) {
		faults_before = kt_fault_count();
		counts_request(session->counts, mem, (size_t)size);
		buf.mem = wire_receive(session->wire, mem, (size_t)size, &buf.size);
		fuse_session_process_buf(session->fuse, &buf);
		return true;
	}
	/* EAGAIN: another thread has it; ENOENT: it was interrupted before it could be read */
	return size < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOENT);
}

static void *session_serve(void *arg)
{
	struct worker worker = *(struct worker *)arg;

	free(arg);
	while (!fuse_session_exited(worker.session->fuse) && wait_for_request(&worker) &&
		serve_one(worker.session, worker.buf))
		;
	close(worker.epoll_fd);
	atomic_fetch_sub(&worker.session->busy, 1);
	ops_end_thread();
	stop_threads(worker.session);
	return NULL;
}

/* The CPUs this process may use. @return how many */
static int list_cpus(int *cpus, int max)
{
	cpu_set_t set;
	int count = 0;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 0;
	for (int cpu = 0; cpu < CPU_SETSIZE && count < max; cpu++) {
		if (CPU_ISSET(cpu, &set))
			cpus[count++] = cpu;
	}
	return count;
}

/* @return a descriptor, or -errno */
static int open_epoll(const struct session *session)
{
	const int fds[] = {session->fuse_fd, session->stop_fd};
	int err = 0, epoll_fd = epoll_create1(EPOLL_CLOEXEC);

	if (epoll_fd < 0)
		return -errno;
	for (int i = 0; i < 2 && !err; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.fd = fds[i]};

		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fds[i], &event) < 0)
			err = -errno;
	}
	if (!err)
		return epoll_fd;
	close(epoll_fd);
	return err;
}

/* Start one thread. @param cpu  to pin it to; -1: any */
static int session_start_thread(struct session *session, int cpu)
{
	int index = session->threads, err;
	struct worker *worker = malloc(sizeof(*worker));
	cpu_set_t set;

	session->buf[index] = malloc(REQUEST_SIZE);
	if (worker == NULL || session->buf[index] == NULL) {
		free(worker);
		return -ENOMEM;
	}
	*worker = (struct worker){.session = session, .buf = session->buf[index]};
	worker->epoll_fd = open_epoll(session);
	if (worker->epoll_fd < 0) {
		err = worker->epoll_fd;
		free(worker);
		return err;
	}
	atomic_fetch_add(&session->busy, 1);
	err = pthread_create(&session->thread[index], NULL, session_serve, worker);
	if (err != 0) {
		atomic_fetch_sub(&session->busy, 1);
		close(worker->epoll_fd);
		free(worker);
		return -err;
	}
	session->threads++;
	if (cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		pthread_setaffinity_np(session->thread[index], sizeof(set), &set);
	}
	return 0;
}

static int session_start_threads(struct session *session)
{
	int cpus[THREADS_MAX];
	int cpu_count = list_cpus(cpus, THREADS_MAX);
	int count = cpu_count < THREADS_MIN ? THREADS_MIN : cpu_count;
	int err = 0;

	for (int i = 0; i < count && !err; i++)
		err = session_start_thread(session, cpu_count > 0 ? cpus[i % cpu_count] : -1);
	return err;
}

/* The kernel's first request agrees on features; nothing may overtake it. */
static int serve_first(struct session *session)
{
	struct pollfd fds = {.fd = session->fuse_fd, .events = POLLIN};
	char *mem = malloc(REQUEST_SIZE);
	bool served;

	if (mem == NULL)
		return -ENOMEM;
	while (poll(&fds, 1, -1) < 0 && errno == EINTR)
		;
	served = serve_one(session, mem);
	free(mem);
	return served ? 0 : -EIO;
}

/* ---- the mount ---- */

/* Let the kernel read further ahead than the protocol allows it to ask for; root only. */
static void raise_readahead(const struct session *session)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", major(session->dev),
		minor(session->dev));
	file = fopen(path, "we");
	if (file == NULL)
		return;
	fprintf(file, "%d", READAHEAD_KB);
	fclose(file);
}

static int find_device(struct session *session)
{
	struct mountinfo info;
	int err = mountinfo_find(session->attach->dir, &info);

	if (err != 0)
		return err;
	session->dev = session->context->dev = info.dev;
	mountinfo_fini(&info);
	return 0;
}

/* Is the mount still in the tree, and on top of its directory? */
static bool is_mounted(const struct session *session)
{
	struct mountinfo info;
	bool mounted;

	if (mountinfo_find(session->attach->dir, &info) != 0)
		return false;
	mounted = info.dev == session->dev;
	mountinfo_fini(&info);
	return mounted;
}

/* Unmount while requests are still served, so that pages a program has changed through a shared
 * map arrive: the plain way, or if files are open, written back first and then lazily. syncfs()
 * only makes the kernel send its writes; it does not wait for the answers. */
static void session_unmount(struct session *session)
{
	const char *dir = session->attach->dir;
	struct attach_why why;
	int fd;

	if (!is_mounted(session) || attach_unmount(dir, false, &why) == 0)
		return;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		syncfs(fd);
		close(fd);
		session_drain(session);
	}
	attach_unmount(dir, true, &why);
}

/* Have the kernel ask for the root's attributes before anybody else can make it forget them: as long
 * as it has none, nobody may search the root, and an answer that a notice overtakes does not count.
 */
static void session_ask_root(const struct session *session)
{
	struct statx stat;

	/* a failure is what the first client gets, too */
	(void)statx(AT_FDCWD, session->attach->dir, AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &stat);
}

static ssize_t write_reply(int fd, struct iovec *iov, int count, void *userdata)
{
	struct ops_context *context = userdata;

	bool doubt = kt_fault_count() != faults_before;
	ssize_t written = wire_writev(&context->wire, fd, iov, count, doubt);

	if (written < 0 && errno == EIO) /* a page of the store was missing; it reads as zeros */
		ops_log_damage(-EIO);
	return written;
}

/* libfuse asks for this, and it is never called: requests are received here. */
static ssize_t read_request(int fd, void *buf, size_t size, void *userdata)
{
	(void)userdata;
	return read(fd, buf, size);
}

static int session_begin(struct session *session, struct attach_why *ret_why)
{
	static const struct fuse_custom_io io = {.writev = write_reply, .read = read_request};
	int err;

	err = attach_mount(session->attach, &session->fuse_fd, ret_why);
	if (err != 0)
		return err;
	session->wire->fd = session->fuse_fd;
	err = fuse_session_custom_io(session->fuse, &io, session->fuse_fd);
	if (err != 0)
		close(session->fuse_fd);
	else
		err = find_device(session);
	if (!err)
		err = serve_first(session);
	if (!err)
		raise_readahead(session);
	if (!err)
		err = session_start_threads(session);
	if (!err)
		session_ask_root(session);
	if (err != 0) {
		snprintf(ret_why->text, sizeof(ret_why->text), "cannot serve the mount: %s",
			strerror(-err));
		attach_unmount(session->attach->dir, true, &(struct attach_why){""});
	}
	return err;
}

int session_open(const struct attach_options *attach, struct ops_context *context, bool debug,
	struct session **ret_session, struct attach_why *ret_why)
{
	char *argv[] = {"keytree", "-odebug", NULL};
	struct fuse_args args = FUSE_ARGS_INIT(debug ? 2 : 1, argv);
	struct session *session = calloc(1, sizeof(*session));
	int err = -ENOMEM;

	snprintf(ret_why->text, sizeof(ret_why->text), "%s", strerror(ENOMEM));
	if (session == NULL)
		return err;
	session->attach = attach;
	session->context = context;
	session->wire = &context->wire;
	session->counts = &context->counts;
	session->stop_fd = eventfd(0, EFD_CLOEXEC);
	session->idle_fd = eventfd(0, EFD_CLOEXEC);
	if (session->stop_fd < 0 || session->idle_fd < 0) {
		err = -errno;
		snprintf(ret_why->text, sizeof(ret_why->text), "%s", strerror(-err));
	} else {
		session->fuse = fuse_session_new(&args, ops_table(), sizeof(*ops_table()), context);
	}
	fuse_opt_free_args(&args);
	if (session->fuse != NULL)
		err = session_begin(session, ret_why);
	if (err != 0) {
		session_close(session);
		return err;
	}
	*ret_session = session;
	return 0;
}

/* Wait for a signal, or for the threads to see the end of the mount. */
static void wait_for_end(const struct session *session, int signal_fd)
{
	struct pollfd fds[] = {
		{.fd = session->stop_fd, .events = POLLIN},
		{.fd = signal_fd, .events = POLLIN},
	};

	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
}

static void join_threads(struct session *session)
{
	for (int i = 0; i < session->threads; i++)
		pthread_join(session->thread[i], NULL);
	session->threads = 0;
}

struct fuse_session *session_fuse(const struct session *session)
{
	return session->fuse;
}

void session_wait(struct session *session, struct kernel_notify *notify)
{
	sigset_t set;
	int signal_fd;

	session_signals(&set);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	wait_for_end(session, signal_fd);
	if (signal_fd >= 0)
		close(signal_fd);
	session_unmount(session);
	kernel_notify_stop(notify);
	stop_threads(session);
	join_threads(session);
}

void session_close(struct session *session)
{
	if (session == NULL)
		return;
	if (session->threads > 0)
		stop_threads(session);
	join_threads(session);
	if (session->fuse != NULL)
		fuse_session_destroy(session->fuse); /* closes the descriptor */
	if (session->stop_fd >= 0)
		close(session->stop_fd);
	if (session->idle_fd >= 0)
		close(session->idle_fd);
	for (int i = 0; i < THREADS_MAX; i++)
		free(session->buf[i]);
	free(session);
}
