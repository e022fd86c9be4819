/* Runs tables of system calls. See table.h.
 *
 *     table DIRECTORY-ON-DISK DIRECTORY-ON-MOUNT TABLE...
 */
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_SIZE 16384
#define LINES_MAX 2000

struct line {
	unsigned number;
	char *text;
};

struct table {
	const char *path;
	struct line lines[LINES_MAX];
	unsigned count;
};

static const char *at_path; /* for table_wrong() */
static unsigned at_line;

_Noreturn void table_wrong(const char *what, const char *word)
{
	fprintf(stderr, "%s:%u: %s: %s\n", at_path, at_line, what, word);
	exit(2);
}

long table_number(const char *word)
{
	char *end;
	long number = strtol(word, &end, 0);

	if (end == word || *end != '\0')
		table_wrong("no number", word);
	return number;
}

long table_flags(const struct table_word *list, const char *words)
{
	char copy[256], *at = copy, *word;
	long flags = 0;

	snprintf(copy, sizeof(copy), "%s", words);
	while ((word = strsep(&at, ",")) != NULL) {
		const struct table_word *one = list;

		while (one->word != NULL && strcmp(one->word, word) != 0)
			one++;
		if (one->word == NULL)
			table_wrong("no such word", word);
		flags |= one->value;
	}
	return flags;
}

int table_fd(struct table_world *world, const char *word)
{
	long number = table_number(word);

	if (number < 0 || number >= TABLE_FILES)
		table_wrong("no file", word);
	return world->fd[number];
}

/* ---- one line -------------------------------------------------------------------------------- */

/* Copy a word; x{255} becomes 255 times x. */
static char *expand(const char *word, char *to)
{
	while (*word != '\0') {
		char *end;

		if (*word != '{') {
			*to++ = *word++;
			continue;
		}
		for (long left = strtol(word + 1, &end, 10) - 1; left > 0; left--, to++)
			*to = to[-1];
		word = end + (*end == '}');
	}
	*to++ = '\0';
	return to;
}

static unsigned split(char *text, char **words, char *room)
{
	unsigned count = 0;
	char *word;

	while ((word = strsep(&text, " \t")) != NULL) {
		if (*word == '\0')
			continue;
		if (count == TABLE_WORDS)
			table_wrong("too many words", word);
		words[count++] = room;
		room = expand(word, room);
	}
	words[count] = NULL;
	return count;
}

static const struct table_call *find_call(const char *name)
{
	const struct table_call *const groups[] = {table_names, table_files, table_attributes};

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		for (const struct table_call *call = groups[i]; call->name != NULL; call++) {
			if (!strcmp(call->name, name))
				return call;
		}
	}
	table_wrong("no such call", name);
}

/* Run a call in a process of its own. */
static long in_child(struct table_world *world, const struct table_call *call, char **words)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit((int)-call->run(world, words));
	waitpid(pid, &status, 0);
	return -WEXITSTATUS(status);
}

static long run_words(struct table_world *world, char **words, unsigned count)
{
	bool child = !strcmp(words[0], "child");
	const struct table_call *call = find_call(words[child]);

	if (count < call->words + 1 + child)
		table_wrong("too few words", call->name);
	return child ? in_child(world, call, words + 2) : call->run(world, words + 1);
}

/* What a line is to give, on a mount or on the disk. NULL: success. */
static char *expected(char *text, bool mount)
{
	char *arrow = strstr(text, "->"), *other;

	if (arrow == NULL)
		return NULL;
	*arrow = '\0';
	arrow += 2 + strspn(arrow + 2, " ");
	other = strstr(arrow, "; mount");
	if (other != NULL) {
		*other = '\0';
		if (mount)
			arrow = other + strlen("; mount");
	}
	arrow += strspn(arrow, " ");
	for (size_t end = strlen(arrow); end > 0 && arrow[end - 1] == ' '; end--)
		arrow[end - 1] = '\0';
	return arrow;
}

