/* A kubeconfig file as the tree that creds wants. */
#pragma once
#include "codec/json.h"

/* JSON as it is, anything else by shiplock-worker's verb yaml. New reference. */
json_t *kubeconfig_read(const char *path, GError **err) SL_MUST_USE;
