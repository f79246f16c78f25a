/* shiplock takeover: the claim of a controller whose host or journal is lost is overwritten with a
 * higher epoch. Says first whose it is, asks once. */
#include "find.h"
#include "order.h"
#include "show.h"
#include <string.h>

static const json_t *claim_of(const json_t *status, const char *cluster)
{
	size_t i;
	json_t *c;
	json_array_foreach (json_object_get(status, "claims"), i, c)
		if (strcmp(json_path_str(c, "cluster", ""), cluster) == 0)
			return c;
	return NULL;
}

static void show_takeover(const Args *a, const json_t *status)
{
	const json_t *c = claim_of(status, a->rest[0]);
	Term t = term_of(stdout);
	g_autoptr(GString) out = g_string_new("");
	if (c)
		g_string_append_printf(out, "%s: %s\n", a->rest[0],
			json_path_str(c, "text", "this controller holds it itself"));
	else
		g_string_append_printf(out,
			"%s: no claim was seen on it yet; it is read before anything is written\n",
			a->rest[0]);
	g_string_append(out,
		"  first    the epoch of its claim is raised: whoever held it writes nothing more\n"
		"  then     what runs there is looked at, and the cluster is held\n"
		"  you      resume goes on from there, rollback goes back, abort leaves it as it "
		"is\n"
		"  only     where the other controller is lost for good, or stopped\n");
	if (!a->json)
		term_put(&t, stdout, out);
}

/* The entry of the cluster; NULL with err NULL: no run of this journal knows it. */
static json_t *seen_cluster(Client *c, const char *cluster, GError **err)
{
	Target target = { .cluster = (char *)cluster };
	g_autofree char *path = target_path(&target, "");
	int status = 0;
	json_t *v = client_call(c, "GET", path, NULL, &status, err);
	if (status == 200)
		return v;
	json_decref(v);
	return NULL;
}

int verb_takeover(const Args *a)
{
	g_autoptr(GError) err = NULL;
	g_autoptr(Client) c = client_open(client_socket(a), &err);
	g_autoptr(json_t) status = c ? client_get(c, "/v1/status", &err) : NULL;
	g_autoptr(json_t) seen = status ? seen_cluster(c, a->rest[0], &err) : NULL;
	if (err)
		return client_fail(a, err);
	show_takeover(a, status);
	if (!order_confirmed(a)) {
		g_autofree char *hint =
			g_strdup_printf("shiplock takeover --yes %s %s", a->rest[0], a->rest[0]);
		return cli_fail(
			a, EXIT_USAGE, "the name is not the cluster's: nothing was done", hint);
	}
	g_autoptr(json_t) body = order_body(a, seen);
	if (seen)
		order_expect_seen(body, seen);
	json_object_set_new(body, "confirm", json_string(a->rest[0]));
	return order_give(a, c, a->rest[0], body);
}
