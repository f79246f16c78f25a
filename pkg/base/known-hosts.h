/* known_hosts as ssh(1) reads it, where libssh2 does not: wildcards, negation, @revoked. From a
 * text come the keys that one host may show. */
#pragma once
#include "base/error.h"

typedef struct KnownHosts KnownHosts;

/* Keeps what concerns host and port. Lines that cannot be read are passed over, as ssh does;
 * @cert-authority lines too (host certificates are not supported). */
KnownHosts *known_hosts_parse(const char *text, const char *host, int port);
void known_hosts_free(KnownHosts *k);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KnownHosts, known_hosts_free)

typedef enum { HOST_KEY_UNKNOWN, HOST_KEY_KNOWN, HOST_KEY_OTHER, HOST_KEY_REVOKED } HostKeyVerdict;
/* key: the raw blob as it goes over the wire. OTHER: the host is known by other keys only. */
HostKeyVerdict known_hosts_judge(const KnownHosts *k, const void *key, size_t len);

/* The keys that are known and not revoked as plain lines "[host]:port type base64" (port 22: "host
 * type base64"), for a library that reads only those. Caller frees; "" when there are none. */
char *known_hosts_plain(const KnownHosts *k);
/* The types of all keys that are listed for the host, revoked ones too, each once and in the order
 * of the file: a server must be asked for one of these. Comma separated, caller frees. */
char *known_hosts_types(const KnownHosts *k);
