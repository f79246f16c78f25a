#include "http/http-private.h"
#include <string.h>
#include <sys/socket.h>

/* Called each time the request is about to be written to a connection. libcurl repeats a request by
 * itself when a kept connection turns out to be closed; for a write that would hide that the first
 * one may have taken effect. */
static int on_before_send(
	void *ud, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
	HttpReq *req = ud;
	if (req->n_tries > 0 && !req->is_get) {
		req->broken = "the connection was lost after the request was sent";
		return CURL_PREREQFUNC_ABORT;
	}
	req->n_tries++;
	return CURL_PREREQFUNC_OK;
}

/* Plugins and workers that we start must not inherit connections. */
static curl_socket_t on_open_socket(void *ud, curlsocktype purpose, struct curl_sockaddr *a)
{
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static void received(HttpReq *req)
{
	req->last_rx_usec = req->lane->last_rx_usec = http_curl_boot_usec(req->owner);
}

static void headers_reset(HttpReq *req)
{
	g_clear_pointer(&req->content_type, g_free);
	g_clear_pointer(&req->warning, g_free);
	g_clear_pointer(&req->audit_id, g_free);
	g_clear_pointer(&req->etag, g_free);
	req->retry_after_sec = -1;
	req->status = 0;
	req->head_done = false;
}

static void header_keep(HttpReq *req, const char *name, char *value)
{
	if (g_ascii_strcasecmp(name, "content-type") == 0 && !req->content_type)
		req->content_type = g_strdup(value);
	else if (g_ascii_strcasecmp(name, "warning") == 0 && !req->warning)
		req->warning = http_warning_text(value);
	else if (g_ascii_strcasecmp(name, "audit-id") == 0 && !req->audit_id)
		req->audit_id = g_strdup(value);
	else if (g_ascii_strcasecmp(name, "etag") == 0 && !req->etag)
		req->etag = g_strdup(value);
	else if (g_ascii_strcasecmp(name, "retry-after") == 0 && req->retry_after_sec < 0)
		req->retry_after_sec = http_retry_after(value, http_curl_wall_usec(req->owner));
}

static size_t on_header(char *data, size_t size, size_t n, void *ud)
{
	HttpReq *req = ud;
	g_autofree char *line = g_strstrip(g_strndup(data, n));
	received(req);
	/* A status line starts anew: interim answers come before the real one. */
	if (g_str_has_prefix(line, "HTTP/")) {
		headers_reset(req);
		const char *code = strchr(line, ' ');
		req->status = code ? (int)g_ascii_strtoll(code, NULL, 10) : 0;
		return n;
	}
	req->head_done |= *line == '\0';
	char *colon = strchr(line, ':');
	if (colon) {
		*colon = '\0';
		header_keep(req, line, g_strstrip(colon + 1));
	}
	return n;
}

static bool take_line_bytes(HttpReq *req, const char *data, size_t n)
{
	if (!http_lines_add(&req->lines, data, n)) {
		req->broken = "a line of the stream is too long";
		return false;
	}
	if (!req->dirty)
		g_queue_push_tail(&req->lane->dirty, req);
	req->dirty = true;
	return true;
}

static size_t on_body(char *data, size_t size, size_t n, void *ud)
{
	HttpReq *req = ud;
	received(req);
	if (http_req_streams(req))
		return take_line_bytes(req, data, n) ? n : 0;
	if (req->body->len + n > req->max_bytes) {
		req->broken = "the answer is larger than allowed";
		return 0;
	}
	g_string_append_len(req->body, data, (gssize)n);
	return n;
}

static bool refuse(HttpReq *req, const char *why)
{
	g_strlcpy(req->error, why, sizeof req->error);
	return false;
}

static bool add_header(HttpReq *req, const char *name, const char *value)
{
	if (!http_header_is_safe(name, value))
		return refuse(req, "a request header holds forbidden characters");
	/* libcurl drops "Name:" and sends an empty value only for "Name;". */
	g_autofree char *line =
		*value ? g_strdup_printf("%s: %s", name, value) : g_strdup_printf("%s;", name);
	req->headers = curl_slist_append(req->headers, line);
	g_assert(req->headers);
	return true;
}

static bool set_authorization(HttpReq *req, const HttpEndpoint *e)
{
	if (e->bearer) {
		g_autofree char *value = g_strconcat("Bearer ", e->bearer, NULL);
		return add_header(req, "Authorization", value);
	}
	if (!e->basic_user)
		return true;
	g_autofree char *pair =
		g_strconcat(e->basic_user, ":", e->basic_password ? e->basic_password : "", NULL);
	g_autofree char *base64 = g_base64_encode((const unsigned char *)pair, strlen(pair));
	g_autofree char *value = g_strconcat("Basic ", base64, NULL);
	return add_header(req, "Authorization", value);
}

static bool set_headers(HttpReq *req, const HttpRequest *r)
{
	req->headers = curl_slist_append(NULL, "Expect:");
	if (r->content_type ? !add_header(req, "Content-Type", r->content_type) : false)
		return false;
	if (!r->content_type)
		req->headers = curl_slist_append(req->headers, "Content-Type:");
	if (r->accept && !add_header(req, "Accept", r->accept))
		return false;
	for (size_t i = 0; i < r->n_headers; i++)
		if (!add_header(req, r->headers[i].name, r->headers[i].value))
			return false;
	return set_authorization(req, r->endpoint);
}

/* With tls_server_name the URL speaks of that name (for SNI and the certificate), the connection
 * still goes to the address, and the Host header stays the address's. */
static bool set_server_name(
	HttpReq *req, CURLU *u, const char *host, const char *port, const char *name)
{
	g_autofree char *to = g_strdup_printf("%s:%s:%s:%s", name, port, host, port);
	g_autofree char *host_port = g_strdup_printf("%s:%s", host, port);
	if (curl_url_set(u, CURLUPART_HOST, name, 0) != CURLUE_OK)
		return refuse(req, "the TLS server name is not valid");
	req->connect_to = curl_slist_append(NULL, to);
	curl_easy_setopt(req->easy, CURLOPT_CONNECT_TO, req->connect_to);
	return add_header(req, "Host", host_port);
}

static bool set_url_parts(HttpReq *req, const HttpEndpoint *e, CURLU *u)
{
	char *host = NULL, *port = NULL, *scheme = NULL, *user = NULL, *url = NULL;
	bool ok = curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
		  curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
		  curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK;
	if (ok)
		req->where = g_strdup_printf("%s:%s", host, port);
	if (!ok)
		refuse(req, "the address is not valid");
	else if (curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_OK)
		ok = refuse(req, "the address must not hold a user name");
	else if (e->tls_server_name && strcmp(scheme, "https") == 0)
		ok = set_server_name(req, u, host, port, e->tls_server_name);
	if (ok && curl_url_get(u, CURLUPART_URL, &url, 0) == CURLUE_OK)
		curl_easy_setopt(req->easy, CURLOPT_URL, url);
	char *const got[] = { host, port, scheme, user, url };
	for (size_t i = 0; i < G_N_ELEMENTS(got); i++)
		curl_free(got[i]);
	return ok;
}

static bool set_url(HttpReq *req, const HttpRequest *r)
{
	if (!r->endpoint->base_url)
		return refuse(req, "there is no address");
	g_autofree char *full = g_strconcat(r->endpoint->base_url, r->path, NULL);
	CURLU *u = curl_url();
	g_assert(u);
	bool ok = curl_url_set(u, CURLUPART_URL, full, CURLU_PATH_AS_IS) == CURLUE_OK;
	ok = ok ? set_url_parts(req, r->endpoint, u) : refuse(req, "the address is not valid");
	curl_url_cleanup(u);
	return ok;
}

/* The lane's copy of the text outlives the handle. */
static void set_blob(CURL *easy, CURLoption option, char *pem)
{
	struct curl_blob b = { .data = pem, .len = strlen(pem), .flags = CURL_BLOB_NOCOPY };
	curl_easy_setopt(easy, option, &b);
}

static void set_tls(CURL *easy, const HttpEndpoint *e)
{
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (e->ca_pem) {
		/* The system's folder of authorities must not count beside it. */
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
		set_blob(easy, CURLOPT_CAINFO_BLOB, e->ca_pem);
	}
	if (e->cert_pem) {
		set_blob(easy, CURLOPT_SSLCERT_BLOB, e->cert_pem);
		set_blob(easy, CURLOPT_SSLKEY_BLOB, e->key_pem ? e->key_pem : e->cert_pem);
	}
	if (e->insecure_tls) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

static void set_proxy(CURL *easy, const HttpEndpoint *e)
{
	if (!e->proxy_url)
		return;
	/* Names are resolved by the SOCKS proxy, as Kubernetes clients do. */
	const char *rest = g_str_has_prefix(e->proxy_url, "socks5://") ? e->proxy_url + 9 : NULL;
	g_autofree char *url =
		rest ? g_strconcat("socks5h://", rest, NULL) : g_strdup(e->proxy_url);
	curl_easy_setopt(easy, CURLOPT_PROXY, url);
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
}

static void set_body(CURL *easy, const HttpRequest *r)
{
	if (strcmp(r->method, "GET") == 0) {
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
		return;
	}
	if (r->n_body > 0 || strcmp(r->method, "DELETE") != 0) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->n_body);
		curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, r->n_body ? r->body : "");
	}
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, r->method);
}

