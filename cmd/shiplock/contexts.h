/* The clusters that kubeconfigs name: what is looked at where nobody wrote documents. */
#pragma once
#include "cli.h"
#include "fleet/connect.h"

/* [{"name": an RFC 1123 label of our making, "context", "kubeconfig": path, "server"}]: the
 * contexts asked for, or one for each API server, the current one first. Files: those asked for,
 * else $KUBECONFIG, else ~/.kube/config. NOT_FOUND names the context that is in none of them. New
 * reference. */
json_t *contexts_find(const Args *a, Connect *c, GError **err) SL_MUST_USE;
