#include "providers/claim.h"
#include "base/num.h"
#include <string.h>

json_t *claim_read(const json_t *object)
{
	const json_t *set = json_path(object, "metadata.annotations");
	const char *text = json_string_value(json_object_get(set, CLAIM_ANNOTATION));
	return text ? json_loads(text, 0, NULL) : NULL;
}

static bool ours(const Target *t, const json_t *claim)
{
	return strcmp(json_path_str(claim, "fleet", ""), t->fleet) == 0;
}

/* Written by this very journal, as far as the claim tells: older ones name no holder. */
static bool same_holder(const Target *t, const json_t *claim)
{
	const char *holder = json_path_str(claim, "holder", NULL);
	return !holder || !t->holder || strcmp(holder, t->holder) == 0;
}

char *claim_text(const json_t *claim)
{
	const char *holder = json_path_str(claim, "holder", NULL);
	return g_strdup_printf("fleet %s%s%s, run %s, epoch %" JSON_INTEGER_FORMAT,
		json_path_str(claim, "fleet", "?"), holder ? ", held by " : "",
		holder ? holder : "", json_path_str(claim, "run", "?"),
		(json_int_t)json_path_int(claim, "epoch", 0));
}

bool claim_is_ours(Site *site, const View *v, char **ret_who)
{
	const Target *t = site_ctx(site);
	g_autoptr(json_t) claim = claim_read(v->json);
	*ret_who = claim ? claim_text(claim) : NULL;
	return claim && ours(t, claim) && same_holder(t, claim) &&
	       json_path_int(claim, "epoch", 0) <= site_epoch(site);
}

/* A claim under our own name that this journal does not know is another journal's: the name alone
 * proves nothing. */
char *claim_obstacle(const Target *t, const json_t *object)
{
	g_autoptr(json_t) claim = claim_read(object);
	if (!claim)
		return NULL;
	const char *fleet = json_path_str(claim, "fleet", "?"),
		   *run = json_path_str(claim, "run", "?");
	if (!ours(t, claim))
		return g_strdup_printf(
			"fleet %s holds a claim on %s (run %s): end it there", fleet, t->name, run);
	bool known = json_path_int(claim, "epoch", 0) <= site_epoch(t->site);
	if (known && same_holder(t, claim))
		return NULL;
	g_autofree char *who = claim_text(claim);
	if (known)
		return g_strdup_printf("%s carries a claim (%s) that the journal of another state "
				       "folder took; this one is a copy or an older backup of it",
			t->name, who);
	return g_strdup_printf("%s carries a claim (%s) that this journal does not know: another "
			       "state folder holds it",
		t->name, who);
}

static void patch_annotation(const char *key, const View *v, json_t *value, ActRequest *ret)
{
	ret->method = "PATCH";
	ret->path = g_strdup(key);
	ret->body = json_pack("{s:{s:s, s:{s:o}}}", "metadata", "resourceVersion", view_version(v),
		"annotations", CLAIM_ANNOTATION, value);
}

/* A person took the cluster over: whose claim stands there was shown, and is overwritten. */
static bool is_taken_over(const Item *it)
{
	return json_path_bool(item_memo(it), "takeover.open", false);
}

char *claim_new_text(const Item *it, int64_t epoch)
{
	const Target *t = target_of(it);
	const char *run = item_parent(it) ? item_name(item_parent(it)) : "";
	g_autoptr(json_t) claim = json_pack("{s:s, s:s*, s:s, s:I}", "fleet", t->fleet, "holder",
		t->holder, "run", run, "epoch", (json_int_t)epoch);
	return json_canonical(claim);
}

char *claim_bars(const Item *it, const json_t *object)
{
	char *why = claim_obstacle(target_of(it), object);
	if (why && is_taken_over(it))
		g_clear_pointer(&why, g_free);
	return why;
}

int64_t claim_epoch(const json_t *object)
{
	g_autoptr(json_t) claim = claim_read(object);
	return json_path_int(claim, "epoch", 0);
}

static bool claim_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	Target *t = target_of(it);
	if (v->missing) {
		item_set_reason(it, "%s does not exist", key);
		return false;
	}
	g_autofree char *why = claim_bars(it, v->json);
	if (why) {
		item_set_reason(it, "%s", why);
		return false;
	}
	int64_t epoch = sl_max(site_epoch(t->site), claim_epoch(v->json)) + 1;
	g_autofree char *text = claim_new_text(it, epoch);
	patch_annotation(key, v, json_string(text), ret);
	ret->want = json_pack("{s:I, s:s*}", "epoch", (json_int_t)epoch, "holder", t->holder);
	return true;
}

/* Two that raise it at once want the same number: the holder tells them apart. */
Class claim_stands(const json_t *want, const View *v)
{
	g_autoptr(json_t) claim = claim_read(v->json);
	const char *holder = json_path_str(want, "holder", NULL);
	bool same = json_path_int(claim, "epoch", 0) == json_path_int(want, "epoch", -1);
	if (holder && strcmp(json_path_str(claim, "holder", ""), holder) != 0)
		same = false;
	return same ? CLASS_DONE : CLASS_ABSENT;
}

static bool release_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	g_autofree char *who = NULL;
	if (!claim_is_ours(item_site(it), v, &who) && who) {
		item_set_reason(
			it, "the claim that stands there is not ours to take away: %s", who);
		return false;
	}
	patch_annotation(key, v, json_null(), ret);
	return true;
}

Class claim_released(const json_t *want, const View *v)
{
	g_autoptr(json_t) claim = claim_read(v->json);
	return claim ? CLASS_ABSENT : CLASS_DONE;
}

const ActRow act_release = {
	.name = "release",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.claim = true,
	.build = release_build,
	.classify = claim_released,
};
const ActRow act_claim = {
	.name = "claim",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.claim = true,
	.undo = &act_release,
	.build = claim_build,
	.classify = claim_stands,
};
const ActRow act_raise_epoch = {
	.name = "raise-epoch",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.claim = true,
	.build = claim_build,
	.classify = claim_stands,
};
const ActRow act_take_over = {
	.name = "take-over",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.claim = true,
	.undo = &act_release,
	.build = claim_build,
	.classify = claim_stands,
};
