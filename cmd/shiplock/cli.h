/* What the verbs share: their options, exit codes, and how they complain. */
#pragma once
#include "base/error.h"
#include "codec/json.h"
#include <stdio.h>

/* Those of the manual page. */
enum {
	EXIT_SUCCEEDED = 0,
	EXIT_FAILED = 1,
	EXIT_BAD_DOCUMENTS = 2,
	EXIT_HELD = 3,
	EXIT_ROLLED_BACK = 4,
	EXIT_REFUSED = 5,
	EXIT_MIXED = 6, /* Indeterminate, PartiallyRolledBack */
	EXIT_ABORTED = 7,
	EXIT_USAGE = 64,
};

enum { ARGS_LIST_MAX = 256 };
/* An option that may be given again and again. */
typedef struct ArgList {
	const char *items[ARGS_LIST_MAX];
	size_t n;
} ArgList;

/* Borrowed from argv. */
typedef struct Args {
	const char *verb;
	bool json, fleet, wait, strict, full, reject, break_glass;
	const char *socket, *reason, *yes, *node, *gate, *subject, *state, *junit, *anchor, *url,
		*init, *cluster, *user;
	ArgList kubeconfigs, contexts;
	char **rest;
	size_t n_rest;
} Args;

/* One letter for each option, as Verb.allows names them. */
typedef enum {
	OPT_OUTPUT = 'o',
	OPT_SOCKET = 's',
	OPT_REASON = 'r',
	OPT_FLEET = 'F',
	OPT_YES = 'y',
	OPT_WAIT = 'w',
	OPT_NODE = 'n',
	OPT_GATE = 'g',
	OPT_SUBJECT = 'f',
	OPT_TIER = 'T',
	OPT_REJECT = 'R',
	OPT_BREAK_GLASS = 'b',
	OPT_STATE = 'S',
	OPT_JUNIT = 'j',
	OPT_STRICT = 't',
	OPT_FULL = 'l',
	OPT_ANCHOR = 'a',
	OPT_URL = 'u',
	OPT_KUBECONFIG = 'k',
	OPT_CONTEXT = 'c',
	OPT_INIT = 'i',
	OPT_CLUSTER = 'C',
	OPT_USER = 'U',
	OPT_HELP = 'h',
} Opt;

typedef struct Verb {
	const char *name;
	int (*run)(const Args *a);
	int (*raw)(int argc, char **argv); /* instead: it reads its own options */
	const char *allows; /* letters of its options */
	int min_rest, max_rest; /* other arguments; max -1: any number */
	const char *synopsis; /* behind the name */
	const char *help;
} Verb;

extern const Verb verbs[]; /* ends with a name of NULL */
const Verb *verb_find(const char *name);
/* False: said what is wrong, or showed the help; *ret_code is the exit code then. */
bool args_parse(int argc, char **argv, const Verb *v, Args *ret, int *ret_code);
/* "--reason" of an option's letter, NULL past the last; for completion. */
const char *opt_name(size_t i, Opt *ret, bool *ret_has_value);

/* "shiplock: verb: text" and, where given, a line "try: ..." on stderr. Returns code. */
int cli_fail(const Args *a, int code, const char *text, const char *hint);
int cli_fail_error(const Args *a, const GError *err);
/* An object, as -o json prints it. */
void cli_print_json(const json_t *v);
/* One line, for lists of events. */
void cli_print_json_line(const json_t *v);

int verb_plan(const Args *a);
int verb_rbac(const Args *a);
int verb_inspect(const Args *a);
int verb_run(const Args *a);
int verb_status(const Args *a);
int verb_why(const Args *a);
int verb_watch(const Args *a);
int verb_order(const Args *a); /* pause resume approve abort retry skip */
int verb_rollback(const Args *a);
int verb_takeover(const Args *a);
int verb_audit(const Args *a);
int verb_completion(const Args *a);
int verb_version(const Args *a);
