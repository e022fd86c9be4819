/* System calls as tables: what one returns, and what shows afterwards.
 *
 *     = A file is made with the mode asked for, less the umask.
 *     umask 027
 *     open 1 a rw,creat 666
 *     stat a type,mode,size -> file 640 0
 *     open 2 a r,creat,excl 666 -> EEXIST
 *
 * A table is a file of cases, one table for each system call. A case begins with "=" and a sentence
 * that says what it shows, and runs in an empty directory of its own: once on a mount, and once on
 * the file system of the disk, so that no case claims what a local file system does not do. Each
 * other line is a call and, behind "->", what it gives: the name of an error, or the text that the
 * call shows. Without "->" it must succeed. Where the mount differs, and keytree.1 says so, the
 * line goes on with "; mount" and what the mount gives.
 *
 * Words are separated by blanks. In a word, x{255} is 255 times x. Numbered files are open files.
 */
#ifndef TESTS_POSIX_TABLE_H
#define TESTS_POSIX_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_FILES 10
#define TABLE_WORDS 12

/** What a case works with. */
struct table_world {
	int fd[TABLE_FILES];	/* -1: not open */
	char *map[TABLE_FILES]; /* NULL: not mapped */
	struct table_mark {
		char name[256];
		int64_t atime_ns, mtime_ns, ctime_ns;
	} marks[8];
	size_t mark_count;
	char text[70000] __attribute__((aligned(4096))); /* what the call shows */
};

/** A call. @param words  its arguments, NULL-terminated @return 0 or more; -errno */
typedef long table_call_fn(struct table_world *world, char **words);

struct table_call {
	const char *name;
	unsigned words; /* arguments, at least */
	table_call_fn *run;
};

/** The calls, in groups; each ends with a name that is NULL. */
extern const struct table_call table_names[], table_files[], table_attributes[];

/** An open file by its number. */
int table_fd(struct table_world *world, const char *word);

/** The number that a word is, or of a name in a list; fails the test if it is none. */
long table_number(const char *word);

struct table_word {
	const char *word;
	long value;
};

/** The values of words that are separated by commas, combined.
 *  @param list  ends with a word that is NULL */
long table_flags(const struct table_word *list, const char *words);

/** Stop: the table itself is wrong. */
_Noreturn void table_wrong(const char *what, const char *word);

#endif
