/* The API of the controller over its Unix socket: HTTP/1.1, one request at a time, blocking. */
#pragma once
#include "cli.h"

enum {
	CLIENT_TIMEOUT_MSEC = 30000, /* silence of the server */
	CLIENT_ORDER_MSEC = 60000, /* until an order is durable */
	CLIENT_MAX_BYTES = 256 << 20,
	CLIENT_MAX_LINE_BYTES = 4 << 20,
};

typedef struct Client Client;
/* --socket, else $SHIPLOCK_SOCKET, else the usual place. */
const char *client_socket(const Args *a);
/* NOT_FOUND: nobody listens there; REFUSED: not for us. */
Client *client_open(const char *socket, GError **err) SL_MUST_USE;
void client_free(Client *c); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Client, client_free)

/* The answer's JSON, cleaned of control characters; *ret_status its status. NULL: there was none.
 * New reference. */
json_t *client_call(Client *c, const char *method, const char *path, const json_t *body,
	int *ret_status, GError **err) SL_MUST_USE;
/* GET, where anything but 200 is an error with the problem's words. */
json_t *client_get(Client *c, const char *path, GError **err) SL_MUST_USE;
/* POST of an order; waits until it is durable. An error carries the controller's words. */
json_t *client_order(Client *c, const char *path, const json_t *body, GError **err) SL_MUST_USE;

/* Events after that record. The connection serves nothing else from then on. */
bool client_follow(Client *c, int64_t after, GError **err);
/* The next event, or NULL: with err NULL when none came within timeout_msec (-1: wait), RETRY when
 * the stream ended and is to be opened again. New reference. */
json_t *client_event(Client *c, int timeout_msec, GError **err);

/* Says what is wrong, and what to try where nobody listens. Returns the exit code. */
int client_fail(const Args *a, const GError *err);
