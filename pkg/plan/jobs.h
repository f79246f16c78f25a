/* Templates of Kubernetes Jobs that policies name: shipped ones ("builtin/etcd-backup") and files
 * under policies/jobs/ of the repository. Pure. */
#pragma once
#include "base/error.h"
#include <jansson.h>

#define JOBS_FOLDER "policies/jobs/"

/* A file in the folder of templates: read only by reference, no document of ours. */
bool jobs_is_template(const char *file);
/* The shipped template of that name, NULL: none. New reference. */
json_t *jobs_builtin(const char *name);
/* What is wrong with a template, in words; NULL: it is a Job with a container. Caller frees. */
char *jobs_problem(const json_t *template);
/* Adds to out (an object) the files that "job" members anywhere in v name, each with null. */
void jobs_named(const json_t *v, json_t *out);
