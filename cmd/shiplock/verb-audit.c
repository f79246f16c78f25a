/* shiplock audit: the journal from outside. */
#include "bundle.h"
#include "client.h"
#include "objects/time.h"
#include "records.h"
#include "store/audit.h"
#include "term.h"
#include "verb-report.h"
#include <string.h>

#define DEFAULT_STATE "/var/lib/shiplock"
#define CHAIN_ADVICE "note it elsewhere: who can write the file could forge the whole chain"

typedef struct Show {
	const Args *a;
	Range range;
	Lineage *lineage;
	Term term;
	size_t n;
} Show;

/* The journal of --state, or of the controller that runs, or of the usual place. Caller frees. */
static char *journal_path(const Args *a)
{
	g_autoptr(Client) c = a->state ? NULL : client_open(client_socket(a), NULL);
	g_autoptr(json_t) version = c ? client_get(c, "/v1/version", NULL) : NULL;
	const char *state = a->state ? a->state : json_path_str(version, "state", DEFAULT_STATE);
	return g_build_filename(state, "journal.db", NULL);
}

static void show_record(Show *s, const json_t *record)
{
	const json_t *body = json_object_get(record, "body");
	const char *run = lineage_run(s->lineage, json_path_str(record, "kind", ""), body);
	if (!range_holds(&s->range, record, run))
		return;
	s->n++;
	if (s->a->json) {
		cli_print_json_line(record);
		return;
	}
	g_autofree char *line = record_line(record, run);
	g_autoptr(GString) out = g_string_new(line);
	g_string_append_c(out, '\n');
	term_put(&s->term, stdout, out);
}

static bool show_live(Show *s, Client *c, GError **err)
{
	for (int64_t after = 0;;) {
		g_autofree char *path = g_strdup_printf("/v1/audit?after=%" G_GINT64_FORMAT, after);
		g_autoptr(json_t) page = client_get(c, path, err);
		size_t i;
		json_t *record;
		if (!page)
			return false;
		json_array_foreach (json_object_get(page, "records"), i, record)
			show_record(s, record);
		after = json_path_int(page, "next", 0);
		if (json_array_size(json_object_get(page, "records")) == 0 ||
			after >= s->range.last)
			return true;
	}
}

static bool show_offline_one(const Record *r, void *ud)
{
	g_autoptr(json_t) body = json_parse(r->body, strlen(r->body), NULL);
	g_autofree char *time = sl_time_format_micro(r->wall_usec);
	g_autoptr(json_t) record = json_pack("{s:I,s:s,s:s,s:O?}", "seq", (json_int_t)r->seq,
		"time", time, "kind", r->kind, "body", body);
	show_record(ud, record);
	return true;
}

static int audit_show(const Args *a)
{
	g_autoptr(GError) err = NULL;
	Show s = { .a = a, .term = term_of(stdout), .range = { .last = INT64_MAX } };
	if (a->n_rest == 2 && !range_parse(a->rest[1], &s.range))
		return cli_fail(
			a, EXIT_USAGE, "show: takes RUN, FIRST-LAST or RUN:FIRST-LAST", NULL);
	s.lineage = lineage_new();
	g_autoptr(Client) c = a->state ? NULL : client_open(client_socket(a), &err);
	g_autofree char *path = a->state ? journal_path(a) : NULL;
	bool ok = c ? show_live(&s, c, &err)
		    : path && audit_read(path, 0, show_offline_one, &s, &err);
	lineage_free(s.lineage);
	range_clear(&s.range);
	if (!ok)
		return client_fail(a, err);
	if (s.n == 0)
		return cli_fail(
			a, EXIT_FAILED, "show: there are no such records", "shiplock audit show");
	return EXIT_SUCCEEDED;
}

static void print_proof(const Args *a, const char *path, const AuditProof *p, const char *what)
{
	if (a->json) {
		g_autoptr(json_t) v = json_pack("{s:s,s:s,s:I,s:I,s:I,s:b,s:s}", "kind",
			"AuditProof", "journal", path, "records", (json_int_t)p->n, "first",
			(json_int_t)p->first_seq, "last", (json_int_t)p->last_seq, "pruned",
			(int)p->pruned, "head", p->head);
		cli_print_json(v);
		return;
	}
	printf("%s %s: %" G_GINT64_FORMAT " records, %" G_GINT64_FORMAT "-%" G_GINT64_FORMAT
	       "%s, each is what was written\n",
		path, what, p->n, p->first_seq, p->last_seq,
		p->pruned ? " (older ones pruned)" : "");
	printf("anchor %" G_GINT64_FORMAT ":%s\n  " CHAIN_ADVICE "\n", p->last_seq, p->head);
}

static int audit_verify_verb(const Args *a)
{
	g_autoptr(GError) err = NULL;
	AuditProof proof;
	g_autofree char *path = a->n_rest == 2 ? g_strdup(a->rest[1]) : journal_path(a);
	if (!audit_verify(path, a->anchor, &proof, &err))
		return cli_fail_error(a, err);
	print_proof(a, path, &proof, "proven");
	return EXIT_SUCCEEDED;
}

static int audit_backup_verb(const Args *a)
{
	g_autoptr(GError) err = NULL;
	AuditProof proof;
	if (a->n_rest != 2)
		return cli_fail(a, EXIT_USAGE, "backup: needs the FILE to write", NULL);
	g_autofree char *path = journal_path(a);
	if (!audit_backup(path, a->rest[1], &proof, &err))
		return cli_fail_error(a, err);
	print_proof(a, a->rest[1], &proof, "copied and proven");
	return EXIT_SUCCEEDED;
}

static int audit_bundle_verb(const Args *a)
{
	g_autofree char *path = journal_path(a);
	return audit_bundle(a, path);
}

int verb_audit(const Args *a)
{
	static const struct {
		const char *name;
		int (*run)(const Args *a);
	} subs[] = {
		{ "show", audit_show },
		{ "verify", audit_verify_verb },
		{ "backup", audit_backup_verb },
		{ "report", audit_report },
		{ "outages", audit_report },
		{ "notice", audit_report },
		{ "bundle", audit_bundle_verb },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(subs); i++)
		if (strcmp(subs[i].name, a->rest[0]) == 0)
			return subs[i].run(a);
	return cli_fail(a, EXIT_USAGE,
		"takes show, verify, backup, bundle, report, outages or notice",
		"shiplock audit --help");
}
