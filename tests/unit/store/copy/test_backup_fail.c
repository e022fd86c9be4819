/* Backups that are refused, fail, are stopped or killed: nothing is left of them. */
#include "tests/unit/fixture.h"
#include "tests/unit/store/copy/backup_world.h"

#include "keytree_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int stop(void *arg, uint64_t done, uint64_t total)
{
	(void)arg;
	return total > 0 && done == total ? -ECANCELED : 0;
}

/* ---- what goes wrong ------------------------------------------------------------------------- */

/* Nothing that exists is replaced, and what cannot be copied is refused. */
static void refused(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *txn;
	char path[128];
	int fd;

	backup_fill(f->store);
	fd = open(f->temp.copy, O_WRONLY | O_CREAT, 0644);
	assert_int_equal(write(fd, "mine", 4), 4);
	close(fd);
	txn = backup_begin_read(f->store);
	assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), -EEXIST);
	fd = open(f->temp.copy, O_RDONLY);
	assert_int_equal(read(fd, backup_bytes, 10), 4);
	close(fd);
	assert_int_equal(unlink(f->temp.copy), 0);
	if (!f->memory)
		assert_int_equal(kt_backup(txn, f->temp.path, 0, NULL, NULL), -EEXIST);
	assert_int_equal(kt_backup(txn, f->temp.dir, 0, NULL, NULL), -EEXIST);
	snprintf(path, sizeof(path), "%s/missing/copy.kt", f->temp.dir);
	assert_int_equal(kt_backup(txn, path, 0, NULL, NULL), -ENOENT);
	kt_abort(txn);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), -EINVAL);
	assert_int_equal(kt_backup_fd(txn, 1, NULL, NULL), -EINVAL);
	kt_abort(txn);
	backup_assert_none(f);
}

/* Another store is replaced where that is wished, also a damaged one; one that is open is not, nor
 * is what is no store. A backup that fails leaves the old one. */
static void replacing(void **state)
{
	struct fixture *f = *state;
	struct kt_store *copy;
	struct kt_txn *txn;
	int fd;

	backup_put_keys(f->store, 0, 100, "old");
	txn = backup_begin_read(f->store);
	assert_int_equal(kt_backup(txn, f->temp.copy, KT_BACKUP_REPLACE, NULL, NULL), 0);
	backup_assert_copy_is(f, txn);
	kt_abort(txn);
	backup_fill(f->store);
	txn = backup_begin_read(f->store);
	assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), -EEXIST);
	assert_int_equal(kt_backup(txn, f->temp.copy, KT_BACKUP_REPLACE, NULL, NULL), 0);
	backup_assert_copy_is(f, txn);
	copy = backup_open_copy(f->temp.copy);
	assert_int_equal(kt_backup(txn, f->temp.copy, KT_BACKUP_REPLACE, NULL, NULL), -EBUSY);
	assert_int_equal(kt_close(copy), 0);
	if (!f->memory)
		assert_int_equal(
			kt_backup(txn, f->temp.path, KT_BACKUP_REPLACE, NULL, NULL), -EBUSY);
	assert_int_equal(kt_backup(txn, f->temp.dir, KT_BACKUP_REPLACE, NULL, NULL), -EISDIR);
	assert_int_equal(kt_backup(txn, f->temp.copy, KT_BACKUP_REPLACE, stop, NULL), -ECANCELED);
	backup_assert_copy_is(f, txn);
	fd = open(f->temp.copy, O_WRONLY);
	assert_int_equal(pwrite(fd, "damaged", 7, 100), 7);
	close(fd);
	assert_int_equal(kt_backup(txn, f->temp.copy, KT_BACKUP_REPLACE, NULL, NULL), 0);
	backup_assert_copy_is(f, txn);
	fd = open(f->temp.copy, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "notes", 5), 5);
	close(fd);
	assert_int_equal(kt_backup(txn, f->temp.copy, KT_BACKUP_REPLACE, NULL, NULL), -EMEDIUMTYPE);
	kt_abort(txn);
}

