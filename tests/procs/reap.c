/* A writer finds an opener dead. Before it clears the entry, a new opener takes the entry and pins
 * what it reads: that pin must stay.
 *
 *     reap              the view of the new opener does not change
 *     reap --control    the writer clears the entry without locking it: the view must change
 */
#include "keytree.h"

#include "../unit/temp.h"
#include "store/share/lockarea.h"
#include "store/share/step.h"

#include <assert.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE 400000

enum {
	LEAVING, /* the opener that closes the store when the writer has read its pin */
	NEW,	 /* the opener that takes its entry */
	CHILDREN,
};

static struct {
	struct temp temp;
	struct kt_store *store;
	int to[CHILDREN][2], from[CHILDREN][2];
	bool armed, control;
} play;

#define MUST(condition) ((condition) ? (void)0 : not_so(__LINE__, #condition))

static void not_so(int line, const char *what)
{
	fprintf(stderr, "reap.c:%d: not so: %s\n", line, what);
	_exit(1);
}

static char tell(int child, char what)
{
	char answer;

	MUST(write(play.to[child][1], &what, 1) == 1);
	MUST(read(play.from[child][0], &answer, 1) == 1);
	return answer;
}

void step(const char *name)
{
	if (!play.armed)
		return;
	if (strcmp(name, "pins-read") == 0)
		tell(LEAVING, 'c');
	else if (strcmp(name, "reap") == 0)
		tell(NEW, 'o');
	else
		return;
	play.armed = strcmp(name, "reap") != 0;
}

int __real_io_lock(struct io *io, enum io_place place, enum io_lock kind,
	const struct io_range *range, bool wait);
int __wrap_io_lock(struct io *io, enum io_place place, enum io_lock kind,
	const struct io_range *range, bool wait);

int __wrap_io_lock(struct io *io, enum io_place place, enum io_lock kind,
	const struct io_range *range, bool wait)
{
	if (play.control && place == IO_AREA && kind == IO_EXCLUSIVE && range->start >= LOCK_OPENER)
		return 0;
	return __real_io_lock(io, place, kind, range, wait);
}

static void put(int byte)
{
	static char value[SIZE];
	struct kt_txn *txn;

	memset(value, byte, SIZE);
	MUST(kt_begin(play.store, KT_WRITE, &txn) == 0);
	MUST(kt_put(txn, "k", 1, value, SIZE) == 0);
	MUST(kt_commit(txn, KT_FLUSH) == 0);
}

/* Open and pin at 'o', close at 'c', tell at 's' whether the view is all of one byte. */
static void child(int number)
{
	struct kt_store *store = NULL;
	struct kt_txn *txn = NULL;
	struct kt_slice view = {0};
	char what;

	while (read(play.to[number][0], &what, 1) == 1) {
		if (what == 'o') {
			MUST(kt_open(play.temp.path, NULL, &store) == 0);
			MUST(kt_begin(store, KT_READ, &txn) == 0);
			MUST(kt_get(txn, "k", 1, &view) == 0);
		} else if (what == 'c') {
			kt_abort(txn);
			MUST(kt_close(store) == 0);
		} else {
			const char *bytes = view.data;
			size_t same = 0;

			while (same < view.size && bytes[same] == 'c')
				same++;
			what = same == SIZE ? 's' : 'x';
		}
		MUST(write(play.from[number][1], &what, 1) == 1);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	struct kt_txn *txn;
	bool kept;

	play.control = argc > 1 && strcmp(argv[1], "--control") == 0;
	MUST(temp_make(&play.temp) == 0);
	for (int i = 0; i < CHILDREN; i++) {
		MUST(pipe(play.to[i]) == 0 && pipe(play.from[i]) == 0);
		if (fork() == 0) {
			for (int n = 0; n <= i; n++)
				close(play.to[n][1]);
			child(i);
		}
		close(play.to[i][0]);
		close(play.from[i][1]);
	}
	MUST(kt_open(play.temp.path, KT_OPTIONS(.flags = KT_CREATE), &play.store) == 0);
	put('a');
	tell(LEAVING, 'o');
	put('b');
	put('c');
	play.armed = true;
	MUST(kt_begin(play.store, KT_WRITE, &txn) == 0);
	MUST(!play.armed);
	kt_abort(txn);
	for (int i = 0; i < 6; i++)
		put('A' + i);
	kept = tell(NEW, 's') == 's';
	MUST(kt_close(play.store) == 0);
	for (int i = 0; i < CHILDREN; i++)
		close(play.to[i][1]);
	while (wait(NULL) > 0)
		;
	temp_remove(&play.temp);
	return kept == play.control;
}
