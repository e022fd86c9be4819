/* The protocol between processes, its steps in any order.
 *
 * Each thread plays a process: it has a handle of its own. One runs at a time; at each step of the
 * protocol (step.h), and where it would wait for a lock, it hands on to another one, which a seeded
 * generator picks. A thread may also die at a step: its file is closed, so the kernel drops its
 * locks, and it does nothing any more. What holds is checked all the time:
 *
 *     a reader sees a whole commit, at least as new as any that was committed before it began
 *     it still sees that commit when others have written, whatever they reused
 *     a count that was told is committed is never lost
 *
 *     schedule [SEEDS]            that many seeds, from KEYTREE_SEED on
 *     schedule --control NAME     without a protection: something must be found
 */
#include "bank.h"

#include "../unit/temp.h"
#include "store/share/current.h"
#include "store/io/io_fd.h"
#include "store/share/step.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLAYERS_MAX 4
#define STALL_MAX 200000 /* waits in a row: nobody can go on */

struct player {
	unsigned id;
	pthread_t thread;
	pthread_cond_t wake;
	bool gone;   /* ended, or dead */
	bool mortal; /* not while it opens or closes */
	struct kt_store *store;
	struct rng rng;
};

static struct {
	pthread_mutex_t lock;
	struct player players[PLAYERS_MAX];
	unsigned count, running;
	struct rng rng;
	unsigned deaths_left;
	unsigned stalls;
	uint64_t seed;
	uint64_t committed; /* newest transaction that was told committed */
	uint64_t told[PLAYERS_MAX], tried[PLAYERS_MAX];
	unsigned long steps, looks, deaths;
	const char *control;
	char path[128];
} play = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local struct player *self;

static void not_so(int line, const char *what)
{
	if (play.control == NULL)
		fprintf(stderr, "schedule.c:%d: KEYTREE_SEED=%llu: not so: %s\n", line,
			(unsigned long long)play.seed, what);
	_exit(1);
}

#define MUST(condition) ((condition) ? (void)0 : not_so(__LINE__, #condition))

/* ---- handing on ------------------------------------------------------------------------------ */

/* Let one of those who are there go on. The lock is held. */
static void pick_next(void)
{
	unsigned alive = 0, at;

	for (unsigned i = 0; i < play.count; i++)
		alive += !play.players[i].gone;
	if (alive == 0)
		return;
	at = (unsigned)(rng_next(&play.rng) % alive);
	for (unsigned i = 0; i < play.count; i++)
		if (!play.players[i].gone && at-- == 0) {
			play.running = i;
			pthread_cond_signal(&play.players[i].wake);
			return;
		}
}

static void hand_on(void)
{
	pthread_mutex_lock(&play.lock);
	play.steps++;
	pick_next();
	while (play.running != self->id)
		pthread_cond_wait(&self->wake, &play.lock);
	pthread_mutex_unlock(&play.lock);
}

/* Go, and hand on for ever. */
static _Noreturn void leave(void)
{
	pthread_mutex_lock(&play.lock);
	self->gone = true;
	pick_next();
	pthread_mutex_unlock(&play.lock);
	pthread_exit(NULL);
}

/* As kill -9: the locks go with the file, all else stays as it is. */
static void die(void)
{
	struct io_fd *file = (struct io_fd *)self->store->io;

	play.deaths++;
	play.deaths_left--;
	munmap(file->base, file->map_size); /* the maps hold the files open */
	close(file->fd);
	munmap(file->area, file->area_size);
	close(file->area_fd);
	leave();
}

void step(const char *name)
{
	(void)name;
	if (self == NULL)
		return;
	play.stalls = 0;
	if (self->mortal && play.deaths_left > 0 && rng_next(&play.rng) % 400 == 0)
		die();
	if (rng_next(&play.rng) % 3 != 0)
		hand_on();
}

/* ---- the functions that are wrapped ---------------------------------------------------------- */

int __real_io_lock(struct io *io, enum io_place place, enum io_lock kind,
	const struct io_range *range, bool wait);
int __wrap_io_lock(struct io *io, enum io_place place, enum io_lock kind,
	const struct io_range *range, bool wait);

