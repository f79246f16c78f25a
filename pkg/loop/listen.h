/* Listening sockets for the faces of the daemon: by path, by address, or handed over by systemd.
 * All are non-blocking and close-on-exec; the caller owns the descriptor. -1 on error. */
#pragma once
#include "base/error.h"

enum { LISTEN_BACKLOG = 128 };

/* A stale socket file (nobody answers) is replaced; REFUSED when somebody listens there, or when
 * the path is something else than a socket. The file gets exactly this mode before anyone can
 * connect. */
int listen_unix(const char *path, unsigned mode, GError **err) SL_MUST_USE;
/* "127.0.0.1:9464", "[::1]:9464", "localhost:0"; port 0 lets the kernel choose. INVALID for a text
 * of another shape, REFUSED when the address cannot be had. */
int listen_tcp(const char *host_port, GError **err) SL_MUST_USE;
/* A socket handed over by systemd with FileDescriptorName=name; each can be taken once. -1 with err
 * NULL when there is none of that name. */
int listen_activated(const char *name, GError **err);

/* "unix:/run/x.sock", "127.0.0.1:41234". Caller frees. */
char *listen_name(int fd);
/* The TCP port, 0 for a Unix socket. */
int listen_port(int fd);
