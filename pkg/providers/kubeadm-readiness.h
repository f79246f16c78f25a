/* The readiness list: what must hold so that the software of the older minor version may take a
 * control plane over again (T2). kubeadm-readiness.c looks, kubeadm-probe.c makes the offer. */
#pragma once
#include "providers/kubeadm-ready.h"

typedef struct Readiness {
	Item *it;
	const json_t *hop; /* borrowed */
	const json_t *machines; /* those that would go back, as kubeadm_machines gives them */
	const json_t *nodes; /* the list */
	const json_t *version; /* of /version */
	bool after; /* the hop is done, or begun: there are backup sets */
	bool missing; /* a fact is not read yet */
	char *bar; /* why there is no T2; the first that was found; NULL: none */
	char *no_software; /* no bar by itself: the saved manifests alone would do; why not */
	GString *leaves; /* what stays behind, each beginning with "; " */
	int64_t ends_sec; /* wall time at which the first certificate ends; INT64_MAX: none known */
} Readiness;

void readiness_look(Readiness *r); /* all rows, at once */
void readiness_clear(Readiness *r);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Readiness, readiness_clear)

/* kubeadm-images.c. A look (KUBEADM_IMAGES and the version): whether the control plane's images of
 * that version lie on the node, and whether they could be pulled. */
#define KUBEADM_IMAGES "images "
char *node_images_text(const char *version);
/* {"missing": [IMAGE], "never": [IMAGE] (those of them that are never pulled), "unknown": bool}.
 * INVALID: no such answer. New reference. */
json_t *node_images_looked(const char *out, GError **err);