/* Run a line. @return whether it gives what it should */
static bool run_line(struct table_world *world, const char *line, bool mount)
{
	static char copy[LINE_SIZE], room[16 * LINE_SIZE], expanded[16 * LINE_SIZE];
	char *words[TABLE_WORDS + 1];
	const char *got;
	char *want;
	long result;

	snprintf(copy, sizeof(copy), "%s", line);
	want = expected(copy, mount);
	world->text[0] = '\0';
	result = run_words(world, words, split(copy, words, room));
	got = result < 0 ? strerrorname_np((int)-result) : world->text;
	if (want != NULL)
		expand(want, expanded);
	if (want == NULL ? result >= 0 : !strcmp(got, expanded))
		return true;
	fprintf(stderr, "%s:%u: on %s: %s\n    gives: %.200s\n", at_path, at_line,
		mount ? "the mount" : "the disk", line, got);
	return false;
}

/* ---- one case -------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void begin(struct table_world *world, const char *dir)
{
	memset(world, 0, sizeof(*world));
	for (int i = 0; i < TABLE_FILES; i++)
		world->fd[i] = -1;
	umask(022);
	if (chdir(dir) != 0 || mkdir("case", 0777) != 0 || chmod("case", 0777) != 0 ||
		chdir("case") != 0)
		table_wrong("cannot begin", strerror(errno));
}

static void end(struct table_world *world, const char *dir)
{
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};

	if (seteuid(0) != 0 || setegid(0) != 0)
		table_wrong("cannot end", strerror(errno));
	for (int i = 0; i < TABLE_FILES; i++) {
		if (world->fd[i] >= 0)
			close(world->fd[i]);
	}
	if (setrlimit(RLIMIT_FSIZE, &unlimited) != 0 || chdir(dir) != 0 ||
		nftw("case", remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
		table_wrong("cannot end", strerror(errno));
}

/* Run the lines of a case. @return whether all gave what they should */
static bool run_case(const struct table *table, unsigned first, const char *dir, bool mount)
{
	static struct table_world world;
	bool good = true;

	begin(&world, dir);
	for (unsigned i = first + 1; good && i < table->count && table->lines[i].text[0] != '=';
		i++) {
		at_line = table->lines[i].number;
		good = run_line(&world, table->lines[i].text, mount);
	}
	end(&world, dir);
	return good;
}

/* ---- one table ------------------------------------------------------------------------------- */

static void load(struct table *table, const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;
	unsigned number = 0;
	ssize_t size;

	memset(table, 0, sizeof(*table));
	table->path = at_path = path;
	if (file == NULL)
		table_wrong("cannot open", path);
	while ((size = getline(&text, &room, file)) > 0) {
		number++;
		if (text[size - 1] == '\n')
			text[--size] = '\0';
		if (size == 0 || text[0] == '#')
			continue;
		if (table->count == LINES_MAX || size >= LINE_SIZE)
			table_wrong("too much of it", path);
		table->lines[table->count++] = (struct line){number, text};
		text = NULL;
		room = 0;
	}
	free(text);
	fclose(file);
}

static void unload(struct table *table)
{
	for (unsigned i = 0; i < table->count; i++)
		free(table->lines[i].text);
}

/* Run a table in both places. @return cases that failed */
static unsigned run_table(const char *path, const char *disk, const char *mount)
{
	static struct table table;
	unsigned cases = 0, failed = 0;

	load(&table, path);
	for (unsigned i = 0; i < table.count; i++) {
		if (table.lines[i].text[0] != '=')
			continue;
		cases++;
		failed += !run_case(&table, i, disk, false);
		failed += !run_case(&table, i, mount, true);
	}
	printf("%s: %u cases, %u failed\n", strrchr(path, '/') ? strrchr(path, '/') + 1 : path,
		cases, failed);
	unload(&table);
	return failed;
}

int main(int argc, char **argv)
{
	unsigned failed = 0;

	if (argc < 4 || geteuid() != 0 || setgroups(0, NULL) != 0) {
		fprintf(stderr, "usage, as root: table DISK MOUNT TABLE...\n");
		return 2;
	}
	for (int i = 3; i < argc; i++)
		failed += run_table(argv[i], argv[1], argv[2]);
	return failed > 0;
}