/* Waiting is trying again when others have gone on. */
int __wrap_io_lock(struct io *io, enum io_place place, enum io_lock kind,
	const struct io_range *range, bool wait)
{
	int err = __real_io_lock(io, place, kind, range, self != NULL ? false : wait);

	while (err == -EAGAIN && wait && self != NULL) {
		MUST(++play.stalls < STALL_MAX);
		hand_on();
		err = __real_io_lock(io, place, kind, range, false);
	}
	return err;
}

static bool without(const char *protection)
{
	return play.control != NULL && strcmp(play.control, protection) == 0;
}

uint64_t __real_pins_oldest(struct kt_store *store, uint64_t last);
uint64_t __wrap_pins_oldest(struct kt_store *store, uint64_t last);

uint64_t __wrap_pins_oldest(struct kt_store *store, uint64_t last)
{
	return without("pins") ? last : __real_pins_oldest(store, last);
}

int __real_current_follow(struct kt_store *store);
int __wrap_current_follow(struct kt_store *store);

int __wrap_current_follow(struct kt_store *store)
{
	if (without("follow") && store->space != NULL)
		return 0;
	if (without("busy"))
		atomic_store(&store->area->writer_id, 0);
	return __real_current_follow(store);
}

bool __real_lockarea_is_alive(struct kt_store *store, uint32_t place);
bool __wrap_lockarea_is_alive(struct kt_store *store, uint32_t place);

bool __wrap_lockarea_is_alive(struct kt_store *store, uint32_t place)
{
	return without("alive") ? place + 1 == store->opener_number
				: __real_lockarea_is_alive(store, place);
}

/* ---- playing --------------------------------------------------------------------------------- */

static void look(struct kt_txn *txn)
{
	const char *why = bank_look(txn);

	if (why != NULL)
		not_so(__LINE__, why);
	play.looks++;
}

static void begin_look(struct kt_txn **ret_txn)
{
	uint64_t committed = play.committed;

	MUST(kt_begin(self->store, KT_READ | KT_VERIFY, ret_txn) == 0);
	MUST(kt_txn_id(*ret_txn) >= committed);
	look(*ret_txn);
	for (unsigned i = 0; i < play.count; i++)
		MUST(bank_count(*ret_txn, i) <= play.tried[i]);
}

static void move(bool flush, bool spoil)
{
	uint64_t count = play.told[self->id] + 1;
	int err;

	if (!spoil)
		play.tried[self->id] = count;
	err = bank_move(self->store, &self->rng, self->id, count, flush, spoil);
	MUST(!err || (spoil && err == -ECANCELED));
	if (err != 0)
		return;
	play.told[self->id] = count;
	/* The handle's own commit, or a later one of somebody else. */
	if (atomic_load(&self->store->own_txn) > play.committed)
		play.committed = atomic_load(&self->store->own_txn);
}

static void act(struct kt_txn **held)
{
	struct kt_txn *txn;

	switch (rng_next(&self->rng) % 10) {
	case 0:
		if (*held != NULL)
			look(*held);
		kt_abort(*held);
		begin_look(held);
		break;
	case 1:
	case 2:
	case 3:
		begin_look(&txn);
		kt_abort(txn);
		break;
	case 4:
		move(true, false);
		break;
	case 5:
		move(false, true);
		break;
	default:
		move(false, false);
	}
}

static void *live(void *arg)
{
	struct kt_txn *held = NULL;

	self = arg;
	pthread_mutex_lock(&play.lock);
	while (play.running != self->id)
		pthread_cond_wait(&self->wake, &play.lock);
	pthread_mutex_unlock(&play.lock);
	for (int life = 0; life < 2; life++) {
		MUST(kt_open(play.path, NULL, &self->store) == 0);
		self->mortal = true;
		for (int i = 0; i < 14; i++)
			act(&held);
		if (held != NULL)
			look(held);
		kt_abort(held);
		held = NULL;
		self->mortal = false;
		MUST(kt_close(self->store) == 0);
	}
	leave();
}

