/* A process is killed at each step of the protocol in turn (step.h), while another one writes and
 * one has the store open all the time, or while it is alone. Nothing it was told is committed is
 * lost, everybody else goes on, and nothing is left of it.
 *
 *     die [SEED]
 */
#include "bank.h"

#include "../unit/temp.h"
#include "store/share/step.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	VICTIM = 0,
	PARENT = 1,
	LOOPER = 2,
};

/* What children tell; it outlives them. */
struct shared {
	_Atomic uint64_t tried, told; /* the victim's count */
	_Atomic bool stop;
	_Atomic unsigned loops;
	char step[64]; /* at which the victim died */
};

static struct shared *shared;
static char dir[64], path[128];
static long countdown; /* steps until this process dies; 0: it does not */

void step(const char *name)
{
	if (countdown == 0 || --countdown > 0)
		return;
	snprintf(shared->step, sizeof(shared->step), "%s", name);
	kill(getpid(), SIGKILL);
}

#define MUST(condition) ((condition) ? (void)0 : not_so(__LINE__, #condition))

static void not_so(int line, const char *what)
{
	fprintf(stderr,
		"die.c:%d: not so: %s (last death at \"%s\", victim: %llu told, %llu tried)\n",
		line, what, shared->step, (unsigned long long)atomic_load(&shared->told),
		(unsigned long long)atomic_load(&shared->tried));
	_exit(1);
}

static void victim_move(struct kt_store *store, struct rng *rng, bool flush, bool spoil)
{
	uint64_t count = atomic_load(&shared->told) + 1;
	int err;

	if (!spoil)
		atomic_store(&shared->tried, count);
	err = bank_move(store, rng, VICTIM, count, flush, spoil);
	MUST(!err || (spoil && err == -ECANCELED));
	if (!spoil)
		atomic_store(&shared->told, count);
}

/* All that a process does, from opening to closing. */
static void victim(uint64_t seed)
{
	struct rng rng = {.state = seed};
	struct kt_store *store;
	struct kt_txn *txn;

	MUST(kt_open(path, NULL, &store) == 0);
	victim_move(store, &rng, false, false);
	victim_move(store, &rng, true, false);
	victim_move(store, &rng, false, true);
	victim_move(store, &rng, false, false);
	MUST(kt_flush(store) == 0);
	MUST(kt_begin(store, KT_READ | KT_VERIFY, &txn) == 0);
	MUST(bank_look(txn) == NULL);
	victim_move(store, &rng, false, false);
	MUST(bank_look(txn) == NULL);
	kt_abort(txn);
	MUST(kt_close(store) == 0);
}

static void looper(uint64_t seed)
{
	struct rng rng = {.state = seed};
	struct kt_store *store;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	MUST(kt_open(path, NULL, &store) == 0);
	for (uint64_t i = 1; !atomic_load(&shared->stop); i++) {
		MUST(bank_move(store, &rng, LOOPER, i, i % 16 == 0, false) == 0);
		atomic_fetch_add(&shared->loops, 1);
	}
	MUST(kt_close(store) == 0);
	_exit(0);
}

/* What must be after a death. */
static void verify(struct kt_store *store)
{
	struct kt_txn *txn;
	const char *why;
	uint64_t count;

	MUST(kt_begin(store, KT_READ | KT_VERIFY, &txn) == 0);
	count = bank_count(txn, VICTIM);
	why = bank_look(txn);
	if (why != NULL)
		fprintf(stderr, "%s\n", why);
	MUST(why == NULL);
	kt_abort(txn);
	if (count < atomic_load(&shared->told) || count > atomic_load(&shared->tried))
		fprintf(stderr, "the count is %llu\n", (unsigned long long)count);
	MUST(count >= atomic_load(&shared->told) && count <= atomic_load(&shared->tried));
	atomic_store(&shared->told, count);
}

static void check(struct kt_store *store)
{
	struct kt_store_info info;
	struct kt_txn *txn;
	uint64_t findings = 1;

	MUST(kt_check(store, NULL, NULL, &findings) == 0 && findings == 0);
	MUST(kt_begin(store, KT_WRITE, &txn) == 0); /* the writer clears pins of dead processes */
	kt_abort(txn);
	MUST(kt_info(store, &info) == 0 && info.readers == 0);
}

/* Let one die at its n-th step. @return false: it has fewer steps */
static bool die_at(long n, uint64_t seed, struct kt_store *open)
{
	struct rng rng = {.state = seed + 1};
	struct kt_store *store = open;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		countdown = n;
		victim(seed);
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	MUST(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	if (open == NULL)
		MUST(kt_open(path, NULL, &store) == 0);
	verify(store);
	MUST(bank_move(store, &rng, PARENT, (uint64_t)n, n % 2 == 0, false) == 0);
	verify(store);
	check(store);
	if (open == NULL)
		MUST(kt_close(store) == 0);
	return WIFSIGNALED(status);
}

static long die_everywhere(struct rng *rng, bool opened)
{
	struct kt_store *store = NULL;
	long n = 1;

	if (opened)
		MUST(kt_open(path, NULL, &store) == 0);
	while (die_at(n, rng_next(rng), store))
		n++;
	if (opened)
		MUST(kt_close(store) == 0);
	return n - 1;
}

int main(void)
{
	struct rng rng = rng_seed("die");
	struct kt_store *store;
	long alone, beside, busy = 0;
	int status;
	pid_t pid;

	shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert(shared != MAP_FAILED);
	strcpy(dir, "/tmp/keytree-die-XXXXXX");
	assert(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/a.kt", dir);
	MUST(kt_open(path, KT_OPTIONS(.flags = KT_CREATE), &store) == 0);
	MUST(bank_found(store) == 0);
	MUST(kt_close(store) == 0);

	alone = die_everywhere(&rng, false);
	beside = die_everywhere(&rng, true);
	pid = fork();
	if (pid == 0)
		looper(rng_next(&rng));
	for (int i = 0; i < 2; i++)
		busy += die_everywhere(&rng, i > 0);
	atomic_store(&shared->stop, true);
	MUST(waitpid(pid, &status, 0) == pid && status == 0);
	printf("died at %ld steps alone, %ld beside an opener, %ld beside a writer of %u commits\n",
		alone, beside, busy, atomic_load(&shared->loops));
	MUST(alone > 30 && beside > 30);
	temp_remove_dir(dir);
	return 0;
}
