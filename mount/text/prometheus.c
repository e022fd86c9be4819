#include "mount/text/prometheus.h"

#include <stdio.h>

void prometheus_begin(const char *name, const char *type, const char *help)
{
	printf("# HELP keytree_%s %s\n# TYPE keytree_%s %s\n", name, help, name, type);
}

static void print_value(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			fputs("\\n", stdout);
		else if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else
			putchar(*text);
	}
}

void prometheus_sample(const char *name, const struct prometheus_label *labels)
{
	printf("keytree_%s", name);
	for (char before = '{'; labels->name != NULL; labels++, before = ',') {
		printf("%c%s=\"", before, labels->name);
		print_value(labels->value);
		putchar('"');
	}
	fputs("} ", stdout);
}
