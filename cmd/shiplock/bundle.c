#include "bundle.h"
#include "base/file.h"
#include "codec/redact.h"
#include "codec/tar.h"
#include "find.h"
#include "objects/time.h"
#include "records.h"
#include "store/audit.h"
#include <string.h>

typedef struct Bundle {
	const Args *a;
	Tar *tar;
	GString *sums;
	char *folder; /* inside the archive */
	Range range;
	Lineage *lineage;
	GString *records; /* one JSON object a line */
	char *run; /* its full name, from its records; NULL: none was found */
	json_t *snapshot; /* plan, policies and inventory that the run goes by */
	size_t n_records;
	int64_t last_usec; /* when the last of them was written: the date of the files */
} Bundle;

static void bundle_clear(Bundle *b)
{
	tar_free(b->tar);
	g_string_free(b->sums, TRUE);
	g_string_free(b->records, TRUE);
	range_clear(&b->range);
	lineage_free(b->lineage);
	json_decref(b->snapshot);
	g_free(b->folder);
	g_free(b->run);
}

static void add_text(Bundle *b, const char *name, const char *text)
{
	g_autofree char *path = g_strdup_printf("%s/%s", b->folder, name);
	g_autofree char *sum = sl_sha256(text, strlen(text));
	tar_add(b->tar, path, text, strlen(text));
	g_string_append_printf(b->sums, "%s  %s\n", sum + strlen("sha256:"), name);
}