/* A store that is rotten anywhere is not copied: for each page in use, one bit of it is turned. */
static void rot(void **state)
{
	struct fixture *f = *state;
	struct kt_store_info info;
	struct kt_txn *txn;
	unsigned found = 0;
	int fd;

	backup_fill(f->store);
	assert_int_equal(kt_snapshot_create(f->store, "s"), 0);
	backup_put_keys(f->store, 0, 300, "more");
	assert_int_equal(kt_flush(f->store), 0);
	assert_int_equal(kt_info(f->store, &info), 0);
	fd = open(f->temp.path, O_RDWR);
	txn = backup_begin_read(f->store);
	for (uint64_t page = 8; page < info.pages; page += page < 200 ? 3 : 41) {
		off_t at = (off_t)(page * 4096 + page * 37 % 4096);
		char byte;
		int err;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		err = kt_backup(txn, f->temp.copy, 0, NULL, NULL);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		if (!err) { /* a free page, or one of the log */
			assert_int_equal(unlink(f->temp.copy), 0);
			continue;
		}
		assert_true(err == -EUCLEAN || err == -EBADMSG);
		assert_non_null(strstr(kt_strerror(f->store, err), "page "));
		backup_assert_none(f);
		found++;
	}
	assert_true(found > 50);
	assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), 0);
	kt_abort(txn);
	close(fd);
}

/* Where there is no room for the copy, there is none, and the store is as it was. A limit on the
 * size of files stands for the full disk. */
static void no_room(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, limit;
	struct kt_txn *txn;

	backup_fill(f->store);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	txn = backup_begin_read(f->store);
	for (rlim_t size = 0; size < 2000000; size += 300000) {
		limit.rlim_cur = size;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), -EFBIG);
		assert_non_null(strstr(kt_strerror(f->store, -EFBIG), f->temp.copy));
		backup_assert_none(f);
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), 0);
	kt_abort(txn);
	fixture_assert_sound(f->store);
}

/* ---- progress -------------------------------------------------------------------------------- */

/* Progress goes up to the whole; whenever it is told to stop, the backup ends and nothing is left.
 */
static void progress(void **state)
{
	struct fixture *f = *state;
	struct backup_progress whole = {0};
	struct kt_txn *txn;

	backup_fill(f->store);
	txn = backup_begin_read(f->store);
	assert_int_equal(kt_backup(txn, f->temp.copy, 0, backup_note_progress, &whole), 0);
	assert_true(whole.total > sizeof(backup_bytes));
	assert_int_equal(whole.done, whole.total);
	assert_int_equal(unlink(f->temp.copy), 0);
	for (unsigned i = 1; i <= whole.calls; i += 1 + i / 5) {
		struct backup_progress stopped = {.stop_at = i};

		assert_int_equal(kt_backup(txn, f->temp.copy, 0, backup_note_progress, &stopped),
			-ECANCELED);
		assert_int_equal(stopped.calls, i);
		backup_assert_none(f);
	}
	kt_abort(txn);
}

static int die(void *arg, uint64_t done, uint64_t total)
{
	const uint64_t *at = arg;

	if (done >= *at && total > 0)
		raise(SIGKILL);
	return 0;
}

/* A process that is killed in the middle leaves no copy. Only a hidden file may remain, and only on
 * file systems that have no files without a name. */
static void killed(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	int status;

	backup_fill(f->store);
	assert_int_equal(kt_close(f->store), 0);
	for (uint64_t at = 0; at < 4 << 20; at += 1 << 20) {
		pid_t child = fork();

		if (child == 0) {
			if (kt_open(f->temp.path, KT_OPTIONS(.flags = KT_READONLY), &f->store) == 0)
				kt_backup(backup_begin_read(f->store), f->temp.copy, 0, die, &at);
			_exit(1);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		assert_int_equal(stat(f->temp.copy, &st), -1);
	}
	assert_int_equal(kt_open(f->temp.path, NULL, &f->store), 0);
	fixture_assert_sound(f->store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_BOTH(refused),
		FIXTURE_BOTH(replacing),
		FIXTURE_FILE(rot),
		FIXTURE_BOTH(no_room),
		FIXTURE_BOTH(progress),
		FIXTURE_FILE(killed),
	};

	return cmocka_run_group_tests_name("backup_fail", tests, NULL, NULL);
}
