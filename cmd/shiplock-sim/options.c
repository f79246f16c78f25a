#include "options.h"
#include <getopt.h>
#include <string.h>

static bool add_fault(Options *o, const char *text, GError **err)
{
	if (o->n_faults == MAX_FAULTS)
		return sl_fail(err, SL_ERR_INVALID, "--fault: at most %d", MAX_FAULTS);
	if (strcmp(text, "none") == 0)
		return true;
	if (!sim_fault_parse(text, &o->faults[o->n_faults].fault, &o->faults[o->n_faults].k, err))
		return false;
	o->n_faults++;
	return true;
}

static bool number(
	const char *name, const char *text, unsigned min, unsigned max, unsigned *ret, GError **err)
{
	char *end = NULL;
	uint64_t v = g_ascii_strtoull(text, &end, 10);
	if (end == text || *end || v < min || v > max)
		return sl_fail(err, SL_ERR_INVALID, "--%s %s: is not a number from %u to %u", name,
			text, min, max);
	*ret = (unsigned)v;
	return true;
}

typedef enum {
	OPT_APPS = 1,
	OPT_CLUSTERS,
	OPT_DIR,
	OPT_DRAIN_SCALE,
	OPT_EXPORTER,
	OPT_FAULT,
	OPT_KUBECONFIG,
	OPT_NO_PLAN,
	OPT_PREVIOUS,
	OPT_RELEASES,
	OPT_REPLICAS,
	OPT_SCALE,
	OPT_VERSION,
	OPT_WORKERS,
} Opt;

static bool take(Options *o, int opt, const char *arg, GError **err)
{
	switch ((Opt)opt) {
	case OPT_APPS:
		return number("apps", arg, 0, 1000, &o->n_apps, err);
	case OPT_CLUSTERS:
		return number("clusters", arg, 1, MAX_CLUSTERS, &o->n_clusters, err);
	case OPT_REPLICAS:
		return number("replicas", arg, 1, 1000, &o->n_replicas, err);
	case OPT_SCALE:
		return number("time-scale", arg, 1, MAX_SCALE, &o->scale, err);
	case OPT_WORKERS:
		return number("workers", arg, 1, 1000, &o->n_workers, err);
	case OPT_FAULT:
		return add_fault(o, arg, err);
	case OPT_DRAIN_SCALE:
		return number("drain-scale", arg, 1, MAX_SCALE, &o->drain_scale, err);
	case OPT_DIR:
		o->dir = arg;
		return true;
	case OPT_EXPORTER:
		o->exporter = arg;
		return true;
	case OPT_KUBECONFIG:
		o->kubeconfig = arg;
		return true;
	case OPT_NO_PLAN:
		o->no_plan = true;
		return true;
	case OPT_PREVIOUS:
		o->previous = arg;
		return true;
	case OPT_RELEASES:
		o->releases = arg;
		return true;
	case OPT_VERSION:
		o->version = arg;
		return true;
	}
	return sl_fail(err, SL_ERR_INVALID, "unknown option");
}

bool options_parse(int argc, char **argv, Options *ret, GError **err)
{
	static const struct option known[] = {
		{ "apps", required_argument, NULL, OPT_APPS },
		{ "clusters", required_argument, NULL, OPT_CLUSTERS },
		{ "dir", required_argument, NULL, OPT_DIR },
		{ "drain-scale", required_argument, NULL, OPT_DRAIN_SCALE },
		{ "exporter", required_argument, NULL, OPT_EXPORTER },
		{ "fault", required_argument, NULL, OPT_FAULT },
		{ "kubeconfig", required_argument, NULL, OPT_KUBECONFIG },
		{ "no-plan", no_argument, NULL, OPT_NO_PLAN },
		{ "previous", required_argument, NULL, OPT_PREVIOUS },
		{ "releases", required_argument, NULL, OPT_RELEASES },
		{ "replicas", required_argument, NULL, OPT_REPLICAS },
		{ "time-scale", required_argument, NULL, OPT_SCALE },
		{ "version", required_argument, NULL, OPT_VERSION },
		{ "workers", required_argument, NULL, OPT_WORKERS },
		{ 0 },
	};
	Options o = { .version = "4.21.8",
		.previous = "4.21.7",
		.releases = "4.21.9,4.21.10",
		.n_clusters = 5,
		.n_workers = 3,
		.n_apps = 10,
		.n_replicas = 3,
		.scale = 1 };
	optind = 0;
	opterr = 0;
	for (int opt; (opt = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		if (opt == '?')
			return sl_fail(err, SL_ERR_INVALID,
				"%s: unknown option, or its value is missing", argv[optind - 1]);
		if (!take(&o, opt, optarg, err))
			return false;
	}
	if (optind < argc)
		return sl_fail(err, SL_ERR_INVALID, "%s: what is this?", argv[optind]);
	*ret = o;
	return true;
}

unsigned options_faults(const Options *o, unsigned k)
{
	unsigned bits = 0;
	for (size_t i = 0; i < o->n_faults; i++)
		if (o->faults[i].k == 0 || o->faults[i].k == k)
			bits |= SIM_FAULT_BIT(o->faults[i].fault);
	return bits;
}
