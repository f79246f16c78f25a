/* shiplock completion: from the table of verbs, so that it cannot fall behind. */
#include "cli.h"
#include <string.h>

static void put_options(const Verb *v)
{
	Opt opt;
	bool has_value;
	const char *name;
	for (size_t i = 0; (name = opt_name(i, &opt, &has_value)); i++)
		if (opt == OPT_HELP || strchr(v->allows, (int)opt))
			printf(" --%s", name);
}

static void put_words(const Verb *v)
{
	if (strcmp(v->name, "audit") == 0)
		printf(" show verify backup bundle report outages notice");
	if (strcmp(v->name, "completion") == 0)
		printf(" bash zsh");
	put_options(v);
}

static void put_verbs(void)
{
	for (const Verb *v = verbs; v->name; v++)
		printf("%s%s", v == verbs ? "" : " ", v->name);
}

/* Clusters and runs come from the controller, where it answers; files stay possible. */
static int bash(void)
{
	puts("# bash completion of shiplock: eval \"$(shiplock completion bash)\"\n"
	     "_shiplock_names() {\n"
	     "\tshiplock status -o json 2>/dev/null |\n"
	     "\t\tsed -n 's/^ \\{20\\}\"name\": \"\\(.*\\)\",$/\\1/p' | sort -u\n"
	     "}\n"
	     "_shiplock() {\n"
	     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words=");
	printf("\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n\t\twords=\"");
	put_verbs();
	puts("\"\n\telse\n\t\tcase ${COMP_WORDS[1]} in");
	for (const Verb *v = verbs; v->name; v++) {
		printf("\t\t%s) words=\"", v->name);
		put_words(v);
		puts("\" ;;");
	}
	puts("\t\tesac\n"
	     "\t\tcase ${COMP_WORDS[1]} in\n"
	     "\t\twhy | watch | pause | resume | approve | abort | rollback | retry | skip | "
	     "takeover)\n"
	     "\t\t\twords=\"$words $(_shiplock_names)\" ;;\n"
	     "\t\tesac\n"
	     "\tfi\n"
	     "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	     "}\n"
	     "complete -o default -F _shiplock shiplock");
	return EXIT_SUCCEEDED;
}

static int zsh(void)
{
	puts("#compdef shiplock\n"
	     "# zsh completion of shiplock: source <(shiplock completion zsh)\n"
	     "autoload -U +X bashcompinit && bashcompinit");
	return bash();
}

int verb_completion(const Args *a)
{
	if (strcmp(a->rest[0], "bash") == 0)
		return bash();
	if (strcmp(a->rest[0], "zsh") == 0)
		return zsh();
	return cli_fail(a, EXIT_USAGE, "knows bash and zsh", "shiplock completion bash");
}
