/* shiplock version: of the program, and of the controller where one listens. */
#include "client.h"

int verb_version(const Args *a)
{
	g_autoptr(Client) c = client_open(client_socket(a), NULL);
	g_autoptr(json_t) there = c ? client_get(c, "/v1/version", NULL) : NULL;
	if (a->json) {
		g_autoptr(json_t) v =
			json_pack("{s:s,s:O?}", "version", SL_VERSION, "controller", there);
		cli_print_json(v);
		return EXIT_SUCCEEDED;
	}
	puts("shiplock " SL_VERSION);
	if (there)
		printf("controller %s, fleet %s\n", json_path_str(there, "version", "?"),
			json_path_str(there, "fleet", "?"));
	return EXIT_SUCCEEDED;
}
