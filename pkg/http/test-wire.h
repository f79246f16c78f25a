/* For tests only: the real transport on the real loop, waiting for conditions. */
#pragma once
#include "http/http-curl.h"
#include "http/test-server.h"
#include "loop/loop-event.h"

typedef struct Wire {
	LoopEvent *le;
	HttpCurl *curl;
	Http http;
	Loop loop;
} Wire;

static inline Wire wire_new(void)
{
	Wire w = { .le = loop_event_new(NULL) };
	g_assert_nonnull(w.le);
	w.loop = loop_event_loop(w.le);
	w.curl = http_curl_new(loop_event_sd(w.le), w.loop);
	w.http = http_curl_http(w.curl);
	return w;
}

static inline void wire_free(Wire *w)
{
	http_curl_free(w->curl);
	loop_event_free(w->le);
}

/* Runs the loop until *flag is at least n; a test that waits for more than 30 s has failed. */
static inline void wire_until(Wire *w, const int *flag, int n)
{
	int64_t end = loop_boot_usec(w->loop) + 30 * SL_USEC_PER_SEC;
	while (*flag < n) {
		g_assert_cmpint(loop_boot_usec(w->loop), <, end);
		g_assert_cmpint(sd_event_run(loop_event_sd(w->le), 100000), >=, 0);
	}
}
