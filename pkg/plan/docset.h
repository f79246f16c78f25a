/* All documents of one revision of a repository (or of one command line): checked together, found
 * by kind and name. Pure: files come from elsewhere, YAML has been read by the worker.
 *
 *	DocSet *set = docset_new();
 *	docset_add_files(set, request, answer);   what went to the worker's verb yaml and came back
 *	docset_check(set);
 *	if (!docset_ok(set)) ... findings_text(docset_findings(set), ...)
 *	else docset_find(set, "UpgradePlan", "to-4-21-10")
 */
#pragma once
#include "plan/doc.h"
#include "plan/finding.h"

enum {
	DOCSET_MAX_FILE_BYTES = 16 << 20,
	DOCSET_MAX_TREE_BYTES = 64 << 20,
	DOCSET_MAX_FILES = 10000,
};

typedef struct DocSet DocSet;

DocSet *docset_new(void) SL_MUST_USE;
void docset_free(DocSet *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DocSet, docset_free)

/* request: {"files": [{"name", "text" or "base64"}]}, answer: {"files": [...]} in the same order,
 * as pkg/yaml/yaml.h says. Both are kept by reference and may not be changed any more. INVALID
 * when they do not belong together. */
bool docset_add_files(DocSet *s, json_t *request, json_t *answer, GError **err) SL_MUST_USE;
/* A file that could not even be read: a finding of its own. */
void docset_add_error(DocSet *s, const char *file, const char *message);
/* Checks everything, once, after the last add. */
void docset_check(DocSet *s);

/* No errors. Only then may the documents be used for anything but messages. */
bool docset_ok(const DocSet *s);
const Findings *docset_findings(const DocSet *s);
size_t docset_n_documents(const DocSet *s);
size_t docset_n_files(const DocSet *s);

/* The documents of a kind, sorted by name, without the shipped ones. Borrowed. */
size_t docset_n(const DocSet *s, const char *kind);
const Doc *docset_nth(const DocSet *s, const char *kind, size_t i);
/* By name, the shipped ones ("builtin/openshift") too. NULL when there is none. */
const Doc *docset_find(const DocSet *s, const char *kind, const char *name);

/* Names of the clusters of a wave (its object in the plan's doc_full), in order: as listed, or by
 * labels and sorted by name. Names without a Cluster document are left out. New reference. */
json_t *docset_wave_clusters(const DocSet *s, const json_t *wave) SL_MUST_USE;

/* The policy that counts for a cluster in a wave: the wave's, else the plan's, else the shipped
 * one. field: gates, drain, window or rollback. NULL: window where none is named (always open), or
 * a name that does not exist. */
const Doc *docset_policy(const DocSet *s, const Doc *plan, const json_t *wave, const Doc *cluster,
	const char *field);

/* The template of a Job that a policy names: "builtin/etcd-backup", or the path of a file below
 * policies/jobs/. NULL: there is none, or it is no Job (ret_why, may be NULL, says what is wrong;
 * caller frees). New reference. */
json_t *docset_job(const DocSet *s, const char *file, char **ret_why) SL_MUST_USE;

/* The gates of a GatePolicy after include and replacement by name, in order. New reference. */
json_t *docset_gates(const DocSet *s, const Doc *policy) SL_MUST_USE;
