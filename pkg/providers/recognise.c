/* Which provider a cluster is of that no document speaks of. */
#include "providers/clusterversion.h"
#include "providers/preflight.h"

#define CV_PATH "/apis/config.openshift.io/v1/clusterversions/version"

/* A server that does not know the kind at all is no OpenShift; one that cannot be asked stays what
 * it is taken for, and the preflight says what cannot be read. */
bool provider_recognise(Item *it)
{
	g_autoptr(json_t) nobody_reads = json_array();
	Target *t = target_of(it);
	const View *v;
	if (t->provider != &provider_openshift)
		return true;
	if (!provider_settled(it, &fact_object, CV_PATH, true, &v, nobody_reads))
		return false;
	if (!v && provider_no_such_kind(fact_error(it, &fact_object, CV_PATH)))
		t->provider = &provider_kubeadm;
	return true;
}
