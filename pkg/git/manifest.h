/* The files of a wish at one commit, and what the editor says to them. */
#pragma once
#include "git/act.h"

typedef enum {
	MANIFEST_OK,
	MANIFEST_RACED, /* what stands there is not what was expected */
	MANIFEST_REFUSED,
	MANIFEST_ERROR, /* err is set */
} ManifestKind;

typedef struct ManifestFile {
	const char *path; /* borrowed from the request */
	bool missing;
	git_oid old;
	git_filemode_t mode;
	json_t *answer; /* of the editor; NULL when missing */
	bool changed; /* "text" is not what stands there */
} ManifestFile;

typedef struct Manifests {
	ManifestFile file[GIT_MAX_FILES];
	size_t n_files;
	json_t *refused; /* message, file, line, column, code */
	char *raced; /* message */
	char *hash; /* of the bytes concerned, hex */
} Manifests;

/* look: nothing is changed, and a missing file is no refusal. */
ManifestKind manifests_read(
	Manifests *m, Act *a, const ActRef *at, const GitEditor *editor, bool look, GError **err);
void manifests_clear(Manifests *m);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Manifests, manifests_clear)

bool manifests_stand(const Manifests *m); /* every value is as wished */
bool manifests_changed(const Manifests *m);
/* [{"path", "missing", "edits": PLACES}]; before: "value" is called before, with an "after". */
json_t *manifests_json(const Manifests *m, const json_t *request, bool before);
json_t *manifests_undo(const Manifests *m); /* FILES that put back what stood, or null */
/* The tree of the commit with the new texts in place of the old ones. */
bool manifests_tree(
	const Manifests *m, git_repository *repo, git_tree *root, git_oid *ret_tree, GError **err);
