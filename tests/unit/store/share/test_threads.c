/* Readers beside a writer (I9): each sees one point in time, whatever is committed meanwhile.
 *
 * The store holds accounts between which the writer moves money. Their sum never changes, so a
 * reader that mixes two commits, or a page that is written while it is read, shows.
 */
#include "tests/unit/rng.h"
#include "tests/unit/temp.h"

#include "keytree.h"
#include "store/space/space.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ACCOUNTS 300
#define FIRST_BALANCE 1000
#define READERS 4
#define COMMITS 600

/* Counts a failure instead of failing at once: cmocka's own checks work in one thread only. */
#define CHECK(f, condition) ((condition) ? (void)0 : note_failure(f, __LINE__))

struct fixture {
	char dir[64];
	char path[128];
	struct kt_store *store;
	uint64_t seed;
	_Atomic bool done;
	_Atomic unsigned failures;
	_Atomic unsigned looks; /* transactions that readers looked through */
};

static void note_failure(struct fixture *f, int line)
{
	fprintf(stderr, "%s:%d: not so\n", __FILE__, line);
	atomic_fetch_add(&f->failures, 1);
	atomic_store(&f->done, true);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/keytree-threads-XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/a.kt", f->dir);
	f->seed = rng_seed("threads").state;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kt_close(f->store);
	temp_remove_dir(f->dir);
	free(f);
	return 0;
}

/* ---- accounts -------------------------------------------------------------------------------- */

/* An account's value: its balance, and ballast that makes some values inline and some not. */
struct account {
	int64_t balance;
	uint64_t version;
	unsigned char ballast[2000];
};

static size_t account_size(unsigned number)
{
	return number % 5 == 0 ? sizeof(struct account) : offsetof(struct account, ballast);
}

static size_t account_key(unsigned number, char key[32])
{
	return (size_t)snprintf(key, 32, "account/%05u", number);
}

static int get_account(struct kt_txn *txn, unsigned number, int64_t *ret_balance)
{
	char key[32];
	struct kt_slice value;
	int err = kt_get(txn, key, account_key(number, key), &value);

	if (!err && value.size != account_size(number))
		err = -EBADMSG;
	if (!err)
		memcpy(ret_balance, value.data, sizeof(*ret_balance));
	return err;
}

static int put_account(struct kt_txn *txn, unsigned number, int64_t balance)
{
	struct account account = {.balance = balance, .version = kt_txn_id(txn)};
	char key[32];

	memset(account.ballast, (int)account.version, sizeof(account.ballast));
	return kt_put(txn, key, account_key(number, key), &account, account_size(number));
}

static void fill(struct fixture *f)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	for (unsigned i = 0; i < ACCOUNTS; i++)
		assert_int_equal(put_account(txn, i, FIRST_BALANCE), 0);
	assert_int_equal(kt_commit(txn, KT_FLUSH), 0);
}

/* Is a value whole: its ballast that of its version? */
static bool is_whole(struct kt_slice value)
{
	struct account account;

	if (value.size < sizeof(account))
		return true;
	memcpy(&account, value.data, sizeof(account));
	for (size_t i = 0; i < sizeof(account.ballast); i++)
		if (account.ballast[i] != (unsigned char)account.version)
			return false;
	return true;
}

/* Sum of all balances, and a number that tells one state from another. */
static int64_t add_up(struct fixture *f, struct kt_txn *txn, uint64_t *ret_mark)
{
	struct kt_cursor *cursor;
	uint64_t mark = 0;
	int64_t sum = 0;
	unsigned count = 0;

	CHECK(f, kt_cursor_open(txn, &cursor) == 0);
	while (kt_cursor_next(cursor) == 0) {
		struct kt_slice value;
		int64_t balance;

		CHECK(f, kt_cursor_value(cursor, &value) == 0);
		memcpy(&balance, value.data, sizeof(balance));
		CHECK(f, is_whole(value));
		sum += balance;
		mark = mark * 31 + (uint64_t)balance;
		count++;
	}
	kt_cursor_close(cursor);
	CHECK(f, count == ACCOUNTS);
	*ret_mark = mark;
	return sum;
}

/* ---- threads --------------------------------------------------------------------------------- */

/* Looks through snapshots, each twice, some of them while many commits pass. */
static void *read_snapshots(void *arg)
{
	struct fixture *f = arg;
	struct rng rng = {.state = f->seed + atomic_load(&f->looks)};
	struct kt_txn *txn;
	uint64_t mark, again;

	while (!atomic_load(&f->done)) {
		uint64_t until, id;
		struct kt_store_info info;

		CHECK(f, kt_begin(f->store, KT_READ, &txn) == 0);
		id = kt_txn_id(txn);
		until = id + rng_below(&rng, 20);
		CHECK(f, add_up(f, txn, &mark) == ACCOUNTS * FIRST_BALANCE);
		do {
			CHECK(f, kt_info(f->store, &info) == 0);
			CHECK(f, info.txn >= id && info.oldest_reader <= id);
		} while (info.txn < until && !atomic_load(&f->done));
		CHECK(f, add_up(f, txn, &again) == ACCOUNTS * FIRST_BALANCE && again == mark);
		CHECK(f, kt_txn_id(txn) == id);
		kt_abort(txn);
		atomic_fetch_add(&f->looks, 1);
	}
	return NULL;
}

