#include "providers/kubeadm-level.h"
#include "objects/version.h"
#include "providers/wanted.h"
#include <string.h>

#define FLAG "--emulated-version="
/* Below it no server can be asked for (kubernetes: pkg/util/compatibility/version.go). */
enum { LEVEL_MIN_MINOR = 31 };
static const char *const components[] = { "kube-apiserver", "kube-controller-manager",
	"kube-scheduler" };

const char *kubeadm_minor(const char *version, char buf[KUBEADM_LEVEL_BYTES])
{
	Version v;
	*buf = '\0';
	if (version_parse(version, &v) || version_parse_minor(version, &v))
		g_snprintf(buf, KUBEADM_LEVEL_BYTES, "%d.%d", v.major, v.minor);
	return buf;
}

bool kubeadm_above(const char *version, const char *level)
{
	Version v, l;
	return (version_parse(version, &v) || version_parse_minor(version, &v)) &&
	       version_parse_minor(level, &l) && version_minor_distance(&l, &v) > 0;
}

static bool is_below(const char *level, const char *version)
{
	return level && kubeadm_above(version, level);
}

/* ---- what pods and manifests say ---- */

/* "1.35", or "kube=1.35" where levels are given by component. */
static const char *of_kube(const char *value)
{
	return g_str_has_prefix(value, "kube=") ? value + strlen("kube=") : value;
}

/* NULL: the flag is not there. Borrowed. */
static const char *level_of(const json_t *pod)
{
	static const char *const lists[] = { "spec.containers.0.command",
		"spec.containers.0.args" };
	for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
		size_t k;
		json_t *w;
		json_array_foreach (json_path(pod, lists[i]), k, w)
			if (g_str_has_prefix(json_string_value(w), FLAG))
				return of_kube(json_string_value(w) + strlen(FLAG));
	}
	return NULL;
}

static const char *image_version(const json_t *pod)
{
	const char *image = json_path_str(pod, "spec.containers.0.image", "");
	const char *colon = strrchr(image, ':'), *v = colon ? colon + 1 : "";
	return *v == 'v' ? v + 1 : v;
}

static bool is_component(const json_t *pod, const char *component)
{
	const json_t *labels = json_path(pod, "metadata.labels");
	return g_strcmp0(json_string_value(json_object_get(labels, "component")), component) == 0;
}

void kubeadm_servers(const json_t *pods, Servers *ret)
{
	size_t i;
	json_t *p;
	*ret = (Servers){ .low = "", .high = "" };
	json_array_foreach (json_object_get(pods, "items"), i, p) {
		const char *v = image_version(p), *level = level_of(p);
		if (!is_component(p, "kube-apiserver"))
			continue;
		if (ret->n == 0 || version_compare_text(v, ret->low) < 0)
			ret->low = v;
		if (ret->n == 0 || version_compare_text(v, ret->high) > 0)
			ret->high = v;
		ret->n++;
		if (!is_below(level, v))
			continue;
		ret->n_below++;
		if (!*ret->level || kubeadm_above(ret->level, level))
			g_strlcpy(ret->level, level, sizeof ret->level);
	}
}

static bool stands_at(const char *is, const char *version, const char *level)
{
	return level ? g_strcmp0(is, level) == 0 : !is_below(is, version);
}

bool kubeadm_look_at_level(const json_t *discovered, const char *level)
{
	for (size_t i = 0; i < G_N_ELEMENTS(components); i++) {
		const json_t *m =
			json_object_get(json_object_get(discovered, "manifests"), components[i]);
		if (!m || !stands_at(json_path_str(m, "emulated", NULL),
				  kubeadm_image_version(discovered, components[i]), level))
			return false;
	}
	return true;
}

char *kubeadm_pods_level(const json_t *pods, const char *node, const char *level)
{
	size_t i;
	json_t *p;
	for (size_t c = 0; c < G_N_ELEMENTS(components); c++)
		json_array_foreach (json_object_get(pods, "items"), i, p) {
			const char *is = level_of(p);
			if (strcmp(json_path_str(p, "spec.nodeName", ""), node) != 0 ||
				!is_component(p, components[c]) ||
				stands_at(is, image_version(p), level))
				continue;
			return g_strdup_printf("pod %s stands at feature level %s",
				json_path_str(p, "metadata.name", "?"), is ? is : image_version(p));
		}
	return NULL;
}

/* ---- hops ---- */

