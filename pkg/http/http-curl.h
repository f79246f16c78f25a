/* The real transport: libcurl's multi interface on sd-event. Each identity (address, trust, client
 * certificate, proxy, generation) has two connection pools: one for short calls with at most
 * HTTP_MAX_CONNECTIONS connections, and one for watches without a cap, so that a watch never takes
 * the place of a short call and on HTTP/1.1 every watch has a connection of its own. Pools without
 * requests are closed after HTTP_IDLE_SEC.
 *
 * A request other than GET is never sent twice: where libcurl would repeat it on a new connection,
 * it ends as HTTP_UNKNOWN. HTTP_NOT_SENT is said only while the request had not been handed to a
 * connection. Redirects are not followed. Environment proxies (http_proxy, https_proxy, no_proxy)
 * count where the endpoint has no proxy_url. A compressed body that
 * the server itself cut short within a whole HTTP message is delivered short (libcurl does not
 * notice): whoever parses it does. SIGPIPE is ignored by the whole process from the first
 * http_curl_new() on, because TLS writes cannot suppress it. */
#pragma once
#include "http/http.h"
#include "loop/loop.h"
#include <systemd/sd-event.h>

enum {
	HTTP_MAX_CONNECTIONS = 4,
	HTTP_CONNECT_TIMEOUT_MSEC = 10000,
	HTTP_IDLE_SEC = 15,
	HTTP_MAX_LINE_BYTES = 16 << 20, /* of a watch; HttpRequest.max_bytes replaces it */
	HTTP_WATCH_SILENCE_MSEC = 120000, /* where timeout_msec of a watch is 0 */
};

typedef struct HttpCurl HttpCurl;
/* The event loop must outlive the result. Aborts when libcurl cannot be initialized. */
HttpCurl *http_curl_new(sd_event *event, Loop loop);
/* Closes all connections; completions that are outstanding are dropped. Not from inside one. */
void http_curl_free(HttpCurl *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpCurl, http_curl_free)
Http http_curl_http(HttpCurl *c);
/* Requests and watches that have not ended. */
size_t http_curl_n_open(const HttpCurl *c);
