/* Prometheus as the gates see it: answers the queries of the shipped gates, known by their text
 * without white space and with every range written as [R], from the state of the cluster; to others
 * it says 422. A table in prom.c: a new gate is a new row. */
#pragma once
#include "sim/actor.h"

/* GET or POST /api/v1/query, GET /-/ready and /-/healthy. */
HttpSimAnswer sim_prom_handle(
	const SimActors *a, const SimStore *s, const HttpRequest *r, SimNow now);
/* The text by which a query is looked up. Caller frees. */
char *sim_prom_normal(const char *query);

/* Shares of failed requests right now: what queries and exporter are made of. */
double sim_truth_ingress_errors(const SimActors *a, const SimStore *s);
double sim_truth_api_errors(const SimActors *a, const SimStore *s);
/* Whether the cluster's monitoring tells anything. */
bool sim_truth_silent(const SimActors *a);

/* Metrics for a real Prometheus: counters that grow with time. */
typedef struct SimExporter {
	int64_t last_usec; /* boot time of the last growth */
	double ingress_ok, ingress_bad, api_ok, api_bad;
} SimExporter;
/* The text exposition format. Caller frees. */
char *sim_exporter_text(SimExporter *e, const SimActors *a, const SimStore *s, SimNow now);
