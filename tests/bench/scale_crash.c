#include "scale_crash.h"

#include "bench.h"
#include "scale_keys.h"

#include "keytree.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define VALUE_LARGE ((size_t)1 << 20)

static void close_store(struct subject *subject)
{
	bench_check(kt_close(subject->store) == 0);
	subject->store = NULL;
}

void scale_load_values(struct subject *subject)
{
	char *value = malloc(VALUE_LARGE);
	struct kt_txn *txn;

	bench_check(value != NULL);
	bench_value(0, 0, value, VALUE_LARGE);
	subject_renew(subject);
	for (uint32_t i = 0; i < subject->keys; i++) {
		char key[16];
		int size = scale_key_text(i, key);

		txn = subject_begin(subject, KT_WRITE);
		memcpy(value, &i, sizeof(i));
		bench_check(kt_put(txn, key, (size_t)size, value, VALUE_LARGE) == 0);
		subject_commit(txn, i + 1 == subject->keys ? KT_FLUSH : 0);
	}
	free(value);
	close_store(subject);
}

#define CRASH_KEYS 90000000 /* their numbers begin here */

/* Write without flushing, and die. */
_Noreturn static void write_and_die(struct subject *subject, unsigned repeat)
{
	bench_check(kt_open(subject->path, NULL, &subject->store) == 0);
	for (uint32_t i = 0; i < 100; i++) {
		struct kt_txn *txn = subject_begin(subject, KT_WRITE);

		scale_put_index(txn, CRASH_KEYS + i, repeat);
		subject_commit(txn, 0);
	}
	raise(SIGKILL);
	_exit(1);
}

/* Let a process write and die, as everybody does who has the store open. */
static void crash(struct subject *subject, unsigned repeat)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		write_and_die(subject, repeat);
	bench_check(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
}

/* Open the store, and see the last commit. */
static void open_again(struct subject *subject)
{
	struct kt_slice value;
	struct kt_txn *txn;
	char key[16];
	int size = scale_key_text(CRASH_KEYS + 99, key);

	bench_check(kt_open(subject->path, NULL, &subject->store) == 0);
	txn = subject_begin(subject, KT_READ);
	bench_check(kt_get(txn, key, (size_t)size, &value) == 0);
	kt_abort(txn);
}

static void write_one(struct subject *subject, unsigned repeat)
{
	struct kt_txn *txn = subject_begin(subject, KT_WRITE);

	scale_put_index(txn, CRASH_KEYS + 100, repeat);
	subject_commit(txn, 0);
}

uint64_t scale_open_after_crash(struct subject *subject, unsigned repeat)
{
	uint64_t start;

	crash(subject, repeat);
	start = bench_now_ns();
	open_again(subject);
	start = bench_now_ns() - start;
	close_store(subject);
	return start;
}

uint64_t scale_write_after_crash(struct subject *subject, unsigned repeat)
{
	uint64_t start;

	crash(subject, repeat);
	open_again(subject);
	start = bench_now_ns();
	write_one(subject, repeat);
	start = bench_now_ns() - start;
	close_store(subject);
	return start;
}