/* Begins and ends short transactions as fast as it can. */
static void *read_briefly(void *arg)
{
	struct fixture *f = arg;
	struct rng rng = {.state = f->seed + 99};
	uint64_t last = 0;

	while (!atomic_load(&f->done)) {
		struct kt_txn *txn;
		int64_t balance;

		CHECK(f, kt_begin(f->store, KT_READ, &txn) == 0);
		CHECK(f, kt_txn_id(txn) >= last); /* time does not go back */
		last = kt_txn_id(txn);
		CHECK(f, get_account(txn, (unsigned)rng_below(&rng, ACCOUNTS), &balance) == 0);
		CHECK(f, kt_commit(txn, 0) == 0);
	}
	return NULL;
}

/* Moves money between accounts in one transaction, and ends it in one way or another. */
static void transfer(struct fixture *f, struct rng *rng)
{
	struct kt_txn *txn;
	int64_t one, two, amount = (int64_t)rng_below(rng, 50);

	CHECK(f, kt_begin(f->store, KT_WRITE, &txn) == 0);
	for (size_t n = 1 + rng_below(rng, 10); n > 0; n--) {
		unsigned from = (unsigned)rng_below(rng, ACCOUNTS);
		unsigned to = (unsigned)rng_below(rng, ACCOUNTS);

		CHECK(f, get_account(txn, from, &one) == 0);
		CHECK(f, put_account(txn, from, one - amount) == 0);
		CHECK(f, get_account(txn, to, &two) == 0);
		CHECK(f, put_account(txn, to, two + amount) == 0);
	}
	switch (rng_below(rng, 8)) {
	case 0:
		CHECK(f, put_account(txn, 0, -1) == 0); /* nobody may ever see this */
		kt_abort(txn);
		break;
	case 1:
		CHECK(f, kt_commit(txn, KT_FLUSH) == 0);
		break;
	case 2:
		CHECK(f, kt_commit(txn, 0) == 0);
		CHECK(f, kt_flush(f->store) == 0);
		break;
	default:
		CHECK(f, kt_commit(txn, 0) == 0);
		break;
	}
}

static void *write_transfers(void *arg)
{
	struct fixture *f = arg;
	struct rng rng = {.state = f->seed + 7};

	for (int i = 0; i < COMMITS && !atomic_load(&f->done); i++)
		transfer(f, &rng);
	return NULL;
}

static void run_threads(struct fixture *f)
{
	pthread_t threads[READERS + 3];
	uint64_t findings, mark;
	struct kt_txn *txn;

	fill(f);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_snapshots, f), 0);
	assert_int_equal(pthread_create(&threads[READERS], NULL, read_briefly, f), 0);
	for (int i = 1; i < 3; i++) /* two writers take turns */
		assert_int_equal(
			pthread_create(&threads[READERS + i], NULL, write_transfers, f), 0);
	for (int i = 1; i < 3; i++)
		pthread_join(threads[READERS + i], NULL);
	atomic_store(&f->done, true);
	for (int i = 0; i <= READERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(kt_begin(f->store, KT_READ, &txn), 0);
	assert_int_equal(add_up(f, txn, &mark), ACCOUNTS * FIRST_BALANCE);
	kt_abort(txn);
	assert_int_equal(kt_check(f->store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 0);
	assert_int_equal(atomic_load(&f->failures), 0);
}

/* In a file: with commits, aborts and flushes beside them, readers see constant sums. */
static void readers_beside_writers_in_a_file(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_CREATE), &f->store), 0);
	run_threads(f);
}

/* In memory, where commits follow each other fastest, so do they. */
static void readers_beside_writers_in_memory(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(kt_open_memory("threads", &f->store), 0);
	run_threads(f);
}

/* ---- many ------------------------------------------------------------------------------------ */

#define CROWD 300

/* Hundreds of readers at once, each from another commit, all keep what they saw; the file then
 * grows no further, because their pages are used again when they have ended. */
static void a_crowd_of_readers(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *crowd[CROWD];
	struct rng rng = {.state = f->seed};
	struct kt_store_info info, later;
	int64_t balance;

	assert_int_equal(kt_open_memory("crowd", &f->store), 0);
	fill(f);
	for (unsigned i = 0; i < CROWD; i++) {
		struct kt_txn *txn;

		assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
		assert_int_equal(put_account(txn, 0, i), 0);
		assert_int_equal(kt_commit(txn, 0), 0);
		assert_int_equal(kt_begin(f->store, KT_READ, &crowd[i]), 0);
	}
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.readers, CROWD);
	assert_int_equal(info.oldest_reader, kt_txn_id(crowd[0]));
	for (unsigned i = 0; i < CROWD; i++) {
		assert_int_equal(get_account(crowd[i], 0, &balance), 0);
		assert_int_equal(balance, i);
		kt_abort(crowd[i]);
	}
	for (unsigned i = 0; i < CROWD; i++)
		transfer(f, &rng);
	assert_int_equal(kt_info(f->store, &later), 0);
	assert_int_equal(later.readers, 0);
	assert_true(later.pages <= info.pages);
	assert_int_equal(atomic_load(&f->failures), 0);
}

