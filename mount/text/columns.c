/* The most columns in which all names find room. See columns.h. */
#include "mount/text/columns.h"
#include "mount/text/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define GAP 2 /* between two columns */

static size_t terminal_width(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* Characters of UTF-8. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

/* The width of the column of some names. */
static size_t widest(const struct column_name *names, size_t count)
{
	size_t width = 0;

	for (size_t i = 0; i < count; i++) {
		size_t one = width_of(names[i].text);

		width = one > width ? one : width;
	}
	return width;
}

static size_t columns_rest(size_t first, size_t count, size_t rows)
{
	return count - first < rows ? count - first : rows;
}

static bool fits(const struct column_name *names, size_t count, size_t rows, size_t width)
{
	size_t used = 0;

	for (size_t i = 0; i < count && used <= width; i += rows)
		used += widest(names + i, columns_rest(i, count, rows)) + (i > 0 ? GAP : 0);
	return used <= width;
}

/* Print the names that stand in one row. */
static int print_row(const struct column_name *names, size_t count, size_t rows, size_t row)
{
	int err = 0;

	for (size_t i = row; !err && i < count; i += rows) {
		size_t width = widest(names + i - row, columns_rest(i - row, count, rows)) + GAP;
		size_t blank = i + rows < count ? width - width_of(names[i].text) : 0;

		err = output_wrote(
			printf("%s%s%s%*s", human_style_begin(names[i].style), names[i].text,
				human_style_end(names[i].style), (int)blank, "") >= 0);
	}
	return err != 0 ? err : output_wrote(putchar('\n') != EOF);
}

int columns_print(const struct column_name *names, size_t count)
{
	size_t width = terminal_width(), rows = 1;
	int err = 0;

	while (rows < count && !fits(names, count, rows, width))
		rows++;
	for (size_t row = 0; !err && row < rows && row < count; row++)
		err = print_row(names, count, rows, row);
	return err;
}
