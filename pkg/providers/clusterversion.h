/* Reading a ClusterVersion (config.openshift.io/v1), as openshift/api types_cluster_version.go and
 * the traps of the cluster-version operator tell: "Progressing=False" alone means nothing,
 * observedGeneration lags, status.desired is what is being reconciled and not what was asked, a
 * refused request shows only in ReleaseAccepted. Pure. */
#pragma once
#include "codec/json.h"

/* "True", "False", "Unknown", or "" when the condition is not there. Works for every object with
 * status.conditions. */
const char *condition_status(const json_t *object, const char *type);
const char *condition_reason(const json_t *object, const char *type);
const char *condition_message(const json_t *object, const char *type);
/* Those of several types in one pass over the conditions, NULL where there is none. Borrowed. */
void conditions_find(
	const json_t *object, const char *const *types, size_t n, const json_t **ret_conditions);
/* A member of one condition, "" where it or the condition is missing. */
const char *condition_text(const json_t *condition, const char *member);
/* lastTransitionTime; 0 when missing. */
int64_t condition_since_usec(const json_t *object, const char *type);

/* The newest Completed entry of the history: what the cluster runs. NULL when there is none. */
const json_t *cv_current(const json_t *cv);
const char *cv_current_version(const json_t *cv);
const char *cv_current_image(const json_t *cv);
/* The update under way as asked in spec.desiredUpdate; "" when nothing is asked. */
const char *cv_wanted_version(const json_t *cv);
const char *cv_wanted_image(const json_t *cv);

typedef enum {
	CV_IDLE, /* nothing asked beyond what stands */
	CV_WAITING, /* asked, not yet taken up by the operator */
	CV_REFUSED, /* ReleaseAccepted=False for this request, or Invalid */
	CV_RUNNING,
	CV_FAILING, /* running, and the operator says Failing=True */
	CV_COMPLETED /* this version and image stand, proven */
} CvPhase;
/* Where the request for this version and image is; ret_text (may be NULL): the operator's own
 * words. Caller frees. */
CvPhase cv_phase(const json_t *cv, const char *version, const char *image, char **ret_text);

/* How the version can be reached by one step from here. */
typedef enum { CV_EDGE_NONE, CV_EDGE_RECOMMENDED, CV_EDGE_CONDITIONAL } CvEdge;
/* ret_image and ret_risks (array of {"name","message"}, only those that apply or may) are borrowed;
 * either may be NULL. */
CvEdge cv_edge(
	const json_t *cv, const char *version, const char **ret_image, const json_t **ret_risks);
/* The name of the first risk of a conditional edge that the list does not accept; NULL: all
 * accepted. */
const char *cv_unaccepted_risk(const json_t *risks, const json_t *accepted);

/* The version that the operator takes back without force, and its image: the first history entry
 * that differs from what is reconciled now, when it is lower and of the same minor. false: none;
 * ret_why says why (caller frees). */
bool cv_previous(
	const json_t *cv, const char **ret_version, const char **ret_image, char **ret_why);
/* The same question before a hop: could the operator take the cluster back to its current version
 * afterwards? */
bool cv_can_return(const char *from, const char *to, char **ret_why);
