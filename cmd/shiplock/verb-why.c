/* shiplock why: why it stands where it stands. */
#include "client.h"
#include "find.h"
#include "show.h"

int verb_why(const Args *a)
{
	g_autoptr(GError) err = NULL;
	g_auto(Target) target = target_parse(a->rest[0]);
	g_autofree char *path = target_path(&target, "/why");
	g_autoptr(Client) c = client_open(client_socket(a), &err);
	g_autoptr(json_t) why = c ? client_get(c, path, &err) : NULL;
	if (!why)
		return client_fail(a, err);
	if (a->json) {
		cli_print_json(why);
		return EXIT_SUCCEEDED;
	}
	Term t = term_of(stdout);
	g_autoptr(GString) out = g_string_new("");
	show_why(why, &t, out);
	g_autofree char *entry = target.cluster && !target.node ? target_path(&target, "") : NULL;
	g_autoptr(json_t) cluster = entry ? client_get(c, entry, NULL) : NULL;
	show_nodes(cluster, out);
	term_put(&t, stdout, out);
	return EXIT_SUCCEEDED;
}
