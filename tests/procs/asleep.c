/* A writer dies when its commit is published and before it has told those who wait: they hear of the
 * commit all the same, soon, without another commit.
 *
 *     asleep
 */
#include "keytree.h"

#include "../unit/temp.h"
#include "store/share/step.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool armed; /* in the writer: it dies at the next publishing */

#define MUST(condition) ((condition) ? (void)0 : not_so(__LINE__, #condition))

static void not_so(int line, const char *what)
{
	fprintf(stderr, "asleep.c:%d: not so: %s\n", line, what);
	_exit(1);
}

void step(const char *name)
{
	if (armed && strcmp(name, "published") == 0)
		raise(SIGKILL);
}

static void put(struct kt_store *store)
{
	struct kt_txn *txn;

	MUST(kt_begin(store, KT_WRITE, &txn) == 0);
	MUST(kt_put(txn, "k", 1, "v", 1) == 0);
	MUST(kt_commit(txn, 0) == 0);
}

static void die_publishing(const char *path)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct kt_store *store;

		MUST(kt_open(path, NULL, &store) == 0);
		armed = true;
		put(store);
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	MUST(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

int main(void)
{
	struct kt_store_info info;
	struct kt_waiter *waiter;
	struct kt_store *store;
	struct temp temp;
	uint64_t txn;
	struct pollfd ready = {.events = POLLIN};

	temp_make(&temp);
	MUST(kt_open(temp.path, KT_OPTIONS(.flags = KT_CREATE), &store) == 0);
	put(store);
	MUST(kt_waiter_open(store, KT_OTHERS, &waiter) == 0);
	ready.fd = kt_waiter_fd(waiter);
	MUST(kt_info(store, &info) == 0);
	die_publishing(temp.path);
	MUST(poll(&ready, 1, 60000) == 1);
	MUST(kt_waiter_clear(waiter, &txn) == 0 && txn == info.txn + 1);
	MUST(kt_wait(store, info.txn, 0, &txn) == 0);
	kt_waiter_close(waiter);
	MUST(kt_close(store) == 0);
	temp_remove_dir(temp.dir);
	return 0;
}
