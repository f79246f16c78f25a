/* How long requests to clusters and telemetry take: an Http in front of another. */
#pragma once
#include "http/http.h"
#include "loop/loop.h"

enum { METER_MAX_SERIES = 2000 /* hosts times verbs; further ones are not counted */ };

typedef struct Meter Meter;
Meter *meter_new(Http to, Loop loop);
void meter_free(Meter *m); /* after all that ask through it; NULL is fine */
Http meter_http(Meter *m);
/* shiplock_request_seconds as Prometheus text. Caller frees. */
char *meter_text(const Meter *m);
