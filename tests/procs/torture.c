/* Several processes read and write one store while they are killed, stopped and let go on at
 * random. Each lacks something: descriptors, address space, memory, room for the file, the right to
 * write (hardship.h).
 *
 *     torture [SECONDS [PROCESSES]]
 *
 * Each reader sees sums that are right, each customer finds all that it was told is committed, and
 * in the end the store is sound and nobody's pins are left.
 */
#include "bank.h"
#include "hardship.h"

#include "../unit/temp.h"
#include "store/share/step.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES_MAX 8

struct customer {
	_Atomic uint64_t tried, told;
};

struct shared {
	struct customer customers[PROCESSES_MAX];
	_Atomic uint64_t looks, commits, refused;
	_Atomic bool stop;
};

static struct shared *shared;
static char dir[64], path[128];
static enum hardship hardship; /* of this process */

void step(const char *name)
{
	(void)name;
}

#define MUST(condition) ((condition) ? (void)0 : not_so(__LINE__, #condition))

static void not_so(int line, const char *what)
{
	fprintf(stderr, "torture.c:%d: process %d: not so: %s\n", line, getpid(), what);
	_exit(1);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* ---- a process ------------------------------------------------------------------------------- */

/* Did a call succeed? What the hardship allows is counted, and all else must not be. */
static bool done(int err)
{
	MUST(!err || hardship_allows(hardship, err));
	if (err)
		atomic_fetch_add(&shared->refused, 1);
	return !err;
}

static void look(struct kt_txn *txn)
{
	const char *why = bank_look(txn);

	if (why != NULL)
		fprintf(stderr, "commit %llu: %s\n", (unsigned long long)kt_txn_id(txn), why);
	MUST(why == NULL);
	atomic_fetch_add(&shared->looks, 1);
}

static void commit(struct kt_store *store, struct rng *rng, unsigned id, bool flush, bool spoil)
{
	struct customer *customer = &shared->customers[id];
	uint64_t count = atomic_load(&customer->told) + 1;
	int err;

	if (!spoil)
		atomic_store(&customer->tried, count);
	err = bank_move(store, rng, id, count, flush, spoil);
	if ((spoil && err == -ECANCELED) || !done(err))
		return;
	atomic_store(&customer->told, count);
	atomic_fetch_add(&shared->commits, 1);
}

/* A customer finds what it was told, perhaps by one that was killed in its name, and no more than
 * was tried. */
static void verify(struct kt_store *store, unsigned id)
{
	struct customer *customer = &shared->customers[id];
	struct kt_txn *txn;
	uint64_t count;

	if (!done(kt_begin(store, KT_READ, &txn)))
		return;
	count = bank_count(txn, id);
	kt_abort(txn);
	MUST(count >= atomic_load(&customer->told) && count <= atomic_load(&customer->tried));
	atomic_store(&customer->told, count);
}

static void wait_a_little(struct kt_store *store)
{
	uint64_t txn;
	struct kt_store_info info;

	MUST(kt_info(store, &info) == 0);
	int err = kt_wait(store, info.txn, 5, &txn);
	MUST(err == -ETIMEDOUT || (!err && txn > info.txn));
}

static void do_something(struct kt_store *store, struct rng *rng, unsigned id, struct kt_txn **held)
{
	struct kt_txn *txn;

	switch (rng_next(rng) % 16) {
	case 0:
		if (*held != NULL)
			look(*held);
		kt_abort(*held);
		*held = NULL;
		done(kt_begin(store, KT_READ | KT_VERIFY, held));
		break;
	case 1:
		commit(store, rng, id, true, false);
		break;
	case 2:
		commit(store, rng, id, false, true);
		break;
	case 3:
		done(kt_flush(store));
		break;
	case 4:
		wait_a_little(store);
		break;
	case 5:
	case 6:
	case 7:
	case 8:
		if (!done(kt_begin(store, KT_READ | KT_VERIFY, &txn)))
			break;
		look(txn);
		kt_abort(txn);
		break;
	default:
		commit(store, rng, id, false, false);
	}
}

/* Look, wait and begin again, as somebody who may only read the store. */
static void read_something(struct kt_store *store, struct rng *rng, struct kt_txn **held)
{
	struct kt_txn *txn;

	if (rng_next(rng) % 8 == 0) {
		wait_a_little(store);
		return;
	}
	if (!done(kt_begin(store, KT_READ | KT_VERIFY, &txn)))
		return;
	look(txn);
	if (rng_next(rng) % 4 != 0) {
		kt_abort(txn);
		return;
	}
	if (*held != NULL)
		look(*held);
	kt_abort(*held);
	*held = txn;
}

static void live(unsigned id, uint64_t seed)
{
	struct kt_open_options options = {.size = sizeof(options)};
	struct rng rng = {.state = seed};

	hardship = hardship_take(&rng, path);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (hardship == HARDSHIP_READ_ONLY)
		options.flags = KT_READONLY;
	while (!atomic_load(&shared->stop)) {
		unsigned count = (unsigned)(rng_next(&rng) % 300);
		struct kt_store *store;
		struct kt_txn *held = NULL;

		if (!done(kt_open(path, &options, &store))) {
			pause_ms(5);
			continue;
		}
		hardship_print(hardship);
		verify(store, id);
		for (unsigned i = 0; i < count && !atomic_load(&shared->stop); i++)
			if (hardship == HARDSHIP_READ_ONLY)
				read_something(store, &rng, &held);
			else
				do_something(store, &rng, id, &held);
		if (held != NULL)
			look(held);
		kt_abort(held);
		done(kt_close(store));
	}
	_exit(0);
}

/* ---- what is done to them -------------------------------------------------------------------- */

static pid_t start(unsigned id, struct rng *rng)
{
	uint64_t seed = rng_next(rng);
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0)
		live(id, seed);
	return pid;
}

