/* Reads documents from files and folders for the offline verbs; YAML is read by shiplock-worker. */
#pragma once
#include "plan/docset.h"

/* paths: files, folders (all *.yaml and *.yml below, sorted, without hidden ones and policies/jobs)
 * and "-" for stdin; none: plans and policies of the current folder. What cannot be read is a
 * finding in the set, which is checked. NULL: the worker could not be used at all. */
DocSet *documents_load(char *const *paths, size_t n, GError **err) SL_MUST_USE;
/* The same from one text; name is for messages. */
DocSet *documents_of_text(const char *name, const char *text, GError **err) SL_MUST_USE;