const char *kubeadm_emulated(const json_t *hop)
{
	return json_path_str(hop, "emulated", NULL);
}

bool kubeadm_raises(const json_t *hop)
{
	return json_object_get(hop, "raise") != NULL;
}

const char *kubeadm_level_before(const json_t *hop, char buf[KUBEADM_LEVEL_BYTES])
{
	const char *from = json_path_str(hop, "from", "");
	return kubeadm_minor(
		json_path_str(hop, "raise", json_path_str(hop, "emulated", from)), buf);
}

bool kubeadm_is_stepped(const Item *it)
{
	return json_path_bool(wanted_target(it), "emulatedStep", false);
}

bool kubeadm_splits(const Item *it, const char *from, const char *to)
{
	Version a, b;
	return kubeadm_is_stepped(it) && version_parse(from, &a) && version_parse(to, &b) &&
	       version_minor_distance(&a, &b) == 1 && a.minor >= LEVEL_MIN_MINOR;
}

json_t *kubeadm_first_hop(const char *from, const char *to, int index)
{
	char level[KUBEADM_LEVEL_BYTES];
	json_t *hop = kubeadm_hop_json(from, to, index, false);
	kubeadm_minor(from, level);
	json_object_set_new(hop, "emulated", json_string(level));
	json_object_set_new(hop, "key", json_sprintf("%s-at-%s", to, level));
	json_object_set_new(
		hop, "text", json_sprintf("%s -> %s at feature level %s", from, to, level));
	return hop;
}

static json_t *second_hop(const char *from, const char *to, const char *level, bool last)
{
	char own[KUBEADM_LEVEL_BYTES];
	json_t *hop = kubeadm_hop_json(from, to, 0, last);
	json_object_set_new(hop, "raise", json_string(level));
	json_object_set_new(hop, "returns", json_string("T1"));
	json_object_set_new(hop, "key", json_sprintf("%s-raised", to));
	if (strcmp(kubeadm_minor(from, own), level) == 0) /* the binaries, after the level */
		json_object_set_new(hop, "before", kubeadm_first_hop(from, to, 0));
	json_object_set_new(hop, "text",
		json_sprintf("%s, feature level %s -> %s, then the kubelets", to, level,
			kubeadm_minor(to, own)));
	return hop;
}

/* The newest kubelet that is not above the level; "": there is none. */
static const char *kubelet_within(const json_t *nodes, const char *level)
{
	const char *best = "";
	size_t i;
	json_t *n;
	json_array_foreach (json_object_get(nodes, "items"), i, n) {
		const char *v = json_path_str(n, "status.nodeInfo.kubeletVersion", "");
		v += *v == 'v';
		if (*v && !kubeadm_above(v, level) && version_compare_text(v, best) > 0)
			best = v;
	}
	return best;
}

/* One minor version below; false: it is no version. */
static bool level_below(const char *version, char buf[KUBEADM_LEVEL_BYTES])
{
	Version v;
	if (!version_parse(version, &v) || v.minor == 0)
		return false;
	g_snprintf(buf, KUBEADM_LEVEL_BYTES, "%d.%d", v.major, v.minor - 1);
	return true;
}

/* What the first of the two hops left: of this run, by its backup sets, or as kubelets tell it. */
static const char *left_behind(
	const Item *it, const json_t *nodes, const char *to, const char *saved, const char *level)
{
	const json_t *before = kubeadm_hop(it);
	bool ours = kubeadm_same(json_path_str(before, "to", ""), to) &&
		    (kubeadm_emulated(before) || kubeadm_raises(before));
	const char *from = ours    ? json_path_str(before, "from", "")
			   : saved ? saved
				   : kubelet_within(nodes, level);
	return *from ? from : to;
}

json_t *kubeadm_raise_hop(
	const Item *it, const json_t *nodes, const Servers *s, const char *saved, bool last)
{
	char level[KUBEADM_LEVEL_BYTES];
	const char *low, *high;
	kubeadm_kubelets(nodes, &low, &high);
	if (!kubeadm_is_stepped(it) || !*s->high || !level_below(s->high, level))
		return NULL;
	if (s->n_below > 0)
		g_strlcpy(level, s->level, sizeof level);
	else if (!*low || kubeadm_above(low, level))
		return NULL;
	return second_hop(left_behind(it, nodes, s->high, saved, level), s->high, level, last);
}

/* ---- taking over ---- */

