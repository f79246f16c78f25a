/* The ControllerConfig of this host, with its defaults. */
#pragma once
#include "base/log.h"
#include "plan/docset.h"

typedef struct Config {
	char *name; /* of the fleet */
	json_t *spec;
} Config;

/* Reads and checks the file; YAML is read by the worker. INVALID: the text holds one finding a
 * line. Warnings go to the log. */
Config *config_load(const char *path, Log log, GError **err) SL_MUST_USE;
void config_free(Config *c); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)

const char *config_state(const Config *c);
const char *config_api(const Config *c);
const char *config_web(const Config *c);
const json_t *config_repositories(const Config *c);
const json_t *config_roles(const Config *c);
const json_t *config_notify(const Config *c); /* array, or NULL: nobody is told */
int config_idle_sec(const Config *c); /* how often a cluster outside a run is looked at */