static void set_transfer(HttpReq *req)
{
	CURL *easy = req->easy;
	curl_easy_setopt(easy, CURLOPT_PRIVATE, req);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, req->error);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, req);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, req);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_before_send);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, req);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, req->headers);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "shiplock/" SL_VERSION);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* Else the end of a request waits for its lookup, and the whole loop with it; the lookup's
	 * thread then ends on its own. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	/* Where HTTP/2 may be negotiated, to wait for a connection that is being made; libcurl
	 * lets the others go on as soon as it turns out to be HTTP/1.1. Without TLS it would not.
	 */
	bool tls = g_str_has_prefix(req->lane->identity.base_url, "https:");
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, (long)tls);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_TIMEOUT_MSEC);
	/* A stream's lines must not wait in a decoder. */
	if (!req->line)
		curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
}

bool http_easy_prepare(HttpReq *req, const HttpRequest *r)
{
	req->easy = curl_easy_init();
	g_assert(req->easy);
	if (!set_headers(req, r) || !set_url(req, r))
		return false;
	set_transfer(req);
	set_tls(req->easy, &req->lane->identity);
	set_proxy(req->easy, &req->lane->identity);
	set_body(req->easy, r);
	return true;
}

void http_easy_clear(HttpReq *req)
{
	if (req->easy)
		curl_easy_cleanup(req->easy);
	curl_slist_free_all(req->headers);
	curl_slist_free_all(req->connect_to);
	headers_reset(req);
	g_free(req->where);
}
