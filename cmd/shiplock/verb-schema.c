/* shiplock schema [KIND | --shipped | --man]: what documents look like, for editors and people. */
#include "plan/schema.h"
#include "verb-documents.h"
#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_OK = 0, EXIT_USAGE = 64 };

static int usage(FILE *to, int code)
{
	fputs("usage: shiplock schema [KIND]\n"
	      "       shiplock schema --shipped | --man\n"
	      "  Prints JSON Schema for editors, of one kind or of all; with --shipped the "
	      "policies\n"
	      "  that come with the program, with --man the manual page of the documents.\n"
	      "kinds:",
		to);
	for (size_t i = 0; schema_kind(i); i++)
		fprintf(to, " %s", schema_kind(i));
	fputc('\n', to);
	return code;
}

static int print_schema(const char *kind)
{
	g_autoptr(json_t) schema = schema_json(kind);
	if (!schema) {
		fprintf(stderr, "shiplock: schema: %s: is not a kind of document\n", kind);
		return usage(stderr, EXIT_USAGE);
	}
	json_dumpf(schema, stdout, JSON_INDENT(2));
	putchar('\n');
	return EXIT_OK;
}

static int print_text(char *text)
{
	fputs(text, stdout);
	g_free(text);
	return EXIT_OK;
}

int verb_schema(int argc, char **argv)
{
	static const struct option options[] = {
		{ "shipped", no_argument, NULL, 's' },
		{ "man", no_argument, NULL, 'm' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int what = 0;
	optind = 1;
	opterr = 0;
	for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (c == 'h')
			return usage(stdout, EXIT_OK);
		if (c == '?' || what)
			return usage(stderr, EXIT_USAGE);
		what = c;
	}
	int left = argc - optind;
	if (left > 1 || (what && left > 0))
		return usage(stderr, EXIT_USAGE);
	if (what)
		return print_text(what == 's' ? schema_shipped() : schema_man());
	return print_schema(left == 1 ? argv[optind] : NULL);
}
