/* shiplock status: the first thing at three in the morning. */
#include "client.h"
#include "show.h"

int verb_status(const Args *a)
{
	g_autoptr(GError) err = NULL;
	g_autoptr(Client) c = client_open(client_socket(a), &err);
	g_autoptr(json_t) status = c ? client_get(c, "/v1/status", &err) : NULL;
	if (!status)
		return client_fail(a, err);
	if (a->json) {
		cli_print_json(status);
		return EXIT_SUCCEEDED;
	}
	Term t = term_of(stdout);
	g_autoptr(GString) out = g_string_new("");
	show_status(status, &t, out);
	term_put(&t, stdout, out);
	return EXIT_SUCCEEDED;
}