static void end(pid_t pid, bool killed)
{
	int status;

	MUST(waitpid(pid, &status, 0) == pid);
	MUST(WIFSIGNALED(status) ? killed && WTERMSIG(status) == SIGKILL
				 : WEXITSTATUS(status) == 0);
}

static void torture(unsigned processes, long seconds, struct rng *rng)
{
	int64_t stop = now_ms() + seconds * 1000;
	unsigned kills = 0, stops = 0;
	pid_t pids[PROCESSES_MAX];

	for (unsigned id = 0; id < processes; id++)
		pids[id] = start(id, rng);
	while (now_ms() < stop) {
		unsigned id = (unsigned)(rng_next(rng) % processes);

		pause_ms((long)(rng_next(rng) % 20));
		if (rng_next(rng) % 3 == 0) {
			kill(pids[id], SIGSTOP);
			pause_ms((long)(rng_next(rng) % 30));
			kill(pids[id], SIGCONT);
			stops++;
			continue;
		}
		kill(pids[id], SIGKILL);
		end(pids[id], true);
		pids[id] = start(id, rng);
		kills++;
	}
	atomic_store(&shared->stop, true);
	for (unsigned id = 0; id < processes; id++)
		end(pids[id], false);
	printf("%u processes: %llu commits, %llu looks, %llu refused, %u killed, %u stopped\n",
		processes, (unsigned long long)atomic_load(&shared->commits),
		(unsigned long long)atomic_load(&shared->looks),
		(unsigned long long)atomic_load(&shared->refused), kills, stops);
	atomic_store(&shared->stop, false);
}

int main(int argc, char **argv)
{
	long seconds = argc > 1 ? strtol(argv[1], NULL, 10) : 6;
	long processes = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
	struct rng rng = rng_seed("torture");
	struct kt_store *store;
	struct kt_store_info info;
	uint64_t findings = 1;
	static const unsigned sizes[] = {2, 4, 8};

	assert(processes >= 0 && processes <= PROCESSES_MAX);
	shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert(shared != MAP_FAILED);
	strcpy(dir, "/tmp/keytree-torture-XXXXXX");
	assert(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/a.kt", dir);
	MUST(kt_open(path, KT_OPTIONS(.flags = KT_CREATE, .mode = 0644), &store) == 0);
	MUST(chmod(dir, 0755) == 0);
	MUST(bank_found(store) == 0);
	MUST(kt_close(store) == 0);
	hardship_init();
	for (unsigned i = 0; i < 3; i++) {
		unsigned count = processes > 0 ? (unsigned)processes : sizes[i];

		torture(count, (seconds + 2) / 3, &rng);
		MUST(kt_open(path, NULL, &store) == 0);
		for (unsigned id = 0; id < count; id++)
			verify(store, id);
		MUST(bank_move(store, &rng, PROCESSES_MAX, i, true, false) == 0);
		MUST(kt_check(store, NULL, NULL, &findings) == 0 && findings == 0);
		MUST(kt_info(store, &info) == 0 && info.readers == 0);
		MUST(info.pages < 20000);
		MUST(kt_close(store) == 0);
	}
	hardship_fini();
	temp_remove_dir(dir);
	return 0;
}
