/* Who else writes an object or one of its fields: told by the marks that GitOps controllers leave
 * and by the field managers. Pure.
 *
 * Argo CD: annotation argocd.argoproj.io/tracking-id (APPLICATION:GROUP/KIND:NAMESPACE/NAME, before
 * it NAMESPACE_ where Applications live in any namespace), label argocd.argoproj.io/instance, label
 * app.kubernetes.io/instance beside the field manager argocd-controller. Flux: labels
 * {kustomize,helm}.toolkit.fluxcd.io/{name,namespace}, field managers kustomize-controller and
 * helm-controller. */
#pragma once
#include "codec/json.h"

typedef enum {
	OWNER_NONE,
	OWNER_ARGO_CD, /* name: of the Application */
	OWNER_FLUX, /* name: of the Kustomization */
	OWNER_FLUX_HELM, /* name: of the HelmRelease */
	OWNER_MANAGER, /* name: of a field manager that owns the field */
} OwnerKind;

typedef struct Owner {
	OwnerKind kind;
	char *name, *namespace; /* NULL where the marks do not tell */
	char *mark; /* what tells it, in words; NULL: nobody owns it */
} Owner;
void owner_clear(Owner *o);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Owner, owner_clear)

/* path: NULL-terminated field names ("spec", "desiredUpdate"); people: managers that are nobody's
 * controller (NULL-terminated). An object that a GitOps controller tracks belongs to it as a whole.
 */
void owner_find(
	const json_t *object, const char *const *path, const char *const *people, Owner *ret);
bool owner_is_gitops(const Owner *o);
/* "Argo CD application ocp-prod". Caller frees. */
char *owner_text(const Owner *o);
