/* What a run did, from its records alone: per cluster the times of its states, holds, gates with a
 * digest of their evidence, what was written, how long pods of each namespace were missing,
 * and the times that count as an outage. Fed with every record in order, live, at replay or from a
 * journal file; the same records give the same report. */
#pragma once
#include "codec/json.h"
#include "store/store.h"

enum { REPORT_LIST_MAX = 500 /* of holds, gates, commands each; further ones are counted */ };

typedef struct Report Report;
Report *report_new(const char *fleet);
void report_free(Report *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Report, report_free)
void report_add(Report *r, const Record *record, const json_t *body);
/* kind RunReport; NULL: no such run. id: the number behind #. New reference. */
json_t *report_run(const Report *r, int64_t id);
int64_t report_last_id(const Report *r); /* 0: there is no run */

/* Of a cluster that is only observed, from its memo: array of {"what", "wouldAt", "doneAt"}, what
 * we would have done and when, and when a person did; null: not. noted may be NULL. New reference.
 */
json_t *report_observed(const json_t *noted);

/* For people, in Markdown. Caller frees. */
char *report_markdown(const json_t *run);
/* An entry of an outage list (YAML): url, timeframes with from, until (UTC) and affected_services.
 * Ranges of one service are disjoint; the service is the cluster's alias `billing`, else its name.
 * url NULL: one made of fleet and run. "" when nothing was out. Caller frees. */
char *report_outages(const json_t *run, const char *url);
/* The wave for those who work on its clusters: what is planned, in work or done, and what to
 * expect. NULL: no such wave. Caller frees. */
char *report_notice(const json_t *run, const char *wave, int64_t now_usec);
