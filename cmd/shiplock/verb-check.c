/* shiplock check [-o json] [PATH...|-]: reads documents and says all that is wrong with them. Exit
 * 0, 2 when a document is wrong, 1 when the check could not be made, 64 for wrong usage. */
#include "documents.h"
#include "verb-documents.h"
#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_DOCUMENTS = 2, EXIT_USAGE = 64 };

static int usage(FILE *to, int code)
{
	fputs("usage: shiplock check [-o text|json] [PATH...|-]\n"
	      "  Checks documents: files, folders, or - for standard input; without PATH the\n"
	      "  folders plans and policies. Needs no daemon. Exit 2 when a document is wrong.\n",
		to);
	return code;
}

static void print_report(const DocSet *set, bool json)
{
	const Findings *f = docset_findings(set);
	if (json) {
		g_autoptr(json_t) report =
			findings_report(f, docset_n_documents(set), docset_n_files(set));
		json_dumpf(report, stdout, JSON_INDENT(2));
		putchar('\n');
		return;
	}
	g_autofree char *text = findings_text(f, docset_n_documents(set), docset_n_files(set));
	fputs(text, stdout);
}

int verb_check(int argc, char **argv)
{
	static const struct option options[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool json = false;
	optind = 1;
	opterr = 0;
	for (int c; (c = getopt_long(argc, argv, "o:h", options, NULL)) != -1;) {
		if (c == 'h')
			return usage(stdout, EXIT_OK);
		if (c != 'o' || (strcmp(optarg, "json") != 0 && strcmp(optarg, "text") != 0))
			return usage(stderr, EXIT_USAGE);
		json = strcmp(optarg, "json") == 0;
	}
	g_autoptr(GError) err = NULL;
	g_autoptr(DocSet) set = documents_load(argv + optind, (size_t)(argc - optind), &err);
	if (!set) {
		fprintf(stderr, "shiplock: check: %s\n", err->message);
		return EXIT_FAILED;
	}
	print_report(set, json);
	return docset_ok(set) ? EXIT_OK : EXIT_DOCUMENTS;
}
