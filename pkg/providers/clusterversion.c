#include "providers/clusterversion.h"
#include "objects/time.h"
#include "objects/version.h"
#include <string.h>

void conditions_find(
	const json_t *object, const char *const *types, size_t n, const json_t **ret_conditions)
{
	size_t i;
	json_t *c;
	for (size_t k = 0; k < n; k++)
		ret_conditions[k] = NULL;
	json_array_foreach (
		json_object_get(json_object_get(object, "status"), "conditions"), i, c) {
		const char *type = json_string_value(json_object_get(c, "type"));
		for (size_t k = 0; type && k < n; k++)
			if (!ret_conditions[k] && strcmp(type, types[k]) == 0)
				ret_conditions[k] = c;
	}
}

const char *condition_text(const json_t *condition, const char *member)
{
	const char *text = json_string_value(json_object_get(condition, member));
	return text ? text : "";
}

static const json_t *condition(const json_t *object, const char *type)
{
	const json_t *c;
	conditions_find(object, &type, 1, &c);
	return c;
}

const char *condition_status(const json_t *object, const char *type)
{
	return condition_text(condition(object, type), "status");
}

const char *condition_reason(const json_t *object, const char *type)
{
	return condition_text(condition(object, type), "reason");
}

const char *condition_message(const json_t *object, const char *type)
{
	return condition_text(condition(object, type), "message");
}

int64_t condition_since_usec(const json_t *object, const char *type)
{
	int64_t usec = 0;
	sl_time_parse(condition_text(condition(object, type), "lastTransitionTime"), &usec);
	return usec;
}

static bool is(const json_t *object, const char *type, const char *status)
{
	return strcmp(condition_status(object, type), status) == 0;
}

const json_t *cv_current(const json_t *cv)
{
	size_t i;
	json_t *h;
	json_array_foreach (json_path(cv, "status.history"), i, h)
		if (strcmp(json_path_str(h, "state", ""), "Completed") == 0)
			return h;
	return NULL;
}

const char *cv_current_version(const json_t *cv)
{
	return json_path_str(cv_current(cv), "version", "");
}

const char *cv_current_image(const json_t *cv)
{
	return json_path_str(cv_current(cv), "image", "");
}

const char *cv_wanted_version(const json_t *cv)
{
	return json_path_str(cv, "spec.desiredUpdate.version", "");
}

const char *cv_wanted_image(const json_t *cv)
{
	return json_path_str(cv, "spec.desiredUpdate.image", "");
}

/* Trap a: after the patch, for seconds, Progressing=False still speaks of the old version. */
static bool completed(const json_t *cv, const char *version, const char *image)
{
	const json_t *newest = json_path(cv, "status.history.0");
	return strcmp(json_path_str(cv, "status.desired.image", ""), image) == 0 &&
	       strcmp(json_path_str(newest, "image", ""), image) == 0 &&
	       strcmp(json_path_str(newest, "version", ""), version) == 0 &&
	       strcmp(json_path_str(newest, "state", ""), "Completed") == 0 &&
	       is(cv, "Progressing", "False") && !is(cv, "Failing", "True");
}

/* Only ReleaseAccepted's message names the request; the other conditions stay at the old target
 * (trap b). */
static bool refused(const json_t *cv, const char *version, const char *image)
{
	if (!is(cv, "ReleaseAccepted", "False"))
		return false;
	const char *text = condition_message(cv, "ReleaseAccepted");
	return (*image && strstr(text, image)) || (*version && strstr(text, version));
}

static void say(char **ret_text, const json_t *cv, const char *type)
{
	if (ret_text)
		*ret_text = g_strdup_printf("%s=%s (%s): %s", type, condition_status(cv, type),
			condition_reason(cv, type), condition_message(cv, type));
}

