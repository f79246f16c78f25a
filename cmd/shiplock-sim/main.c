/* shiplock-sim VERB: a fleet to try Shiplock on. */
#include "verbs.h"
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(const Options *o);
} verbs[] = { { "serve", verb_serve }, { "play", verb_play } };

static int usage(FILE *to)
{
	fputs("usage: shiplock-sim serve [--clusters N] [--dir DIR] [--no-plan] [--fault "
	      "NAME[@K]]... "
	      "[--time-scale N]\n"
	      "       shiplock-sim play --kubeconfig FILE [--exporter HOST:PORT] [--fault NAME]... "
	      "[--time-scale N]\n"
	      "       shiplock-sim replay SEED\n"
	      "both:  [--version X.Y.Z] [--previous X.Y.Z] [--releases X.Y.Z,...] [--workers N] "
	      "[--apps N] "
	      "[--replicas N] [--drain-scale N]\n",
		to);
	return EXIT_USAGE;
}

int sim_complain(const char *what, GError *err)
{
	fprintf(stderr, "shiplock-sim: %s: %s\n", what, err->message);
	g_error_free(err);
	return 1;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	if (strcmp(verb, "--help") == 0 || strcmp(verb, "help") == 0) {
		usage(stdout);
		return 0;
	}
	if (strcmp(verb, "--version") == 0) {
		puts("shiplock-sim " SL_VERSION);
		return 0;
	}
	if (strcmp(verb, "replay") == 0 && argc == 3)
		return verb_replay(argv[2]);
	for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++) {
		if (strcmp(verbs[i].name, verb) != 0)
			continue;
		GError *err = NULL;
		Options o;
		if (options_parse(argc - 1, argv + 1, &o, &err))
			return verbs[i].run(&o);
		sim_complain(verb, err);
		return EXIT_USAGE;
	}
	return usage(stderr);
}
