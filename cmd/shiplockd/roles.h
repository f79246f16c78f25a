/* Who may do what, by the Unix groups of the socket's peer. root and the user that the controller
 * runs as may do everything: they could read and end it anyway. */
#pragma once
#include "base/log.h"
#include "web/web.h"

typedef enum { ROLE_READ = 1, ROLE_OPERATE = 2, ROLE_APPROVE = 4, ROLE_OWNER = 8 } Role;

typedef struct Roles Roles;
/* spec.roles of a ControllerConfig. Names of groups are looked up once, here; those that do not
 * exist are told to the log. */
Roles *roles_new(const json_t *spec, Log log);
void roles_free(Roles *r); /* NULL is fine */

/* A sum of Role. Nothing for a peer that is not local. */
unsigned roles_of(const Roles *r, const WebPeer *p);
/* The login, or "uid 1234" where it has no name. Caller frees. */
char *roles_login(const WebPeer *p);
const char *role_name(Role r);
