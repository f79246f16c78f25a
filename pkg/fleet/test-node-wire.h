/* For tests: how the nodes of test-nodes.h are spoken to, by the worker's verb "node". */
#pragma once
#include "fleet/test-node-jobs.h"

typedef struct NodeAnswer {
	FakeNodes *f;
	uint64_t timer;
	char *text;
	GError *err;
	JobDone *done;
	void *ud;
	bool crash;
} NodeAnswer;

static inline json_t *node_set_said(const FakeNode *n, const char *command)
{
	bool own = n->n_backups > 0 && !n->sets_gone && !strstr(command, ".etcd");
	bool there = n->put || own;
	g_autofree char *text =
		g_strdup_printf("shiplock-set 1\n%s%s%send\n", there ? "sha256 " : "",
			!there       ? ""
			: n->damaged ? "ffff"
				     : "0011",
			there ? "\n" : "");
	return node_said(true, text, "");
}

/* Looks, by what they ask for. */
static inline json_t *node_told(FakeNodes *f, FakeNode *n, const char *command)
{
	static const char images[] = "shiplock-images 1\nimage yes Never a:v1\nend\n";
	if (strstr(command, "shiplock-etcd 1"))
		return node_etcd(f, n);
	if (strstr(command, "shiplock-objects 1"))
		return node_said(true, f->objects ? f->objects : "shiplock-objects 0\n", "");
	if (strstr(command, "shiplock-set 1"))
		return node_set_said(n, command);
	if (strstr(command, "shiplock-images 1"))
		return node_said(true, f->images ? f->images : images, "");
	if (strstr(command, "shiplock-made 1"))
		return nodes_stopped(f) ? node_said(false, "", "no API server")
					: node_said(true, node_made(f), "");
	if (f->gone && !strstr(command, "shiplock-discover 1") && strstr(command, f->gone))
		return node_said(false, "", "no such software");
	return node_run(f, n);
}

static inline json_t *node_serve(FakeNodes *f, const json_t *q)
{
	FakeNode *n = node_at(f, json_path_str(q, "host", ""));
	const char *op = json_path_str(q, "op", ""), *key = json_path_str(q, "job", "");
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	g_assert_nonnull(n);
	g_assert_cmpuint(strspn(key, allowed), ==, strlen(key)); /* as ssh/job.c */
	g_assert_cmpuint(strlen(key), <=, 120);
	const char *command = json_path_str(q, "command", "");
	if (strcmp(op, "run") == 0 && f->mute)
		return node_said(false, "", "sudo: a password is required");
	json_t *said = strcmp(op, "run") == 0 ? node_told(f, n, command) : NULL;
	if (said)
		return said;
	if (strcmp(op, "fetch") == 0) /* in two parts */
		return json_pack("{s:i, s:b}", "have", 2048, "done", ++n->n_fetched % 2 == 0);
	if (strcmp(op, "put") == 0) {
		node_set(&n->put, json_path_str(q, "path", ""));
		return json_pack("{s:s}", "sha256", "0011");
	}
	if (strcmp(op, "start") == 0 && !node_job(n, key))
		node_begin(f, n, key, json_path_str(q, "command", ""));
	return node_look(f, node_job(n, key));
}

static inline void node_answer(void *ud)
{
	NodeAnswer a = *(NodeAnswer *)ud;
	((NodeAnswer *)ud)->timer = 0;
	g_free(ud);
	a.done(a.text, a.text ? strlen(a.text) : 0, a.err, a.ud);
	g_free(a.text);
	g_clear_error(&a.err);
}

static inline uint64_t node_start(void *self, const char *verb, const void *input, size_t len,
	int msec, JobDone *done, void *ud)
{
	FakeNodes *f = self;
	g_autoptr(json_t) q = json_parse(input, len, NULL);
	g_assert_cmpstr(verb, ==, "node");
	NodeAnswer *a = g_new0(NodeAnswer, 1);
	*a = (NodeAnswer){ .f = f, .done = done, .ud = ud };
	NodeWireFault fault = f->fault ? f->fault(f->n_requests++, f->ud) : NODE_FAULT_NONE_YET;
	bool lost = fault == NODE_NOT_SENT || node_at(f, json_path_str(q, "host", ""))->away ||
		    (f->no_fetch && strcmp(json_path_str(q, "op", ""), "fetch") == 0);
	g_autoptr(json_t) v = lost ? NULL : node_serve(f, q);
	a->text = v && fault != NODE_CUT ? json_canonical(v) : NULL;
	bool starts = strcmp(json_path_str(q, "op", ""), "start") == 0;
	if (!a->text)
		sl_fail(&a->err, starts && v ? SL_ERR_UNKNOWN_OUTCOME : SL_ERR_RETRY, "cut");
	if (fault == NODE_CRASH_AFTER)
		loop_timer(f->world, loop_boot_usec(f->world), f->crash, f->ud);
	a->timer =
		loop_timer(f->world, loop_boot_usec(f->world) + NODE_ANSWER_USEC, node_answer, a);
	return (uint64_t)(uintptr_t)a;
}

static inline void node_cancel(void *self, uint64_t id)
{
	NodeAnswer *a = (NodeAnswer *)(uintptr_t)id;
	loop_cancel(a->f->world, &a->timer);
	g_free(a->text);
	g_clear_error(&a->err);
	g_free(a);
}

static const JobOps node_ops = { node_start, node_cancel };
