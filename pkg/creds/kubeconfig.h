/* What a kubeconfig says about one context. Pure: files that it names are only named here, and read
 * by creds.c. Source: k8s.io/client-go tools/clientcmd/api/v1 types, loader and validation.
 * Differences on purpose: `auth-provider` and exec v1alpha1 are refused (their code is gone
 * upstream too), as is interactiveMode Always, since nobody sits at a daemon. */
#pragma once
#include "base/error.h"
#include "http/http.h"
#include <jansson.h>

/* One parsed file. name is for messages; relative paths in it are relative to dir. */
typedef struct CredsFile {
	const json_t *doc;
	const char *dir, *name;
} CredsFile;

typedef struct CredsExec {
	char *command; /* a name for PATH, or an absolute path */
	char **args; /* without argv[0] */
	char **env; /* "NAME=value" beside our own environment */
	char *api_version, *install_hint;
	json_t *cluster; /* spec.cluster of KUBERNETES_EXEC_INFO, NULL when not wanted */
} CredsExec;

typedef struct CredsSpec {
	char *origin; /* "context prod of /etc/shiplock/kube/prod", for messages */
	char *namespace_; /* "default" where the context has none */
	HttpEndpoint endpoint; /* what the file holds itself */
	char *ca_file, *cert_file, *key_file, *token_file; /* absolute, or NULL */
	HttpHeader *headers; /* impersonation for every request */
	size_t n_headers;
	CredsExec *exec;
} CredsSpec;

enum { CREDS_NAMES_MAX = 4096, CREDS_ARGS_MAX = 256 };

/* The files are merged as KUBECONFIG lists are: the first that has an entry of a name wins, whole.
 * context NULL = current-context. INVALID names file and field, NOT_FOUND the missing entry; never
 * a value that may be secret. */
CredsSpec *creds_spec_from_kubeconfig(
	const CredsFile *files, size_t n_files, const char *context, GError **err) SL_MUST_USE;
void creds_spec_free(CredsSpec *s); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CredsSpec, creds_spec_free)
/* Appends copies. */
void creds_spec_add_header(CredsSpec *s, const char *name, const char *value);
