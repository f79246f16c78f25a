#include "http/http-private.h"
#include <string.h>
#include <sys/epoll.h>

enum { STREAMS_PER_CONNECTION = 1000 }; /* above what servers allow, so that they decide */

static int on_socket_ready(sd_event_source *s, int fd, uint32_t revents, void *ud)
{
	HttpLane *l = ud;
	int what = 0, n_running;
	if (revents & (EPOLLIN | EPOLLHUP))
		what |= CURL_CSELECT_IN;
	if (revents & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	if (revents & EPOLLERR)
		what |= CURL_CSELECT_ERR;
	curl_multi_socket_action(l->multi, fd, what, &n_running);
	http_curl_served(l);
	return 0;
}

static void socket_source_free(sd_event_source *s)
{
	sd_event_source_set_enabled(s, SD_EVENT_OFF);
	sd_event_source_unref(s);
}

static int on_socket_change(CURL *easy, curl_socket_t fd, int what, void *ud, void *socket_ud)
{
	HttpLane *l = ud;
	sd_event_source *s = socket_ud;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			socket_source_free(s);
		curl_multi_assign(l->multi, fd, NULL);
		return 0;
	}
	uint32_t events = 0;
	if (what & CURL_POLL_IN)
		events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		events |= EPOLLOUT;
	if (s)
		return sd_event_source_set_io_events(s, events) < 0 ? -1 : 0;
	if (sd_event_add_io(l->event, &s, fd, events, on_socket_ready, l) < 0)
		return -1;
	sd_event_source_set_description(s, "http socket");
	curl_multi_assign(l->multi, fd, s);
	return 0;
}

static int on_timer(sd_event_source *s, uint64_t usec, void *ud)
{
	HttpLane *l = ud;
	int n_running;
	curl_multi_socket_action(l->multi, CURL_SOCKET_TIMEOUT, 0, &n_running);
	http_curl_served(l);
	return 0;
}

/* Only arms: libcurl must not be entered from its own callback. */
static int on_timer_change(CURLM *multi, long timeout_msec, void *ud)
{
	HttpLane *l = ud;
	if (timeout_msec < 0)
		return sd_event_source_set_enabled(l->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
	if (sd_event_source_set_time_relative(l->timer, (uint64_t)timeout_msec * 1000) < 0)
		return -1;
	return sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

static HttpEndpoint identity_copy(const HttpEndpoint *e)
{
	return (HttpEndpoint){
		.base_url = g_strdup(e->base_url),
		.ca_pem = g_strdup(e->ca_pem),
		.cert_pem = g_strdup(e->cert_pem),
		.key_pem = g_strdup(e->key_pem),
		.tls_server_name = g_strdup(e->tls_server_name),
		.proxy_url = g_strdup(e->proxy_url),
		.insecure_tls = e->insecure_tls,
		.generation = e->generation,
	};
}

HttpLane *http_lane_new(HttpCurl *owner, sd_event *event, const HttpEndpoint *e, bool watches)
{
	HttpLane *l = g_new0(HttpLane, 1);
	l->owner = owner;
	l->event = sd_event_ref(event);
	l->identity = identity_copy(e);
	l->watches = watches;
	/* Accuracy 1: 0 would mean a quarter of a second. */
	int rc = sd_event_add_time_relative(event, &l->timer, CLOCK_MONOTONIC, 0, 1, on_timer, l);
	g_assert(rc >= 0);
	sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
	l->multi = curl_multi_init();
	g_assert(l->multi);
	curl_multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION, on_socket_change);
	curl_multi_setopt(l->multi, CURLMOPT_SOCKETDATA, l);
	curl_multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, on_timer_change);
	curl_multi_setopt(l->multi, CURLMOPT_TIMERDATA, l);
	curl_multi_setopt(l->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
	if (!watches) {
		curl_multi_setopt(
			l->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)HTTP_MAX_CONNECTIONS);
		curl_multi_setopt(
			l->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)STREAMS_PER_CONNECTION);
	}
	return l;
}

void http_lane_free(HttpLane *l)
{
	g_assert(l->n_reqs == 0 && g_queue_is_empty(&l->dirty));
	curl_multi_cleanup(l->multi);
	sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
	sd_event_source_unref(l->timer);
	sd_event_unref(l->event);
	HttpEndpoint *e = &l->identity;
	char *const owned[] = { e->base_url, e->ca_pem, e->cert_pem, e->key_pem, e->tls_server_name,
		e->proxy_url };
	for (size_t i = 0; i < G_N_ELEMENTS(owned); i++)
		g_free(owned[i]);
	g_free(l);
}

unsigned http_lane_hash(const void *lane)
{
	const HttpLane *l = lane;
	unsigned h = l->identity.base_url ? g_str_hash(l->identity.base_url) : 0;
	return h ^ (l->identity.generation * 31) ^ l->watches;
}

int http_lane_equal(const void *a, const void *b)
{
	const HttpLane *la = a, *lb = b;
	const HttpEndpoint *x = &la->identity, *y = &lb->identity;
	return la->watches == lb->watches && x->generation == y->generation &&
	       x->insecure_tls == y->insecure_tls && g_strcmp0(x->base_url, y->base_url) == 0 &&
	       g_strcmp0(x->tls_server_name, y->tls_server_name) == 0 &&
	       g_strcmp0(x->proxy_url, y->proxy_url) == 0 && g_strcmp0(x->ca_pem, y->ca_pem) == 0 &&
	       g_strcmp0(x->cert_pem, y->cert_pem) == 0 && g_strcmp0(x->key_pem, y->key_pem) == 0;
}
