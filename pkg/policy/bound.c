#include "policy/bound.h"
#include "base/num.h"

static int ceil_div(int a, int b)
{
	return (a + b - 1) / b;
}

double bound_app(const BoundApp *a)
{
	if (a->moves <= 0)
		return 0;
	int rounds = a->slots > 0 ? ceil_div(a->moves, a->slots) : 1;
	return (rounds - 1) * a->slot_sec + a->gone_sec;
}

double bound_node(const BoundApp *apps, size_t n)
{
	double most = 0;
	for (size_t i = 0; i < n; i++)
		most = sl_max(most, bound_app(&apps[i]));
	return most;
}

static double bound_nodes(const BoundCluster *c)
{
	int rounds = ceil_div(c->nodes, MAX(c->at_once, 1));
	if (rounds == 0)
		return 0;
	if (!c->pipelined)
		return rounds * (c->drain_sec + c->upgrade_sec);
	return c->drain_sec + c->upgrade_sec + (rounds - 1) * MAX(c->drain_sec, c->upgrade_sec);
}

double bound_cluster(const BoundCluster *c, size_t *ret_app)
{
	double most = bound_nodes(c);
	size_t app = c->n_apps;
	if (c->requests_per_sec > 0)
		most = MAX(most, c->requests / c->requests_per_sec);
	for (size_t i = 0; i < c->n_apps; i++) {
		double t = bound_app(&c->apps[i]);
		if (t <= most)
			continue;
		most = t;
		app = i;
	}
	if (ret_app)
		*ret_app = app;
	return most;
}