/* Takes v; NULL adds nothing. */
static void add_json(Bundle *b, const char *name, json_t *v)
{
	g_autoptr(json_t) owned = v;
	g_autoptr(json_t) clean = v ? redact_json(v) : NULL;
	char *text = clean ? json_dumps(clean, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;
	if (text)
		add_text(b, name, text);
	free(text);
}

/* ---- the records of the run ---- */

static void take_record(Bundle *b, const json_t *record)
{
	const json_t *body = json_object_get(record, "body");
	const char *kind = json_path_str(record, "kind", "");
	const char *run = lineage_run(b->lineage, kind, body);
	if (!range_holds(&b->range, record, run) || b->n_records == BUNDLE_MAX_RECORDS)
		return;
	bool born =
		strcmp(kind, "item") == 0 && strcmp(json_path_str(body, "kind", ""), "run") == 0;
	if (born && !b->snapshot) {
		b->run = g_strdup(run);
		b->snapshot = json_incref(json_object_get(body, "data"));
	}
	g_autoptr(json_t) clean = redact_json(record);
	g_autofree char *line = json_canonical(clean);
	g_string_append_printf(b->records, "%s\n", line);
	sl_time_parse(json_path_str(record, "time", ""), &b->last_usec);
	b->n_records++;
}

static bool take_offline(const Record *r, void *ud)
{
	g_autoptr(json_t) body = json_parse(r->body, strlen(r->body), NULL);
	g_autofree char *time = sl_time_format_micro(r->wall_usec);
	g_autoptr(json_t) record = json_pack("{s:I,s:s,s:s,s:O?}", "seq", (json_int_t)r->seq,
		"time", time, "kind", r->kind, "body", body);
	take_record(ud, record);
	return true;
}

static bool take_live(Bundle *b, Client *c, GError **err)
{
	for (int64_t after = 0;;) {
		g_autofree char *path = g_strdup_printf("/v1/audit?after=%" G_GINT64_FORMAT, after);
		g_autoptr(json_t) page = client_get(c, path, err);
		const json_t *records = json_object_get(page, "records");
		size_t i;
		json_t *record;
		if (!page)
			return false;
		json_array_foreach (records, i, record)
			take_record(b, record);
		after = json_path_int(page, "next", 0);
		if (json_array_size(records) == 0)
			return true;
	}
}

/* ---- the rest ---- */

/* What the controller says of it now; a controller that knows the run no more adds nothing. */
static void add_live(Bundle *b, Client *c)
{
	Target t = target_parse(b->run);
	g_autofree char *run = target_path(&t, ""), *why = target_path(&t, "/why");
	add_json(b, "status.json", client_get(c, "/v1/status", NULL));
	add_json(b, "run.json", client_get(c, run, NULL));
	add_json(b, "why.json", client_get(c, why, NULL));
	target_clear(&t);
}

static void add_versions(Bundle *b, Client *c)
{
	json_t *there = c ? client_get(c, "/v1/version", NULL) : NULL;
	json_t *v = json_pack("{s:s, s:o?}", "version", SL_VERSION, "controller", there);
	add_json(b, "version.json", v);
}

/* Without a readable journal the records are still there, but not proven. */
static void add_proof(Bundle *b, const char *journal)
{
	g_autoptr(GError) err = NULL;
	AuditProof p;
	if (audit_verify(journal, NULL, &p, &err))
		add_json(b, "proof.json",
			json_pack("{s:I, s:I, s:I, s:b, s:s}", "records", (json_int_t)p.n, "first",
				(json_int_t)p.first_seq, "last", (json_int_t)p.last_seq, "pruned",
				(int)p.pruned, "head", p.head));
	else
		add_json(b, "proof.json", json_pack("{s:s}", "notProven", err->message));
}

static void add_readme(Bundle *b, bool live)
{
	g_autofree char *text = g_strdup_printf(
		"Evidence of run %s, made by shiplock %s.\n\n"
		"records.jsonl  the %zu records of the run, one JSON object a line\n"
		"plan.json      the plan, policies and clusters that the run goes by\n"
		"proof.json     what the hash chain of the whole journal proves, with its head\n"
		"version.json   of the programs\n"
		"%s"
		"SHA256SUMS     of these files: sha256sum -c SHA256SUMS\n\n"
		"What looks like a secret was replaced by %s.\n",
		b->run, SL_VERSION, b->n_records,
		live ? "status.json    the fleet as the controller shows it now\n"
		       "run.json       the run, why.json why it stands where it stands\n"
		     : "",
		REDACTED);
	add_text(b, "README", text);
}

static bool write_archive(Bundle *b, const char *file, GError **err)
{
	g_autofree char *path = g_strdup_printf("%s/SHA256SUMS", b->folder);
	size_t len = 0;
	tar_add(b->tar, path, b->sums->str, b->sums->len);
	const void *data = tar_end(b->tar, &len);
	if (g_file_test(file, G_FILE_TEST_EXISTS))
		return sl_fail(
			err, SL_ERR_REFUSED, "%s: is there already; choose a new name", file);
	return sl_write_file(file, data, len, 0600, err);
}

/* "to-4-21-10#7" -> "shiplock-to-4-21-10-7". */
static char *folder_name(const char *run)
{
	char *name = g_strdup_printf("shiplock-%.60s", run);
	return g_strdelimit(name, "#/", '-');
}

static int finish(Bundle *b, Client *c, const char *journal)
{
	g_autoptr(GError) err = NULL;
	b->folder = folder_name(b->run);
	b->tar = tar_new(b->last_usec / 1000000);
	g_autofree char *usual = g_strdup_printf("%s.tar", b->folder);
	const char *file = b->a->n_rest > 2 ? b->a->rest[2] : usual;
	add_text(b, "records.jsonl", b->records->str);
	add_json(b, "plan.json", json_incref(b->snapshot));
	add_proof(b, journal);
	add_versions(b, c);
	if (c)
		add_live(b, c);
	add_readme(b, c != NULL);
	if (!write_archive(b, file, &err))
		return cli_fail_error(b->a, err);
	if (b->a->json) {
		g_autoptr(json_t) v = json_pack("{s:s, s:s, s:s, s:I}", "kind", "AuditBundle",
			"file", file, "run", b->run, "records", (json_int_t)b->n_records);
		cli_print_json(v);
	} else {
		printf("%s: %zu records of run %s; nothing in it looks like a secret\n"
		       "  look before you send it: tar -tvf %s\n",
			file, b->n_records, b->run, file);
	}
	return EXIT_SUCCEEDED;
}

int audit_bundle(const Args *a, const char *journal)
{
	g_autoptr(GError) err = NULL;
	Bundle b = { .a = a };
	if (a->n_rest < 2 || !range_parse(a->rest[1], &b.range) || !b.range.run) {
		range_clear(&b.range);
		return cli_fail(a, EXIT_USAGE, "bundle: needs the RUN", "shiplock status");
	}
	b.sums = g_string_new(NULL);
	b.records = g_string_new(NULL);
	b.lineage = lineage_new();
	g_autoptr(Client) c = a->state ? NULL : client_open(client_socket(a), &err);
	bool ok = c ? take_live(&b, c, &err)
		    : a->state && audit_read(journal, 0, take_offline, &b, &err);
	int code = !ok     ? client_fail(a, err)
		   : b.run ? finish(&b, c, journal)
			   : cli_fail(a, EXIT_FAILED, "bundle: the journal knows no such run",
				     "shiplock audit show");
	bundle_clear(&b);
	return code;
}