/* A thread of the crowd: holds many transactions of its own. */
static void *hold_many(void *arg)
{
	struct fixture *f = arg;
	struct kt_txn *held[40];
	uint64_t mark;

	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 40; i++)
			CHECK(f, kt_begin(f->store, KT_READ, &held[i]) == 0);
		CHECK(f, add_up(f, held[0], &mark) == ACCOUNTS * FIRST_BALANCE);
		for (int i = 0; i < 40; i++)
			kt_abort(held[i]);
	}
	return NULL;
}

/* Several threads together hold more transactions than one block of pins has. */
static void crowds_in_threads(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[READERS];
	struct rng rng = {.state = f->seed};

	assert_int_equal(kt_open_memory("crowds", &f->store), 0);
	fill(f);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hold_many, f), 0);
	for (int i = 0; i < 100; i++)
		transfer(f, &rng);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&f->failures), 0);
}

/* ---- order ----------------------------------------------------------------------------------- */

/* The program is linked so that this comes first: a look at a commit that is written, but not
 * published. */
static struct fixture *looking;

void __real_space_commit(struct space *space);
void __wrap_space_commit(struct space *space);

void __wrap_space_commit(struct space *space)
{
	struct kt_store_info info;

	if (looking != NULL) {
		CHECK(looking, kt_info(looking->store, &info) == 0);
		CHECK(looking, info.durable_txn <= info.txn);
		atomic_fetch_add(&looking->looks, 1);
	}
	__real_space_commit(space);
}

/* A commit counts as durable only once its root is in place. A reader pins the durable transaction
 * before it takes the root; were it newer, the root could be freed under the reader's hands. */
static void durable_comes_after_published(void **state)
{
	struct fixture *f = *state;

	for (int memory = 0; memory < 2; memory++) {
		struct kt_txn *txn;

		assert_int_equal(
			memory ? kt_open_memory("order", &f->store)
			       : kt_open(f->path, KT_OPTIONS(.flags = KT_CREATE), &f->store),
			0);
		looking = f;
		for (int i = 0; i < 4; i++) {
			assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
			assert_int_equal(put_account(txn, 1, i), 0);
			assert_int_equal(kt_commit(txn, i % 2 == 0 ? KT_FLUSH : 0), 0);
		}
		looking = NULL;
		assert_int_equal(kt_close(f->store), 0);
		f->store = NULL;
	}
	assert_int_equal(atomic_load(&f->looks), 8);
	assert_int_equal(atomic_load(&f->failures), 0);
}

/* ---- turns ----------------------------------------------------------------------------------- */

static void *try_to_write(void *arg)
{
	struct fixture *f = arg;
	struct kt_txn *txn = NULL;

	CHECK(f, kt_begin(f->store, KT_WRITE | KT_TRY, &txn) == -EAGAIN && txn == NULL);
	CHECK(f, kt_close(f->store) == -EBUSY);
	return NULL;
}

static void *wait_to_write(void *arg)
{
	struct fixture *f = arg;
	struct kt_txn *txn;

	CHECK(f, kt_begin(f->store, KT_WRITE, &txn) == 0);
	CHECK(f, put_account(txn, 1, 2) == 0);
	CHECK(f, kt_commit(txn, 0) == 0);
	return NULL;
}

/* One writer at a time: another thread waits for its turn, or is told at once with KT_TRY. */
static void writers_take_turns(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *txn;
	pthread_t thread;
	int64_t balance;

	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_CREATE), &f->store), 0);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	assert_int_equal(put_account(txn, 1, 1), 0);
	assert_int_equal(pthread_create(&thread, NULL, try_to_write, f), 0);
	pthread_join(thread, NULL);
	assert_int_equal(pthread_create(&thread, NULL, wait_to_write, f), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	pthread_join(thread, NULL);
	assert_int_equal(kt_begin(f->store, KT_READ, &txn), 0);
	assert_int_equal(get_account(txn, 1, &balance), 0);
	assert_int_equal(balance, 2);
	kt_abort(txn);
	assert_int_equal(atomic_load(&f->failures), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(readers_beside_writers_in_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(readers_beside_writers_in_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(a_crowd_of_readers, setup, teardown),
		cmocka_unit_test_setup_teardown(crowds_in_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(durable_comes_after_published, setup, teardown),
		cmocka_unit_test_setup_teardown(writers_take_turns, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
