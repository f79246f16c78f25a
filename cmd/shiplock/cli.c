#include "cli.h"
#include <getopt.h>
#include <string.h>

static const struct option options[] = {
	{ "output", required_argument, NULL, OPT_OUTPUT },
	{ "socket", required_argument, NULL, OPT_SOCKET },
	{ "reason", required_argument, NULL, OPT_REASON },
	{ "fleet", no_argument, NULL, OPT_FLEET },
	{ "yes", required_argument, NULL, OPT_YES },
	{ "wait", no_argument, NULL, OPT_WAIT },
	{ "node", required_argument, NULL, OPT_NODE },
	{ "gate", required_argument, NULL, OPT_GATE },
	{ "for", required_argument, NULL, OPT_SUBJECT },
	{ "tier", required_argument, NULL, OPT_TIER },
	{ "reject", no_argument, NULL, OPT_REJECT },
	{ "break-glass", no_argument, NULL, OPT_BREAK_GLASS },
	{ "state", required_argument, NULL, OPT_STATE },
	{ "junit", required_argument, NULL, OPT_JUNIT },
	{ "strict", no_argument, NULL, OPT_STRICT },
	{ "full", no_argument, NULL, OPT_FULL },
	{ "anchor", required_argument, NULL, OPT_ANCHOR },
	{ "url", required_argument, NULL, OPT_URL },
	{ "kubeconfig", required_argument, NULL, OPT_KUBECONFIG },
	{ "context", required_argument, NULL, OPT_CONTEXT },
	{ "init", required_argument, NULL, OPT_INIT },
	{ "cluster", required_argument, NULL, OPT_CLUSTER },
	{ "user", required_argument, NULL, OPT_USER },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 },
};

const char *opt_name(size_t i, Opt *ret, bool *ret_has_value)
{
	if (!options[i].name)
		return NULL;
	*ret = (Opt)options[i].val;
	*ret_has_value = options[i].has_arg == required_argument;
	return options[i].name;
}

const Verb *verb_find(const char *name)
{
	for (const Verb *v = verbs; v->name; v++)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

/* Where an option's value goes; the output has rules of its own. */
static const struct {
	Opt opt;
	enum { FLAG, TEXT, LIST } kind;
	size_t at;
} places[] = {
	{ OPT_SOCKET, TEXT, offsetof(Args, socket) },
	{ OPT_REASON, TEXT, offsetof(Args, reason) },
	{ OPT_YES, TEXT, offsetof(Args, yes) },
	{ OPT_NODE, TEXT, offsetof(Args, node) },
	{ OPT_GATE, TEXT, offsetof(Args, gate) },
	{ OPT_SUBJECT, TEXT, offsetof(Args, subject) },
	{ OPT_TIER, TEXT, offsetof(Args, subject) },
	{ OPT_STATE, TEXT, offsetof(Args, state) },
	{ OPT_JUNIT, TEXT, offsetof(Args, junit) },
	{ OPT_ANCHOR, TEXT, offsetof(Args, anchor) },
	{ OPT_URL, TEXT, offsetof(Args, url) },
	{ OPT_INIT, TEXT, offsetof(Args, init) },
	{ OPT_CLUSTER, TEXT, offsetof(Args, cluster) },
	{ OPT_USER, TEXT, offsetof(Args, user) },
	{ OPT_KUBECONFIG, LIST, offsetof(Args, kubeconfigs) },
	{ OPT_CONTEXT, LIST, offsetof(Args, contexts) },
	{ OPT_FLEET, FLAG, offsetof(Args, fleet) },
	{ OPT_WAIT, FLAG, offsetof(Args, wait) },
	{ OPT_REJECT, FLAG, offsetof(Args, reject) },
	{ OPT_BREAK_GLASS, FLAG, offsetof(Args, break_glass) },
	{ OPT_STRICT, FLAG, offsetof(Args, strict) },
	{ OPT_FULL, FLAG, offsetof(Args, full) },
};

static bool list_add(ArgList *list, const char *text)
{
	if (list->n == ARGS_LIST_MAX)
		return false;
	list->items[list->n++] = text;
	return true;
}

static bool take(Args *a, int opt)
{
	if (opt == OPT_OUTPUT) {
		a->json = strcmp(optarg, "json") == 0;
		return a->json || strcmp(optarg, "text") == 0;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
		void *at = (char *)a + places[i].at;
		if ((int)places[i].opt != opt)
			continue;
		if (places[i].kind == LIST)
			return list_add(at, optarg);
		if (places[i].kind == FLAG)
			*(bool *)at = true;
		else
			*(const char **)at = optarg;
		return true;
	}
	return false;
}

static int show_usage(const Verb *v, FILE *to, int code)
{
	fprintf(to, "usage: shiplock %s %s\n  %s\n", v->name, v->synopsis, v->help);
	return code;
}

bool args_parse(int argc, char **argv, const Verb *v, Args *ret, int *ret_code)
{
	*ret = (Args){ .verb = v->name };
	optind = 1;
	opterr = 0;
	for (int c; (c = getopt_long(argc, argv, "o:h", options, NULL)) != -1;) {
		bool known = c != '?' && (c == OPT_HELP || strchr(v->allows, c));
		if (c == OPT_HELP || !known || !take(ret, c)) {
			bool help = c == OPT_HELP;
			*ret_code = show_usage(
				v, help ? stdout : stderr, help ? EXIT_SUCCEEDED : EXIT_USAGE);
			return false;
		}
	}
	ret->rest = argv + optind;
	ret->n_rest = (size_t)(argc - optind);
	if ((int)ret->n_rest >= v->min_rest && (v->max_rest < 0 || (int)ret->n_rest <= v->max_rest))
		return true;
	*ret_code = show_usage(v, stderr, EXIT_USAGE);
	return false;
}

int cli_fail(const Args *a, int code, const char *text, const char *hint)
{
	fprintf(stderr, "shiplock: %s: %s\n", a->verb, text);
	if (hint)
		fprintf(stderr, "try: %s\n", hint);
	return code;
}

int cli_fail_error(const Args *a, const GError *err)
{
	return cli_fail(a, EXIT_FAILED, err->message, NULL);
}

void cli_print_json(const json_t *v)
{
	json_dumpf(v, stdout, JSON_INDENT(2));
	putchar('\n');
}

void cli_print_json_line(const json_t *v)
{
	json_dumpf(v, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
}