json_t *kubeadm_found_step(const Item *it, const json_t *nodes, const Servers *s, const char *saved,
	bool last, FoundClass *class)
{
	const char *low, *high;
	kubeadm_kubelets(nodes, &low, &high);
	if (version_compare_text(s->low, s->high) < 0)
		return kubeadm_splits(it, s->low, s->high) ? kubeadm_first_hop(s->low, s->high, 0)
							   : NULL;
	g_autoptr(json_t) raise = kubeadm_raise_hop(it, nodes, s, saved, last);
	if (!raise)
		return NULL;
	const char *from = json_path_str(raise, "from", "");
	if (s->n_below == s->n && !kubeadm_above(high, s->level) &&
		kubeadm_splits(it, from, s->high)) {
		*class = FOUND_BEFORE_NODES; /* the first hop, which moves none */
		return kubeadm_first_hop(from, s->high, 0);
	}
	if (s->n_below > 0)
		*class = FOUND_CONTROL_PLANE;
	return g_steal_pointer(&raise);
}

/* ---- beforehand ---- */

static void check_first(const Item *it, const json_t *hop, json_t *findings)
{
	const json_t *access = json_object_get(target_spec(target_of(it)), "nodeAccess");
	const char *from = json_path_str(hop, "from", ""), *to = json_path_str(hop, "to", "");
	Version a, b;
	if (kubeadm_emulated(hop) && *json_path_str(access, "kubeadm.config", ""))
		finding_add(findings, "block", "feature-level",
			"give patches and ignorePreflightErrors in nodeAccess.kubeadm instead of "
			"config, or take emulatedStep out of the plan",
			"emulatedStep and nodeAccess.kubeadm.config do not go together: the "
			"feature "
			"level is a patch, and with a configuration kubeadm takes no other "
			"patches");
	if (kubeadm_emulated(hop) || kubeadm_raises(hop) || !version_parse(from, &a) ||
		!version_parse(to, &b))
		return;
	if (version_minor_distance(&a, &b) == 0)
		finding_add(findings, "info", "feature-level", NULL,
			"emulatedStep changes nothing between %s and %s: they have the same "
			"feature "
			"level",
			from, to);
	else if (a.minor < LEVEL_MIN_MINOR)
		finding_add(findings, "block", "feature-level",
			"take emulatedStep out of the plan for this hop",
			"no server can be asked for feature level %d.%d: 1.%d is the lowest",
			a.major, a.minor, (int)LEVEL_MIN_MINOR);
}

/* A level that this plan does not ask for: whoever set it decides. */
static void check_foreign(const Servers *s, const json_t *hop, json_t *findings)
{
	const char *to = json_path_str(hop, "to", "");
	bool stays = hop && kubeadm_same(to, s->high);
	g_autofree char *is =
		g_strdup_printf("the API servers run %s at feature level %s (--emulated-version, "
				"set by hand or by an earlier T1)",
			s->high, s->level);
	if (!hop)
		finding_add(findings, "warn", "feature-level",
			"emulatedStep: true in the plan lets it be raised",
			"%s: it is left as it is", is);
	else if (stays)
		finding_add(findings, "block", "feature-level",
			"emulatedStep: true in the plan lets it be raised first; or take "
			"--emulated-version out of the manifests by hand",
			"%s, and no kubelet may be above it: the kubelets cannot go to %s", is, to);
	else
		finding_add(findings, "warn", "feature-level",
			"name the flag in kubeadm's ClusterConfiguration, if it shall stay",
			"%s: kubeadm writes their manifests anew, and the flag stays only where "
			"its ClusterConfiguration names it",
			is);
}

void kubeadm_check_level(const Item *it, const json_t *pods, const json_t *nodes, const json_t *hop,
	json_t *findings)
{
	Servers s;
	size_t i;
	json_t *n;
	kubeadm_servers(pods, &s);
	if (kubeadm_is_stepped(it) && hop)
		check_first(it, hop, findings);
	else if (s.n_below > 0)
		check_foreign(&s, hop, findings);
	json_array_foreach (s.n_below > 0 ? json_object_get(nodes, "items") : NULL, i, n) {
		const char *is = json_path_str(n, "status.nodeInfo.kubeletVersion", "");
		if (kubeadm_above(is, s.level))
			finding_add(findings, "warn", "skew",
				"raise the feature level, or bring "
				"that kubelet back",
				"the kubelet of %s runs %s, above the feature level %s of the API "
				"servers",
				json_path_str(n, "metadata.name", "?"), is, s.level);
	}
}
