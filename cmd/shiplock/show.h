/* What people see of the API's answers. Pure: JSON in, text out. */
#pragma once
#include "codec/json.h"
#include "term.h"

enum { SHOW_DONE_RUNS = 3 /* that ended, newest first */ };

void show_status(const json_t *status, const Term *t, GString *out);
/* Of a cluster, a node or a run. */
void show_why(const json_t *why, const Term *t, GString *out);
/* The nodes in work of a cluster's entry, below its why. */
void show_nodes(const json_t *cluster, GString *out);
void show_plan(const json_t *report, const Term *t, GString *out);
/* Several clusters as a table; one with all its findings. named_files: the kubeconfigs were named,
 * so they are named again. */
void show_inspect(const json_t *report, bool named_files, const Term *t, GString *out);
/* What a rollback costs, before it is asked for: from the cluster's why and entry. */
void show_rollback(const json_t *why, const json_t *cluster, const Term *t, GString *out);
/* One line of an event, without a newline: "06:40:31Z ocp-edu control-plane  text". */
void show_event(const json_t *event, GString *out);
/* Documents that were pushed while the run goes on: a line, where there are any. */
void show_pushed(const json_t *newer, const char *run, const Term *t, GString *out);
/* Approvals that were passed by: red lines, one each; from "glass" of a run or a why. */
void show_glass(const json_t *list, const Term *t, GString *out);
/* The question that an approval answers. */
void show_question(const json_t *why, const Term *t, GString *out);
