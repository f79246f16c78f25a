/* shiplock: what people type. */
#include "cli.h"
#include "verb-documents.h"
#include <locale.h>
#include <signal.h>
#include <string.h>

const Verb verbs[] = {
	{ "check", .raw = verb_check, .allows = "o",
		.help = "says all that is wrong with documents" },
	{ "schema", .raw = verb_schema, .allows = "",
		.help = "prints JSON Schema of the documents" },
	{ "plan", verb_plan, NULL, "olsS", 1, -1,
		"[--full] [--state DIR] [-o text|json] PLAN [PATH...]",
		"Says what the plan would do now. Reads the clusters, writes nothing; exit 5 when "
		"a "
		"cluster is blocked." },
	{ "inspect", verb_inspect, NULL, "okci", 0, 0,
		"[--kubeconfig FILE]... [--context CONTEXT]... [--init DIR] [-o text|json]",
		"What is there, where it could go, what is in the way and what could be undone. "
		"Needs no plan, no controller and no document, and changes nothing." },
	{ "rbac", verb_rbac, NULL, "oCU", 0, -1,
		"[--user NAME] [-o text|json] --cluster CLUSTER [PATH...]",
		"Prints the roles and bindings that Shiplock needs on a cluster, to apply there." },
	{ "run", verb_run, NULL, "osSjtr", 1, -1,
		"[--state DIR] [--junit FILE] [--strict] [-o text|json] PLAN [PATH...]",
		"Carries out one plan to its end: by the controller where one listens, else here, "
		"with "
		"the journal in DIR." },
	{ "status", verb_status, NULL, "os", 0, 0, "[-o text|json]",
		"What needs a person, what is running, what is done." },
	{ "why", verb_why, NULL, "os", 1, 1, "[-o text|json] CLUSTER | CLUSTER/NODE | RUN",
		"Why it stands where it stands, and what you can do." },
	{ "watch", verb_watch, NULL, "os", 0, 1, "[-o text|json] [RUN | CLUSTER]",
		"The status, drawn anew as it changes; into a pipe, one line an event." },
	{ "pause", verb_order, NULL, "osrF", 0, 1, "[--reason TEXT] CLUSTER | --fleet",
		"Begins nothing new." },
	{ "resume", verb_order, NULL, "osSrF", 0, 1,
		"[--reason TEXT] CLUSTER | --fleet [--state DIR]", "Goes on." },
	{ "approve", verb_order, NULL, "osrfRb", 1, 1,
		"[--for SUBJECT] [--reject | --break-glass] [--reason TEXT] CLUSTER",
		"Answers the open question of a cluster, which is shown first." },
	{ "abort", verb_order, NULL, "osr", 1, 1, "[--reason TEXT] CLUSTER",
		"Stops and takes our marks away; changes no version." },
	{ "rollback", verb_rollback, NULL, "osrywT", 1, 1,
		"[--tier T3] [--yes CLUSTER] [--wait] [--reason TEXT] CLUSTER",
		"Goes back to the version before; says first what it costs and asks." },
	{ "retry", verb_order, NULL, "osr", 1, 1, "[--reason TEXT] CLUSTER",
		"A new run in which a cluster that ended may be tried again." },
	{ "skip", verb_order, NULL, "osrng", 1, 1,
		"[--node NODE | --gate GATE] --reason TEXT CLUSTER",
		"Leaves out a cluster that was not begun, a node, or a gate that allows it." },
	{ "takeover", verb_takeover, NULL, "osry", 1, 1, "[--yes CLUSTER] [--reason TEXT] CLUSTER",
		"Takes a cluster over from a controller whose host or journal is lost; says first "
		"whose it is and asks." },
	{ "audit", verb_audit, NULL, "osSau", 1, 3,
		"show [RUN | FIRST-LAST | RUN:FIRST-LAST]\n"
		"       shiplock audit verify [--state DIR] [--anchor SEQ:HASH] [FILE]\n"
		"       shiplock audit backup [--state DIR] FILE\n"
		"       shiplock audit bundle [--state DIR] [-o text|json] RUN [FILE]\n"
		"       shiplock audit report | outages [--url URL] | notice [--state DIR] RUN "
		"[WAVE]",
		"Records of the journal, their proof, a copy, an archive for a support case; what "
		"a run did." },
	{ "completion", verb_completion, NULL, "", 1, 1, "bash | zsh",
		"Prints the completions for a shell." },
	{ "version", verb_version, NULL, "os", 0, 0, "[-o text|json]",
		"The version, of the controller too where one listens." },
	{ 0 },
};

static int usage(FILE *to, int code)
{
	fputs("usage: shiplock VERB [OPTIONS] [ARGUMENT...]\n"
	      "  Upgrades fleets of clusters, one at a time, and rolls them back.\n\n",
		to);
	for (const Verb *v = verbs; v->name; v++)
		fprintf(to, "  %-11s %s\n", v->name, v->help);
	fputs("\nshiplock VERB --help shows the options of one; shiplock(1) is the manual.\n", to);
	return code;
}

int main(int argc, char **argv)
{
	setlocale(LC_ALL, "");
	signal(SIGXFSZ, SIG_IGN); /* a limit on files is a write that fails */
	const char *name = argc > 1 ? argv[1] : NULL;
	if (!name)
		return usage(stderr, EXIT_USAGE);
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
		return usage(stdout, EXIT_SUCCEEDED);
	const Verb *v = verb_find(strcmp(name, "--version") == 0 ? "version" : name);
	if (!v) {
		fprintf(stderr, "shiplock: %s: is no verb\ntry: shiplock --help\n", name);
		return EXIT_USAGE;
	}
	if (v->raw)
		return v->raw(argc - 1, argv + 1);
	Args args;
	int code = EXIT_USAGE;
	return args_parse(argc - 1, argv + 1, v, &args, &code) ? v->run(&args) : code;
}