CvPhase cv_phase(const json_t *cv, const char *version, const char *image, char **ret_text)
{
	if (ret_text)
		*ret_text = NULL;
	if (completed(cv, version, image))
		return CV_COMPLETED;
	if (strcmp(cv_wanted_image(cv), image) != 0)
		return CV_IDLE;
	if (is(cv, "Invalid", "True")) {
		say(ret_text, cv, "Invalid");
		return CV_REFUSED;
	}
	if (refused(cv, version, image)) {
		say(ret_text, cv, "ReleaseAccepted");
		return CV_REFUSED;
	}
	if (strcmp(json_path_str(cv, "status.desired.image", ""), image) != 0) {
		say(ret_text, cv, "ReleaseAccepted");
		return CV_WAITING;
	}
	if (is(cv, "Failing", "True")) {
		say(ret_text, cv, "Failing");
		return CV_FAILING;
	}
	say(ret_text, cv, "Progressing");
	return CV_RUNNING;
}

static bool applies(const json_t *update)
{
	size_t i;
	json_t *c;
	json_array_foreach (json_path(update, "conditions"), i, c)
		if (strcmp(json_path_str(c, "type", ""), "Recommended") == 0)
			return strcmp(json_path_str(c, "status", ""), "True") != 0;
	return true;
}

CvEdge cv_edge(
	const json_t *cv, const char *version, const char **ret_image, const json_t **ret_risks)
{
	size_t i;
	json_t *u;
	json_array_foreach (json_path(cv, "status.availableUpdates"), i, u)
		if (strcmp(json_path_str(u, "version", ""), version) == 0) {
			if (ret_image)
				*ret_image = json_path_str(u, "image", "");
			return CV_EDGE_RECOMMENDED;
		}
	json_array_foreach (json_path(cv, "status.conditionalUpdates"), i, u) {
		if (strcmp(json_path_str(u, "release.version", ""), version) != 0)
			continue;
		if (ret_image)
			*ret_image = json_path_str(u, "release.image", "");
		if (ret_risks)
			*ret_risks = json_object_get(u, "risks");
		return applies(u) ? CV_EDGE_CONDITIONAL : CV_EDGE_RECOMMENDED;
	}
	return CV_EDGE_NONE;
}

const char *cv_unaccepted_risk(const json_t *risks, const json_t *accepted)
{
	size_t i, k;
	json_t *risk, *name;
	json_array_foreach (risks, i, risk) {
		bool found = false;
		json_array_foreach (accepted, k, name)
			found = found || strcmp(json_path_str(risk, "name", ""),
						 json_string_value(name)) == 0;
		if (!found)
			return json_path_str(risk, "name", "(a risk without a name)");
	}
	return NULL;
}

bool cv_can_return(const char *from, const char *to, char **ret_why)
{
	Version a, b;
	if (!version_parse(from, &a) || !version_parse(to, &b)) {
		*ret_why = g_strdup_printf("%s or %s is no version that can be compared", from, to);
		return false;
	}
	if (version_minor_distance(&a, &b) != 0) {
		*ret_why = g_strdup_printf("%s is another minor version than %s; the operator "
					   "refuses to go back over a minor",
			to, from);
		return false;
	}
	return true;
}

/* CVO precondition ClusterVersionRollback: only the first differing entry of the history, and only
 * within the minor. */
bool cv_previous(const json_t *cv, const char **ret_version, const char **ret_image, char **ret_why)
{
	const char *now = json_path_str(cv, "status.desired.version", "");
	const char *now_image = json_path_str(cv, "status.desired.image", "");
	size_t i;
	json_t *h;
	*ret_why = NULL;
	json_array_foreach (json_path(cv, "status.history"), i, h) {
		const char *version = json_path_str(h, "version", ""),
			   *image = json_path_str(h, "image", "");
		if (strcmp(version, now) == 0 && strcmp(image, now_image) == 0)
			continue;
		Version a, b;
		if (!version_parse(version, &a) || !version_parse(now, &b) ||
			version_compare(&a, &b) >= 0) {
			*ret_why = g_strdup_printf(
				"the version before %s was %s, which is not lower", now, version);
			return false;
		}
		if (!cv_can_return(version, now, ret_why))
			return false;
		*ret_version = version;
		*ret_image = image;
		return true;
	}
	*ret_why = g_strdup("the history knows no other version");
	return false;
}
