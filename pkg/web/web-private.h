/* What web.c and stream.c share. */
#pragma once
#include "web/web.h"
#include <microhttpd.h>

struct Web {
	LoopEvent *l;
	Loop loop;
	struct MHD_Daemon *daemon;
	sd_event_source *source;
	uint64_t timer, heartbeat;
	bool scheduled;
	WebOptions o;
	WebHandler *handler;
	void *ud;
	GPtrArray *streams; /* WebStream, living */
};

struct WebRequest {
	Web *web;
	struct MHD_Connection *conn;
	char *method, *path;
	GString *body;
	WebPeer peer;
	struct MHD_Response *response;
	GPtrArray *headers; /* name, value, name, ... */
	int status;
	int refused; /* the status that was found before the handler, 0 = none */
	bool queued;
};

/* Runs the server in a turn of its own: it has no wake-up of its own after a resume. */
void web_schedule(Web *w);
void web_take_response(WebRequest *r, int status, struct MHD_Response *response);
void web_streams_end(Web *w);
void web_streams_beat(Web *w);
