/* The act rows of the rule tests. The key of an act is the path of its object. */
#pragma once
#include "base/num.h"
#include "saga/test-io.h"

static const FactRow fact_obj = { .name = "obj", .max_age_sec = 1, .read = kit_read };
/* Stays until it is changed or forgotten. */
static const FactRow fact_kept = { .name = "kept", .read = kit_read };
/* Comes from a watch; a read is the exception. */
static const FactRow fact_watched = { .name = "watched", .pushed = true, .read = kit_read };

static inline bool merge_row(const char *key, const View *v, ActRequest *ret, const char *member,
	json_t *value, bool by_version)
{
	if (v->missing) {
		json_decref(value);
		return false;
	}
	ret->method = "PATCH";
	ret->path = g_strdup(key);
	ret->timeout_msec = 5000;
	ret->body = json_pack("{s:o}", member, value);
	ret->want = json_deep_copy(ret->body);
	if (by_version)
		json_object_set_new(ret->body, "metadata",
			json_pack("{s:s}", "resourceVersion", view_version(v)));
	return true;
}

/* Done when every member of want stands there. */
static inline Class row_classify(const json_t *want, const View *v)
{
	const char *key;
	json_t *value;
	if (v->missing)
		return CLASS_ABSENT;
	json_object_foreach ((json_t *)want, key, value)
		if (!json_equal(json_object_get(v->json, key), value))
			return CLASS_ABSENT;
	return CLASS_DONE;
}

static inline bool set_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	if (v->json && json_object_get(v->json, "foreign")) {
		item_set_reason(it, "another owner");
		return false;
	}
	return merge_row(key, v, ret, "v", json_integer(1), true);
}

static inline bool mark_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	return merge_row(key, v, ret, "mark", json_boolean(!undoes), true);
}

static inline bool claim_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	int64_t epoch =
		sl_max(site_epoch(item_site(it)), json_path_int(v->json, "claim.epoch", 0)) + 1;
	merge_row(key, v, ret, "claim",
		json_pack("{s:s, s:I}", "holder", "us", "epoch", (json_int_t)epoch), true);
	json_object_set_new(ret->want, "epoch", json_integer((json_int_t)epoch));
	return true;
}

static inline bool raise_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	if (strcmp(json_path_str(v->json, "claim.holder", ""), "us") != 0)
		return false;
	return claim_build(it, key, undoes, v, ret);
}

static inline Class claim_classify(const json_t *want, const View *v)
{
	return json_equal(json_object_get(want, "claim"), json_object_get(v->json, "claim"))
		       ? CLASS_DONE
		       : CLASS_ABSENT;
}

static inline bool release_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	return merge_row(key, v, ret, "claim", json_null(), true);
}

static inline bool named_row(const char *key, ActRequest *ret, bool made)
{
	ret->method = made ? "POST" : "DELETE";
	ret->path = g_strdup(key);
	ret->timeout_msec = 5000;
	ret->body = json_pack("{s:b}", "made", (int)made);
	return true;
}

static inline bool make_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	return named_row(key, ret, true);
}

static inline bool drop_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	return named_row(key, ret, false);
}

static inline Class made_classify(const json_t *want, const View *v)
{
	return json_path_bool(want, "made", true) == !v->missing ? CLASS_DONE : CLASS_ABSENT;
}

static inline AnswerClass drop_answer(int status, const json_t *detail, AnswerClass plain)
{
	return status == 404 ? ANSWER_DONE : plain;
}

#define PATCH_ROW(n, b) .name = n, .effect = EFFECT_BY_VERSION, .fact = &fact_obj, .build = b
static const ActRow act_set = { PATCH_ROW("set", set_build), .classify = row_classify };
static const ActRow act_follow = { .name = "follow",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_watched,
	.build = set_build,
	.classify = row_classify };
static const ActRow act_unmark = { PATCH_ROW("unmark", mark_build), .classify = row_classify };
static const ActRow act_mark = { PATCH_ROW("mark", mark_build), .undo = &act_unmark,
	.classify = row_classify };
static const ActRow act_release = { PATCH_ROW("release", release_build), .claim = true,
	.classify = claim_classify };
static const ActRow act_claim = { PATCH_ROW("claim", claim_build), .claim = true,
	.undo = &act_release, .classify = claim_classify };
static const ActRow act_raise = { PATCH_ROW("raise", raise_build), .claim = true,
	.classify = claim_classify };
static const ActRow act_pivot = { PATCH_ROW("pivot", set_build), .fence = &act_raise,
	.classify = row_classify };
#define NAMED_ROW(n, e, b) .name = n, .effect = e, .fact = &fact_obj, .build = b
static const ActRow act_drop = { NAMED_ROW("drop", EFFECT_BY_UID, drop_build),
	.classify = made_classify, .answer = drop_answer };
static const ActRow act_make = { NAMED_ROW("make", EFFECT_BY_NAME, make_build), .undo = &act_drop,
	.classify = made_classify };
/* Made for good. */
static const ActRow act_job = { NAMED_ROW("job", EFFECT_BY_NAME, make_build),
	.classify = made_classify };
static const ActRow *const kit_rows[] = { &act_set, &act_follow, &act_mark, &act_unmark, &act_claim,
	&act_release, &act_raise, &act_pivot, &act_make, &act_drop, &act_job };
