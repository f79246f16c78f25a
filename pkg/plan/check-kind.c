/* What the tables cannot say, within one document: clusters, plans, windows, ways back, people, the
 * daemon's own file. Gates are in check-gate.c. */
#include "base/num.h"
#include "objects/time.h"
#include "objects/version.h"
#include "plan/check.h"
#include "plan/value.h"
#include <string.h>

static const char *text_at(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static int64_t seconds_at(const json_t *o, const char *key)
{
	return doc_duration_sec(text_at(o, key), -1);
}

static void conflict(
	Checker *c, const json_t *parent, const char *key, const char *message, const char *hint)
{
	check_report(c,
		(At){ .parent = parent,
			.key = key,
			.at_key = true,
			.code = CODE_CONFLICT,
			.hint = hint },
		"%s", message);
}

static void missing(Checker *c, const json_t *parent, const char *key, const char *message)
{
	check_report(c, (At){ .parent = parent, .key = key, .code = CODE_MISSING }, "%s", message);
}

/* Each {{name}} of a text against a list of names. */
typedef struct Names {
	Checker *c;
	At at;
	const char *const *known;
} Names;

static void found_placeholder(const char *name, void *ud)
{
	Names *n = ud;
	Nearest near = { .wanted = name };
	for (const char *const *k = n->known; *k; k++) {
		if (strcmp(*k, name) == 0)
			return;
		nearest_try(&near, *k);
	}
	g_autofree char *all = g_strjoinv(", ", (char **)n->known);
	g_autofree char *hint = near.best ? g_strdup_printf("did you mean {{%s}}?", near.best)
					  : g_strdup_printf("known here: %s", all);
	At at = n->at;
	at.hint = hint;
	check_report(n->c, at, "{{%.40s}} is not known", name);
}

/* text NULL: nothing to check. */
static void check_placeholders(Checker *c, At at, const char *text, const char *const *known)
{
	at.code = CODE_PLACEHOLDER;
	Names n = { c, at, known };
	if (text && !doc_placeholders(text, found_placeholder, &n))
		check_report(c, at, "{{ is not closed by }}");
}

/* One of the ways to log in, not two; a certificate comes with its key. */
static void check_login(Checker *c, const json_t *source)
{
	bool cert = json_object_get(source, "clientCertificate"),
	     key = json_object_get(source, "clientKey");
	if (json_object_get(source, "token") && json_object_get(source, "basic"))
		conflict(c, source, "basic", "token and basic cannot both be given", NULL);
	if (cert != key)
		missing(c, source, cert ? "clientKey" : "clientCertificate",
			cert ? "is missing: a certificate needs its key"
			     : "is missing: a key needs its certificate");
}

static void check_git_actuator(Checker *c, json_t *actuator)
{
	static const char *const only[] = { "repository", "credential", "branch", "file",
		"acksFile", "poolsFile", "deliver", "sync" };
	const char *type = text_at(actuator, "type");
	if (!type || strcmp(type, "git") != 0) {
		for (size_t i = 0; type && i < G_N_ELEMENTS(only); i++)
			if (json_object_get(actuator, only[i]))
				conflict(c, actuator, only[i],
					"only the actuator of type git uses it", NULL);
		return;
	}
	if (!json_object_get(actuator, "repository"))
		missing(c, actuator, "repository", "is missing: type git needs it");
	if (!json_object_get(actuator, "branch"))
		json_object_set_new(actuator, "branch", json_string("main"));
	if (!json_object_get(actuator, "deliver"))
		json_object_set_new(actuator, "deliver", json_string("push"));
}

static void check_software(Checker *c, const json_t *software)
{
	static const char *const names[] = { "minor", "version", NULL };
	const char *method = text_at(software, "method");
	bool binaries = method && strcmp(method, "binaries") == 0;
	check_placeholders(
		c, (At){ .parent = software, .key = "source" }, text_at(software, "source"), names);
	if (!method)
		return;
	if (binaries && !json_object_get(software, "from"))
		missing(c, software, "from", "is missing: method binaries needs it");
	if (binaries && !json_object_get(software, "sha256sums"))
		missing(c, software, "sha256sums", "is missing: method binaries needs it");
	if (binaries && json_object_get(software, "source"))
		conflict(c, software, "source", "method binaries does not use it",
			"give from and sha256sums");
	if (!binaries && !json_object_get(software, "source"))
		missing(c, software, "source", "is missing: the package manager needs it");
}

static void check_cluster(Checker *c, const json_t *spec)
{
	const char *provider = text_at(spec, "provider");
	json_t *item, *list = json_object_get(spec, "telemetry");
	size_t i;
	json_array_foreach (list, i, item) {
		if (!json_is_object(item))
			continue;
		check_login(c, item);
		if (!json_object_get(item, "name"))
			json_object_set_new(item, "name", json_sprintf("telemetry-%zu", i + 1));
	}
	if (json_object_get(spec, "alertmanager"))
		check_login(c, json_object_get(spec, "alertmanager"));
	if (json_is_object(json_object_get(spec, "actuator")))
		check_git_actuator(c, json_object_get(spec, "actuator"));
	json_t *nodes = json_object_get(spec, "nodeAccess");
	if (json_object_get(nodes, "software"))
		check_software(c, json_object_get(nodes, "software"));
	if (nodes && provider && strcmp(provider, "openshift") == 0)
		conflict(c, spec, "nodeAccess", "only provider kubeadm uses it", NULL);
	list = json_object_get(spec, "notWith");
	json_array_foreach (list, i, item) {
		if (json_is_string(item) && strcmp(json_string_value(item), doc_name(c->doc)) == 0)
			check_report(c,
				(At){ .parent = list,
					.at_item = true,
					.index = i,
					.code = CODE_CONFLICT },
				"names the cluster itself");
	}
}

static bool check_hop(Checker *c, At at, const char *before, const char *text)
{
	Version from, to;
	if (!version_parse(before, &from) || !version_parse(text, &to))
		return true;
	if (version_compare(&from, &to) >= 0)
		check_report(c, at, "\"%s\" is not above \"%s\" before it", text, before);
	else if (version_minor_distance(&from, &to) > 1)
		check_report(c, at, "\"%s\" is more than one minor version above \"%s\" before it",
			text, before);
	else
		return true;
	return false;
}

static void check_hops(Checker *c, const json_t *target)
{
	const json_t *hops = json_object_get(target, "hops"), *hop;
	const char *want = text_at(target, "version"), *before = NULL;
	Version v;
	size_t i, n = json_array_size(hops);
	json_array_foreach (hops, i, hop) {
		const char *text = json_string_value(hop);
		At at = { .parent = hops, .at_item = true, .index = i, .code = CODE_CONFLICT };
		if (!text || !version_parse(text, &v))
			return;
		bool ok = !before || check_hop(c, at, before, text);
		if (ok && i + 1 == n && want && version_parse(want, &v) &&
			version_compare_text(text, want) != 0) {
			at.hint = "the last hop is the target";
			check_report(c, at, "\"%s\" is not the target %s", text, want);
		}
		before = text;
	}
}

/* Channels are named KIND-X.Y; one below the target's minor cannot hold it. */
static void check_channel(Checker *c, const json_t *target)
{
	const char *channel = text_at(target, "channel"), *want = text_at(target, "version");
	const char *dash = channel ? strrchr(channel, '-') : NULL;
	Version have, need;
	if (!dash || !want || !version_parse_minor(dash + 1, &have) || !version_parse(want, &need))
		return;
	if (version_minor_distance(&have, &need) > 0)
		check_report(c, (At){ .parent = target, .key = "channel", .code = CODE_CONFLICT },
			"\"%s\" does not hold %s", channel, want);
}

static void check_image(Checker *c, const json_t *target)
{
	const char *image = text_at(target, "image"),
		   *digest = image ? strstr(image, "@sha256:") : NULL;
	if (!image || (digest && digest > image && strlen(digest) == 8 + 64 &&
			      strspn(digest + 8, "0123456789abcdef") == 64))
		return;
	check_report(c,
		(At){ .parent = target,
			.key = "image",
			.code = CODE_VALUE,
			.hint = "write HOST/NAME@sha256:DIGEST; a tag may move" },
		"\"%.80s\" is not an image by digest", image);
}

static void check_plan(Checker *c, const json_t *spec)
{
	const json_t *target = json_object_get(spec, "target");
	if (!json_is_object(target))
		return;
	check_hops(c, target);
	check_channel(c, target);
	check_image(c, target);
}

static void check_rule(Checker *c, const json_t *rule, const json_t *deadlines)
{
	const json_t *match = json_object_get(rule, "match");
	const char *behaviour = text_at(rule, "behaviour");
	int64_t node = seconds_at(deadlines, "node");
	if (node >= 0 && seconds_at(rule, "deadline") > node)
		check_report(c, (At){ .parent = rule, .key = "deadline", .code = CODE_CONFLICT },
			"%s is above deadlines.node, %s", text_at(rule, "deadline"),
			text_at(deadlines, "node"));
	if (json_is_object(match) && json_object_size(match) == 0)
		missing(c, rule, "match", "matches every pod; name what it matches");
	if (g_strcmp0(behaviour, "deleteAfter") == 0 && !json_object_get(rule, "deadline"))
		missing(c, rule, "deadline", "is missing: deleteAfter needs it");
}

static void check_order(Checker *c, const json_t *deadlines, const char *inner, const char *outer)
{
	int64_t in = seconds_at(deadlines, inner), out = seconds_at(deadlines, outer);
	if (out >= 0 && in > out)
		check_report(c, (At){ .parent = deadlines, .key = inner, .code = CODE_CONFLICT },
			"%s is above deadlines.%s, %s", text_at(deadlines, inner), outer,
			text_at(deadlines, outer));
}

static void check_drain(Checker *c, const json_t *spec)
{
	const json_t *deadlines = json_object_get(spec, "deadlines"), *rule;
	size_t i;
	check_order(c, deadlines, "pod", "node");
	check_order(c, deadlines, "node", "pool");
	if (g_strcmp0(text_at(spec, "onDeadline"), "force") == 0 &&
		!json_path_bool(spec, "consent.force", false))
		check_report(c,
			(At){ .parent = spec,
				.key = "onDeadline",
				.code = CODE_CONFLICT,
				.hint = "set consent.force: true, or onDeadline: hold" },
			"force is not consented to");
	json_array_foreach (json_object_get(spec, "rules"), i, rule) {
		check_rule(c, rule, deadlines);
	}
}

static int64_t opening_minutes(const json_t *open)
{
	int start, end;
	const char *from = text_at(open, "start"), *to = text_at(open, "end");
	if (!from || !to || !doc_clock(from, &start) || !doc_clock(to, &end))
		return -1;
	return end > start ? end - start : end - start + 24 * 60;
}

static void check_window(Checker *c, const json_t *spec)
{
	const json_t *list = json_object_get(spec, "open"), *item;
	int64_t last = seconds_at(spec, "lastHopStart"), from, to, longest = -1;
	size_t i;
	json_array_foreach (list, i, item) {
		longest = sl_max(longest, opening_minutes(item) * 60);
		if (text_at(item, "start") &&
			g_strcmp0(text_at(item, "start"), text_at(item, "end")) == 0)
			check_report(c, (At){ .parent = item, .key = "end", .code = CODE_CONFLICT },
				"is the same as start, so it never opens");
	}
	if (longest > 0 && last >= longest)
		check_report(c,
			(At){ .parent = spec, .key = "lastHopStart", .code = CODE_CONFLICT },
			"%s is not below the longest opening, so no hop could ever start",
			text_at(spec, "lastHopStart"));
	list = json_object_get(spec, "blackouts");
	json_array_foreach (list, i, item) {
		const char *a = text_at(item, "from"), *b = text_at(item, "to");
		if (a && b && sl_date_parse(a, &from) && sl_date_parse(b, &to) && to < from)
			check_report(c, (At){ .parent = item, .key = "to", .code = CODE_CONFLICT },
				"%s is before from, %s", b, a);
	}
}

static void check_approval(Checker *c, const json_t *spec)
{
	const json_t *groups = json_object_get(spec, "groups"), *group, *name;
	const json_t *glass = json_path(spec, "breakGlass.groups");
	int64_t quorum = json_path_int(spec, "quorum", 1), needed = 0;
	size_t i, k;
	json_array_foreach (groups, i, group) {
		int64_t need = json_path_int(group, "need", 1);
		size_t users = json_array_size(json_object_get(group, "users"));
		needed += need;
		if (users > 0 && (int64_t)users < need)
			check_report(c,
				(At){ .parent = group, .key = "need", .code = CODE_CONFLICT },
				"%d of %zu users can never be reached", (int)need, users);
	}
	if (json_array_size(groups) > 0 && quorum < needed)
		check_report(c, (At){ .parent = spec, .key = "quorum", .code = CODE_CONFLICT },
			"%d is below what its groups need together, %d", (int)quorum, (int)needed);
	json_array_foreach (glass, i, name) {
		bool found = false;
		json_array_foreach (groups, k, group) {
			found = found || json_equal(json_object_get(group, "name"), name);
		}
		if (!found && json_is_string(name))
			check_report(c,
				(At){ .parent = glass,
					.at_item = true,
					.index = i,
					.code = CODE_REFERENCE },
				"\"%s\" is not a group of this policy", json_string_value(name));
	}
}

/* Placeholders in every text of a template. */
static void check_template(Checker *c, const json_t *v, const char *const *names)
{
	const char *key;
	json_t *child;
	size_t i;
	json_object_foreach ((json_t *)v, key, child) {
		check_placeholders(
			c, (At){ .parent = v, .key = key }, json_string_value(child), names);
		check_template(c, child, names);
	}
	json_array_foreach (v, i, child) {
		check_placeholders(c, (At){ .parent = v, .at_item = true, .index = i },
			json_string_value(child), names);
		check_template(c, child, names);
	}
}

static void check_notify(Checker *c, const json_t *item)
{
	static const char *const names[] = { "token", "fleet", "run", "plan", "cluster", "state",
		"event", "reason", "since", "next", "key", NULL };
	bool token = json_object_get(item, "token") != NULL;
	check_template(c, json_object_get(item, "body"), token ? names : names + 1);
}

static void check_results(Checker *c, const json_t *repository)
{
	const json_t *results = json_object_get(repository, "results");
	const char *branch = text_at(results, "branch"), *plans = text_at(repository, "branch");
	if (branch && strcmp(branch, plans ? plans : "main") == 0)
		check_report(c, (At){ .parent = results, .key = "branch", .code = CODE_CONFLICT },
			"\"%s\" is the branch of the plans; results need one of their own", branch);
}

static void check_config(Checker *c, const json_t *spec)
{
	const json_t *list = json_object_get(spec, "notify"), *item;
	const char *state = text_at(spec, "state");
	size_t i;
	json_array_foreach (list, i, item) {
		check_notify(c, item);
	}
	if (state && state[0] != '/')
		check_report(c, (At){ .parent = spec, .key = "state", .code = CODE_VALUE },
			"\"%s\" is not an absolute path", state);
	list = json_object_get(spec, "repositories");
	json_array_foreach (list, i, item) {
		int64_t every = seconds_at(item, "interval");
		check_results(c, item);
		if (every >= 0 && every < 5)
			check_report(c,
				(At){ .parent = item, .key = "interval", .code = CODE_VALUE },
				"%s is below 5s", text_at(item, "interval"));
	}
}

void check_kind(Checker *c)
{
	static const struct {
		const char *kind;
		void (*check)(Checker *c, const json_t *spec);
	} kinds[] = {
		{ "ApprovalPolicy", check_approval },
		{ "Cluster", check_cluster },
		{ "ControllerConfig", check_config },
		{ "DrainPolicy", check_drain },
		{ "UpgradePlan", check_plan },
		{ "WindowPolicy", check_window },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
		if (strcmp(kinds[i].kind, doc_kind(c->doc)) == 0)
			kinds[i].check(c, doc_spec(c->doc));
	if (strcmp(doc_kind(c->doc), "GatePolicy") == 0)
		check_gate_policy(c);
}