/* When all are gone: nothing is lost, and the store is sound. */
static void judge(void)
{
	uint64_t findings = 1;
	struct kt_store *store;
	struct kt_txn *txn;
	struct rng rng = {.state = 1};

	MUST(kt_open(play.path, NULL, &store) == 0);
	MUST(kt_begin(store, KT_READ | KT_VERIFY, &txn) == 0);
	look(txn);
	for (unsigned i = 0; i < play.count; i++) {
		uint64_t count = bank_count(txn, i);

		MUST(count >= play.told[i] && count <= play.tried[i]);
	}
	kt_abort(txn);
	MUST(kt_check(store, NULL, NULL, &findings) == 0 && findings == 0);
	MUST(bank_move(store, &rng, PLAYERS_MAX, 1, true, false) == 0);
	MUST(kt_check(store, NULL, NULL, &findings) == 0 && findings == 0);
	MUST(kt_close(store) == 0);
}

static void play_seed(uint64_t seed)
{
	struct kt_store *store;

	play.seed = seed;
	play.rng = (struct rng){.state = seed};
	play.count = 2 + (unsigned)(seed % 3);
	play.deaths_left = (unsigned)(seed / 3 % 3);
	play.stalls = 0;
	play.committed = 0;
	memset(play.told, 0, sizeof(play.told));
	memset(play.tried, 0, sizeof(play.tried));
	MUST(kt_open(play.path, KT_OPTIONS(.flags = KT_CREATE), &store) == 0);
	MUST(bank_found(store) == 0);
	MUST(kt_close(store) == 0);
	play.running = play.count;
	for (unsigned i = 0; i < play.count; i++) {
		struct player *player = &play.players[i];

		*player = (struct player){.id = i, .rng = {.state = rng_next(&play.rng)}};
		pthread_cond_init(&player->wake, NULL);
		assert(pthread_create(&player->thread, NULL, live, player) == 0);
	}
	pthread_mutex_lock(&play.lock);
	pick_next();
	pthread_mutex_unlock(&play.lock);
	for (unsigned i = 0; i < play.count; i++) {
		pthread_join(play.players[i].thread, NULL);
		pthread_cond_destroy(&play.players[i].wake);
	}
	judge();
	unlink(play.path);
}

/* In a process of its own: the handles of the dead are never freed, and take address space. */
static int play_seeds(uint64_t from, unsigned count)
{
	int status;
	pid_t pid = fork();

	assert(pid >= 0);
	if (pid == 0) {
		for (unsigned i = 0; i < count; i++)
			play_seed(from + i);
		if (play.control == NULL && from % 64 == 0)
			fprintf(stderr, "seeds from %llu: %lu steps, %lu looks, %lu deaths\n",
				(unsigned long long)from, play.steps, play.looks, play.deaths);
		_exit(0);
	}
	assert(waitpid(pid, &status, 0) == pid);
	return status;
}

/* What is missing is found after a few hundred seeds, mostly. */
#define CONTROL_SEEDS 6000

int main(int argc, char **argv)
{
	struct rng rng = rng_seed("schedule");
	unsigned seeds = 200;
	bool found = false;
	char dir[64];

	if (argc > 2 && strcmp(argv[1], "--control") == 0) {
		play.control = argv[2];
		seeds = CONTROL_SEEDS;
	}
	if (argc == 2)
		seeds = (unsigned)strtoul(argv[1], NULL, 10);
	/* In memory: what is tested here is not the disk. */
	strcpy(dir,
		access("/dev/shm", W_OK) == 0 ? "/dev/shm/keytree-XXXXXX" : "/tmp/keytree-XXXXXX");
	assert(mkdtemp(dir) != NULL);
	snprintf(play.path, sizeof(play.path), "%s/a.kt", dir);
	rng.state &= UINT64_C(0xffffffffffff);
	for (unsigned i = 0; i < rng_cases(seeds) && !found; i += 4)
		found = play_seeds(rng.state + i, 4) != 0;
	temp_remove_dir(dir);
	if (play.control != NULL)
		fprintf(stderr, "without %s: %s\n", play.control,
			found ? "found" : "nothing was found");
	return found != (play.control != NULL);
}
