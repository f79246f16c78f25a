/* How software comes to a node: one row for each method of nodeAccess.software. software is that
 * object of the Cluster document; in its texts {{minor}} becomes 1.36 and {{version}} 1.36.3.
 *
 * apt: "source" is a line of sources.list. The line that stands on the node for another minor is
 *   switched where it stands; where there is none it goes into sources.list.d/shiplock.list.
 * dnf: "source" is the baseurl; the same with yum.repos.d/shiplock.repo.
 * binaries: "from" is a folder on the node or a URL, which holds the programs by their names.
 *   "sha256sums" has lines of sha256sum: either its text ("sha256sumsText", which goes first: read
 *   by the controller, so that programs and digests come by two ways), or a path on the node or a
 *   URL. Where it has more than one line for a name, that with the version in its path counts. The
 *   file goes where the program is on PATH, else to /usr/local/bin; the one before is kept under
 *   /var/lib/shiplock/binaries/VERSION and is taken from there on the way back.
 *
 * kubectl moves with the kubelet where the node has it. */
#pragma once
#include "codec/json.h"

enum { SOFTWARE_KUBEADM = 1 << 0, SOFTWARE_KUBELET = 1 << 1 }; /* the latter: and kubectl */

typedef struct SoftwareOps {
	const char *method;
	/* A look: could this version of all three be had? Exit 0: yes; else the words on stderr say
	 * why not. Changes nothing on the node. */
	char *(*simulate)(const json_t *software, const char *version);
	/* An effect, up or down: exactly this version, held; the same again mends what was half
	 * installed. The running kubelet is not restarted by it (a package may do so itself). */
	char *(*install)(const json_t *software, const char *version, unsigned what);
} SoftwareOps;

const SoftwareOps *software_find(const char *method); /* NULL: no such method */

/* The text of a member with its placeholders replaced; NULL: it has none. Caller frees. */
char *software_value(const json_t *software, const char *member, const char *version);
/* "1.36" of "1.36.3" or "v1.36.3"; caller frees. */
char *software_minor(const char *version);

extern const SoftwareOps software_apt, software_dnf, software_binaries; /* for software_find */
